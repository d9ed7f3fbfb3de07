import type { Match, Rule, Verdict } from '../rule.ts';
import { sample } from './sample.ts';

/** The first part must decode to a JSON object that names its algorithm, as RFC 7515 section 4.1.1 demands. */
function joseCheck({ value }: Match): Verdict {
  const header = Buffer.from(value.slice(0, value.indexOf('.')), 'base64url').toString('utf8');
  return /^\{[\s\S]*"(?:alg|enc)"\s*:\s*"/.test(header) ? 'proven' : 'wrong';
}

const header = Buffer.from('{"alg":"HS256","typ":"JWT"}').toString('base64url');
const claims = Buffer.from('{"sub":"1234567890","name":"Jane"}').toString('base64url');

export const jwtRules: readonly Rule[] = [
  {
    id: 'jwt',
    verifies: 'the header is JSON that names its algorithm',
    entity: 'SECRET_JWT',
    tier: 'core',
    pattern: /eyJ[A-Za-z0-9_-]{12,}\.(?:[A-Za-z0-9_-]{8,}|\.[A-Za-z0-9_-]{8,})/,
    maxLength: 4096,
    rest: /[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*/,
    // Not behind a dot: the parts of one token would each be tried to the end of it.
    notBefore: /[A-Za-z0-9_.-]/,
    check: joseCheck,
    score: 0.9,
    source: 'https://www.rfc-editor.org/rfc/rfc7519',
    examples: {
      positive: [
        `${header}.${claims}.${sample(['base64url', 43])}`,
        `${header}.${claims}`,
        {
          text: `Bearer ${header}.${claims}.${sample(['base64url', 43])}, please`,
          value: `${header}.${claims}.${sample(['base64url', 43])}`,
        },
      ],
      negative: ['eyJAAAA.eyJBBB', `eyJ${sample(['base62', 30])}.${claims}`, header],
    },
  },
];
