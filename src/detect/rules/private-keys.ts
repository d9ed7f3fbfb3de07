import type { Rule } from '../rule.ts';
import { alphabets, sample } from './sample.ts';

const line = sample(['base64', 64]);
const begin = (kind: string): string => ['-----BEGIN', `${kind}-----`].join(' ');
const end = (kind: string): string => ['-----END', `${kind}-----`].join(' ');
const key = `${begin('PRIVATE KEY')}\n${line}\n${line}\n${line.slice(0, 20)}==\n${end('PRIVATE KEY')}`;

export const privateKeyRules: readonly Rule[] = [
  {
    id: 'private-key-pem',
    anchors: ['-----beg'],
    verifies: 'a body of forty base64 characters at least',
    entity: 'SECRET_PRIVATE_KEY',
    tier: 'core',
    // Header, encapsulated headers (RFC 1421 4.6), body in lines. Line ends may be escaped, quoted or lost.
    pattern:
      /-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----(?:\s|\\[nrt]|["',>|]|[A-Z][A-Za-z-]+: ?[^\r\n\\]+(?:[\r\n]|\\[nr])|[A-Za-z0-9+/=]{16,})*/,
    maxLength: 400,
    rest: /(?:[A-Za-z0-9+/=]+(?:(?:\s|\\[nrt]|["',>|])+[A-Za-z0-9+/=]{16,})*)?(?:(?:\s|\\[nrt]|["',>|])*[A-Za-z0-9+/=]{0,15}(?:\s|\\[nrt]|["',>|])*-----END [A-Z0-9 ]+-----)?/,
    check: ({ value }) => {
      const body = value.replace(/^-----[^\n]*?-----/, '').replace(/[A-Z][A-Za-z-]{2,24}: ?[^\r\n\\]*/g, '');
      return body.replace(/\\[nrt]|[^A-Za-z0-9+/]/g, '').length >= 40 ? 'proven' : 'wrong';
    },
    score: 1,
    source: 'https://www.rfc-editor.org/rfc/rfc7468',
    examples: {
      positive: [
        key,
        key.replaceAll('PRIVATE', 'RSA PRIVATE'),
        { text: `{"private_key":"${key.replaceAll('\n', '\\n')}"}`, value: key.replaceAll('\n', '\\n') },
        { text: `${begin('OPENSSH PRIVATE KEY')}\n${line}`, value: `${begin('OPENSSH PRIVATE KEY')}\n${line}` },
      ],
      negative: [
        `${begin('PRIVATE KEY')}\nanything\n${end('PRIVATE KEY')}`,
        `${begin('PUBLIC KEY')}\n${line}\n${end('PUBLIC KEY')}`,
        `${begin('CERTIFICATE')}\n${line}\n${end('CERTIFICATE')}`,
        `The file starts with ${begin('RSA PRIVATE KEY')} and`,
        `${begin('PRIVATE KEY')}\n***\n${end('PRIVATE KEY')}`,
      ],
    },
  },
  {
    id: 'age-secret-key',
    entity: 'SECRET_PRIVATE_KEY',
    tier: 'core',
    pattern: /AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}/i,
    maxLength: 80,
    notBefore: /[A-Za-z0-9]/,
    notAfter: /[A-Za-z0-9]/,
    score: 1,
    source: 'https://github.com/C2SP/C2SP/blob/main/age.md',
    examples: {
      positive: [`AGE-SECRET-KEY-1${'QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L'.repeat(2).slice(0, 58)}`],
      negative: [`AGE-SECRET-KEY-1${alphabets.digits}`],
    },
  },
];
