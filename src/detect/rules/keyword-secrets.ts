import type { Place, Rule, Verdict } from '../rule.ts';
import { isNamedAboutSecret, isNamedJust } from '../validators/secret-name.ts';
import { looksRandom, looksScrambled, mayLookRandom, mayLookScrambled } from '../validators/secret-shape.ts';
import { valueAt } from '../validators/value.ts';
import { anyOf, cwe798, nameTail, operator, quote } from './assignment.ts';
import { sample } from './sample.ts';

/** `sercret` is how it is often spelled. */
const names = anyOf(['token', 'secret', 'sercret', 'credential', 'creds', 'auth', 'key']);
const definiteNames = anyOf(['token', 'secret', 'api_key', 'api-key', 'apikey', 'access_key', 'credential']);

const tokenText = /[A-Za-z0-9_~.+/=-]*[A-Za-z0-9_~+/=-]/;
/** What goes on so is code, a path or a template. */
const notAfterToken = /[:@([{$%^*!?#|]/;

function assignedCheck(place: Place): Verdict {
  if (!isRandomAt(place) || isNamedAboutSecret(place)) return 'wrong';
  // A bare `key` names anything; what follows must be more than an id.
  const isId = place.end - place.start < 20 || /^[0-9a-f-]+$/i.test(valueAt(place).value);
  return isId && isBareKey(place) ? 'wrong' : 'plausible';
}

/** Most are refused before anything is cut out of the text. */
function isRandomAt(place: Place): boolean {
  return mayLookRandom(place) && looksRandom(valueAt(place));
}

function isBareKey(place: Place): boolean {
  const { text, start } = place;
  if (!isNamedJust('key', place)) return false;
  return !/(?:secret|api|access|private|signing|encryption) key/i.test(text.slice(Math.max(0, start - 24), start));
}

function quotedCheck(place: Place): Verdict {
  if (!place.followed || !mayLookScrambled(place) || !looksScrambled(valueAt(place))) return 'wrong';
  return isNamedAboutSecret(place) ? 'wrong' : 'plausible';
}

const shape = { entity: 'SECRET_GENERIC', tier: 'core', source: cwe798 } as const;

/** Secrets without a format of their own, found by the name that they are given to. */
export const keywordSecretRules: readonly Rule[] = [
  {
    ...shape,
    id: 'assigned-secret',
    verifies: 'entropy, looks random, the name is not about a secret',
    lead: new RegExp(`${names}${nameTail}(?:${operator}(?:${quote})?| *${quote})`, 'i'),
    pattern: tokenText,
    isRun: true,
    maxLength: 256,
    notAfter: notAfterToken,
    checkPlace: assignedCheck,
    score: 0.6,
    examples: {
      positive: [
        { text: `exampleToken := "${sample(['base62', 32])}"`, value: sample(['base62', 32]) },
        { text: `<apiToken>\n    ${sample(['lower', 24])}\n</apiToken>`, value: sample(['lower', 24]) },
        { text: `{"config.ini": "X_TOKEN=${sample(['lower', 24])}\\nB=true"}`, value: sample(['lower', 24]) },
        { text: `setProperty("API_KEY", "${sample(['hex', 32])}")`, value: sample(['hex', 32]) },
        { text: `client_secret: '${sample(['base64url', 40])}'`, value: sample(['base64url', 40]) },
        { text: `Secret Key:${sample(['base62', 16])}`, value: sample(['base62', 16]) },
        { text: `| APP_TOKEN | \`${sample(['hex', 32])}\` |`, value: sample(['hex', 32]) },
        { text: `<add key="AppSecret" value="${sample(['base62', 32])}" />`, value: sample(['base62', 32]) },
        { text: `- name: APP_TOKEN\n  value: "${sample(['hex', 32])}"`, value: sample(['hex', 32]) },
      ],
      negative: [
        ...['token: "string"', 'apiKey: fs.readFileSync(x)', 'secret = process.env.APP_SECRET', 'max_tokens: 4096'],
        ...['"token_type": "a1b2c3d4e5f6a7b8c9"', 'key: "user-settings-v2"', 'publicKey = "a1b2c3d4e5f6a7b8c9d0e1f2"'],
        ...['theapikey: ""', 'theapikeyforfoo:hopenobodyfindsthisone', 'the key is simple', 'key: 5f2b9c81d0'],
      ],
    },
  },
  {
    ...shape,
    id: 'quoted-secret',
    verifies: 'entropy, several kinds of signs',
    lead: new RegExp(`${definiteNames}${nameTail}(?:${operator}| *)${quote}`, 'i'),
    pattern: /[^\s"'`]+/,
    maxLength: 128,
    after: /["'`]/,
    checkPlace: quotedCheck,
    score: 0.5,
    examples: {
      positive: [{ text: 'secret_key => "q#P7r5&@*xC$utE4zX"', value: 'q#P7r5&@*xC$utE4zX' }],
      negative: [
        'secret: "see <docs>/x"',
        'token = "a b"',
        'apikey = ""',
        '"OpenToken",e[e.CloseToken=2]="CloseToken"',
      ],
    },
  },
  {
    ...shape,
    id: 'said-secret',
    verifies: 'entropy, looks random, the name is not about a secret',
    lead: /(?:api key|access key|[_-]key|secret(?:[ _-](?:access[ _-])?key)?|sercret|token|bearer)(?: is|:)? {1,3}["'(]?/i,
    pattern: tokenText,
    isRun: true,
    maxLength: 256,
    notAfter: notAfterToken,
    checkPlace: (place) =>
      place.end - place.start >= 12 && isRandomAt(place) && !isNamedAboutSecret(place) ? 'plausible' : 'wrong',
    score: 0.5,
    examples: {
      positive: [
        { text: 'Access Token BIhq5Xyb1Hga9Q15', value: 'BIhq5Xyb1Hga9Q15' },
        { text: 'bearer BIhq5Xyb1Hga9Q15', value: 'BIhq5Xyb1Hga9Q15' },
        { text: `my COHERE_API_KEY is ${sample(['base62', 40])}`, value: sample(['base62', 40]) },
        { text: `ENV DD_API_KEY ${sample(['hex', 32])}`, value: sample(['hex', 32]) },
        { text: `secret access key ${sample(['base62', 40])}`, value: sample(['base62', 40]) },
      ],
      negative: [
        `my PUBLIC_KEY is ${sample(['base64', 43])}`,
        'foreign_key is user_id',
        'the cache-key is 2024-11-30',
        'secret sauce',
        'token budget2024',
        'api key management',
        'Bearer token authentication',
        'bearer of bad news',
      ],
    },
  },
];
