import type { Match, Rule, Verdict } from '../rule.ts';
import { entropy } from '../validators/entropy.ts';
import { isPlaceholder } from '../validators/placeholder.ts';
import { beginningOf } from '../validators/value.ts';
import { sample } from './sample.ts';

const jwk = 'https://www.rfc-editor.org/rfc/rfc7518#section-6';
const kubernetes = 'https://kubernetes.io/docs/concepts/configuration/secret/';

/** Base64url of random bytes, of a length that keys have. */
function isKeyMaterial(match: Match): Verdict {
  return entropy(beginningOf(match, 128)) > 4 && !isPlaceholder(match) ? 'plausible' : 'wrong';
}

function leftOf({ text, start }: Match): string {
  return text.slice(Math.max(0, start - 80), start);
}

/** The first two thirds of what a private key in PEM begins with once the whole file is in base64: the same in all such keys. */
const encodedHeaders = ['', 'RSA ', 'EC ', 'DSA ', 'OPENSSH ', 'ENCRYPTED ', 'PGP '].map((kind) => {
  const header = Buffer.from(`-----BEGIN ${kind}PRIVATE KEY`);
  return header.subarray(0, header.length - (header.length % 3)).toString('base64');
});
const encodedKey = `${encodedHeaders[1]}${sample(['base64', 120])}`;

const manifest = (order: 'written' | 'printed'): string => {
  const data = `data:\n  user: ${sample(['base64', 16])}\n  password: ${sample(['base64', 20])}`;
  return order === 'written' ? `kind: Secret\ntype: Opaque\n${data}\n` : `apiVersion: v1\n${data}\nkind: Secret\n`;
};
const manifestValue = `user: ${sample(['base64', 16])}\n  password: ${sample(['base64', 20])}`;

/** Credentials in the files and formats that machines keep them in. */
export const machineCredentialRules: readonly Rule[] = [
  {
    id: 'jwk-private-member',
    verifies: 'entropy',
    entity: 'SECRET_JWK',
    tier: 'core',
    lead: /"(?:d|p|q|dp|dq|qi)\\?"\s*:\s*\\?"/,
    pattern: /[A-Za-z0-9_-]{40,}/,
    maxLength: 1400,
    after: /\\?"/,
    check: (match) => (match.followed ? isKeyMaterial(match) : 'wrong'),
    score: 0.85,
    source: jwk,
    examples: {
      positive: [
        { text: `{"kty":"EC","crv":"P-256","d":"${sample(['base64url', 43])}"}`, value: sample(['base64url', 43]) },
        { text: `"n": "x", "d" : "${sample(['base64url', 342])}"`, value: sample(['base64url', 342]) },
        { text: `{\\"d\\":\\"${sample(['base64url', 43])}\\"}`, value: sample(['base64url', 43]) },
      ],
      negative: [`{"kty":"EC","x":"${sample(['base64url', 43])}"}`, '"d": "short"', `"d":"${'a'.repeat(60)}"`],
    },
  },
  {
    id: 'jwk-symmetric-key',
    verifies: 'entropy, `oct` before it',
    entity: 'SECRET_JWK',
    tier: 'core',
    lead: /"k\\?"\s*:\s*\\?"/,
    pattern: /[A-Za-z0-9_-]{16,}/,
    maxLength: 512,
    check: (match) => (/"oct\\?"/.test(leftOf(match)) && entropy(match) > 3 ? 'plausible' : 'wrong'),
    score: 0.85,
    source: jwk,
    examples: {
      positive: [{ text: `{"kty":"oct","k":"${sample(['base64url', 43])}"}`, value: sample(['base64url', 43]) }],
      negative: [`{"k":"${sample(['base64url', 43])}"}`],
    },
  },
  {
    id: 'private-key-base64',
    entity: 'SECRET_PRIVATE_KEY',
    tier: 'core',
    pattern: new RegExp(`(?:${encodedHeaders.join('|').replaceAll('+', '\\+')})[A-Za-z0-9+/]{40,}`),
    maxLength: 400,
    // Without the padding, so that the next one may begin behind a `=`: within a run it would be tried again to the end of the run.
    rest: /[A-Za-z0-9+/]*/,
    notBefore: /[A-Za-z0-9+/]/,
    score: 1,
    source: 'https://www.rfc-editor.org/rfc/rfc7468',
    examples: {
      positive: [
        encodedKey,
        { text: `client-key-data: ${encodedKey}\n`, value: encodedKey },
        { text: `TLS_KEY=${encodedKey}`, value: encodedKey },
      ],
      negative: [`${Buffer.from('-----BEGIN CERTIFICATE-----').toString('base64')}${sample(['base64', 120])}`],
    },
  },
  {
    id: 'kubeconfig-client-key',
    entity: 'SECRET_PRIVATE_KEY',
    tier: 'core',
    lead: /client-key-data["']?:[ \t]*["']?/,
    pattern: /[A-Za-z0-9+/]{60,}={0,2}/,
    maxLength: 400,
    rest: /[A-Za-z0-9+/=]*/,
    score: 0.95,
    source: 'https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/',
    examples: {
      positive: [{ text: `    client-key-data: ${sample(['base64', 200])}\n`, value: sample(['base64', 200]) }],
      negative: [`client-certificate-data: ${sample(['base64', 200])}`, 'client-key-data: <key>'],
    },
  },
  {
    id: 'kubernetes-secret',
    verifies: '`kind: Secret` or its type beside it',
    entity: 'SECRET_KUBERNETES_SECRET',
    tier: 'core',
    lead: /(?:stringD|d)ata:[ \t]*\r?\n[ \t]+/,
    pattern: /[A-Za-z0-9._-]+:[ \t]*[^\s:#]+(?:\r?\n[ \t]+[A-Za-z0-9._-]+:[ \t]*[^\s:#]+)*/,
    maxLength: 2048,
    after: /\s*(?:immutable:[ \t]*\w+\s+)?kind:[ \t]*Secret/,
    check: (match) => {
      if (/^[\w.-]+:[ \t]*[[{<$|>&*!]/.test(match.value)) return 'wrong';
      const before = /kind:[ \t]*Secret\b|type:[ \t]*["']?(?:Opaque|kubernetes\.io\/)/.test(leftOf(match));
      return match.followed || before ? 'plausible' : 'wrong';
    },
    score: 0.85,
    source: kubernetes,
    examples: {
      positive: [
        { text: manifest('written'), value: manifestValue },
        { text: manifest('printed'), value: manifestValue },
        { text: 'kind: Secret\nstringData:\n  token: Wq83kPzU2\n', value: 'token: Wq83kPzU2' },
      ],
      negative: ['kind: ConfigMap\ndata:\n  mode: fast\n', 'data:\n  mode: fast\nkind: ConfigMap\n', 'data: 1'],
    },
  },
  {
    id: 'kubernetes-secret-json',
    verifies: '`kind: Secret` beside it',
    entity: 'SECRET_KUBERNETES_SECRET',
    tier: 'core',
    lead: /"(?:stringD|d)ata\\?"\s*:\s*\{\s*/,
    pattern:
      /\\?"[A-Za-z0-9._-]+\\?"\s*:\s*\\?"[A-Za-z0-9+/=]+\\?"(?:\s*,\s*\\?"[A-Za-z0-9._-]+\\?"\s*:\s*\\?"[A-Za-z0-9+/=]+\\?")*/,
    maxLength: 2048,
    after: /\s*\}\s*,\s*\\?"kind\\?"\s*:\s*\\?"Secret\\?"/,
    check: (match) => (match.followed || /"kind\\?"\s*:\s*\\?"Secret\\?"/.test(leftOf(match)) ? 'plausible' : 'wrong'),
    score: 0.85,
    source: kubernetes,
    examples: {
      positive: [
        {
          text: `{"apiVersion":"v1","data":{"password":"${sample(['base64', 20])}"},"kind":"Secret"}`,
          value: `"password":"${sample(['base64', 20])}"`,
        },
      ],
      negative: [`{"data":{"id":"${sample(['base64', 20])}"},"kind":"Pod"}`],
    },
  },
  {
    id: 'putty-private-key',
    entity: 'SECRET_PRIVATE_KEY',
    tier: 'core',
    lead: /Private-Lines: \d{1,4}(?:\s|\\[nr])+/,
    pattern: /[A-Za-z0-9+/=]{20,64}/,
    maxLength: 64,
    rest: /(?:(?:\s|\\[nr])+[A-Za-z0-9+/=]{4,64})*(?:(?:\s|\\[nr])+Private-(?:MAC|Hash): [0-9a-f]{40,64})?/,
    score: 1,
    source: 'https://the.earth.li/~sgtatham/putty/latest/htmldoc/AppendixC.html',
    examples: {
      positive: [
        {
          text: `Private-Lines: 2\n${sample(['base64', 64])}\n${sample(['base64', 40])}\nPrivate-MAC: ${sample(['hex', 40])}\n`,
          value: `${sample(['base64', 64])}\n${sample(['base64', 40])}\nPrivate-MAC: ${sample(['hex', 40])}`,
        },
      ],
      negative: [`Public-Lines: 2\n${sample(['base64', 64])}\n`, 'Private-Lines: none'],
    },
  },
  {
    id: 'pgpass-password',
    verifies: 'no placeholder',
    entity: 'SECRET_PASSWORD',
    tier: 'core',
    anchors: [':5432:', ':5433:', ':6432:', ':*:'],
    reach: { chars: /[A-Za-z0-9_.*-]/, max: 40 },
    lead: /[A-Za-z0-9_.*-]+:(?:\d{4}|\*):[A-Za-z0-9_*-]+:[A-Za-z0-9_*.-]+:/,
    pattern: /[^\s:"'`]{4,}/,
    maxLength: 64,
    notBefore: /[A-Za-z0-9_.:/@-]/,
    notAfter: /:/,
    check: (match) => (isPlaceholder(match) || /^\*+$|^password$/i.test(match.value) ? 'wrong' : 'plausible'),
    score: 0.7,
    source: 'https://www.postgresql.org/docs/current/libpq-pgpass.html',
    examples: {
      positive: [
        { text: 'db.internal:5432:app:reader:Wq83kPz\n', value: 'Wq83kPz' },
        { text: '*:*:*:postgres:Wq83kPz', value: 'Wq83kPz' },
      ],
      negative: ['0.0.0.0:5432:5432', 'arn:aws:iam:*:policy', 'host:5432:db:user:<password>'],
    },
  },
  {
    id: 'netrc-password',
    verifies: '`machine` before it, no placeholder',
    entity: 'SECRET_PASSWORD',
    tier: 'core',
    lead: /login\s+[^\s]+\s+password\s+/,
    pattern: /[^\s]{4,}/,
    maxLength: 128,
    check: (match) =>
      /(?:machine\s+\S+|default)\s+login\s+\S+\s+password\s+$/.test(leftOf(match)) && !isPlaceholder(match)
        ? 'plausible'
        : 'wrong',
    score: 0.8,
    source: 'https://www.gnu.org/software/inetutils/manual/html_node/The-_002enetrc-file.html',
    examples: {
      positive: [
        { text: 'machine api.example.com login me password sesame', value: 'sesame' },
        { text: 'machine api.example.com\n  login me\n  password Wq83kPz\n', value: 'Wq83kPz' },
      ],
      negative: ['please login first password reset', 'machine x login y password ****'],
    },
  },
  {
    id: 'docker-registry-auth',
    verifies: 'decodes to a name and a password',
    entity: 'SECRET_DOCKER_AUTH',
    tier: 'core',
    lead: /"auth\\?"\s*:\s*\\?"/,
    pattern: /[A-Za-z0-9+/]{8,}={0,2}/,
    maxLength: 512,
    notAfter: /[A-Za-z0-9+/=_-]/,
    check: ({ value }) => (/^[\x21-\x7e]+:[\x21-\x7e]+$/.test(decoded(value)) ? 'plausible' : 'wrong'),
    score: 0.85,
    source: 'https://docs.docker.com/reference/cli/docker/login/#credential-stores',
    examples: {
      positive: [
        {
          text: `{"auths":{"r.example":{"auth":"${Buffer.from('me:Wq83kPz').toString('base64')}"}}}`,
          value: Buffer.from('me:Wq83kPz').toString('base64'),
        },
      ],
      negative: ['"auth": "required"', `"auth": "${sample(['base64', 24])}"`],
    },
  },
  {
    id: 'password-hash',
    entity: 'SECRET_PASSWORD_HASH',
    tier: 'core',
    pattern:
      /\$2[abxy]?\$\d{2}\$[./A-Za-z0-9]{53}|\$[156]\$(?:rounds=\d{1,9}\$)?[./A-Za-z0-9]{1,16}\$[./A-Za-z0-9]{22,86}|\$argon2(?:id|i|d)\$v=\d{1,3}\$m=\d{1,9},t=\d{1,4},p=\d{1,3}\$[A-Za-z0-9+/]{8,64}\$[A-Za-z0-9+/]{16,128}|\$y\$[./A-Za-z0-9]{1,8}\$[./A-Za-z0-9]{1,86}\$[./A-Za-z0-9]{43}/,
    anchors: ['$2', '$1$', '$5$', '$6$', '$argon', '$y$'],
    maxLength: 300,
    notAfter: /[./A-Za-z0-9]/,
    score: 0.9,
    source: 'https://man7.org/linux/man-pages/man5/crypt.5.html',
    examples: {
      positive: [
        sample('$2b$12$', ['base62', 53]),
        sample('$6$', ['base62', 16], '$', ['base62', 86]),
        sample('$argon2id$v=19$m=65536,t=3,p=4$', ['base62', 22], '$', ['base62', 43]),
      ],
      negative: ['$2.50', '$1$', 'costs $5$ or $6$'],
    },
  },
  {
    id: 'blockchain-private-key',
    entity: 'SECRET_BLOCKCHAIN_KEY',
    tier: 'core',
    pattern: /(?:xprv|yprv|zprv|tprv)[1-9A-HJ-NP-Za-km-z]{107}/,
    maxLength: 120,
    notBefore: /[A-Za-z0-9]/,
    notAfter: /[A-Za-z0-9]/,
    score: 0.95,
    source: 'https://github.com/bitcoin/bips/blob/master/bip-0032.mediawiki',
    examples: {
      positive: [sample('xprv', ['base62', 107]).replace(/[0OIl]/g, 'x')],
      negative: ['xprv9s21', sample('xpub', ['base62', 107]).replace(/[0OIl]/g, 'x')],
    },
  },
  {
    id: 'announced-private-key',
    verifies: 'entropy',
    entity: 'SECRET_BLOCKCHAIN_KEY',
    tier: 'core',
    lead: /(?:private|priv|secret|wallet|signing)[ _-]?key["'`]*[ \t]*(?:[:=]+|is)[ \t]*["'`]*/i,
    pattern: /(?:0x)?[0-9A-Fa-f]{64}|[59KLc][1-9A-HJ-NP-Za-km-z]{50,51}/,
    maxLength: 66,
    notAfter: /[A-Za-z0-9]/,
    check: (match) => (entropy(match) < 3 || isPlaceholder(match) ? 'wrong' : 'plausible'),
    score: 0.85,
    source: 'https://ethereum.org/en/developers/docs/accounts/',
    examples: {
      positive: [
        { text: `PRIVATE_KEY=0x${sample(['hex', 64])}`, value: `0x${sample(['hex', 64])}` },
        { text: `my private key is ${sample(['hex', 64])}.`, value: sample(['hex', 64]) },
      ],
      negative: [`public key: ${sample(['hex', 64])}`, `private_key = "${'0'.repeat(64)}"`],
    },
  },
  {
    id: 'paseto',
    anchors: ['v1.', 'v2.', 'v3.', 'v4.'],
    entity: 'SECRET_PASETO',
    tier: 'core',
    pattern: /v[1-4]\.(?:local|public)\.[A-Za-z0-9_-]{40,}(?:\.[A-Za-z0-9_-]+)?/,
    maxLength: 4096,
    notBefore: /[A-Za-z0-9_.-]/,
    score: 0.9,
    source: 'https://github.com/paseto-standard/paseto-spec',
    examples: {
      positive: [
        sample('v4.local.', ['base64url', 120]),
        sample('v2.public.', ['base64url', 120], '.', ['base62', 20]),
      ],
      negative: ['v4.local.test', 'v1.public.api'],
    },
  },
];

function decoded(value: string): string {
  return Buffer.from(value, 'base64').toString('latin1');
}
