import type { Match, Rule, Verdict } from '../rule.ts';
import { entropy } from '../validators/entropy.ts';
import { sample } from './sample.ts';
import { tokenRule } from './token-rule.ts';

const awsIds = 'https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids';

/** Forty random base64 characters: mixed case, digits, not a hash in hexadecimal. */
function isAwsSecret(match: Match): Verdict {
  const { value } = match;
  const mixed = /[a-z]/.test(value) && /[A-Z]/.test(value) && /\d/.test(value);
  return mixed && entropy(match) > 4.2 ? 'plausible' : 'wrong';
}

export const cloudRules: readonly Rule[] = [
  tokenRule({
    id: 'aws-access-key-id',
    entity: 'SECRET_AWS_ACCESS_KEY_ID',
    pattern: /(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}/,
    source: awsIds,
    positive: [
      sample('AKIA', ['base32', 16]),
      { text: `id=${sample('ASIA', ['base32', 16])};`, value: sample('ASIA', ['base32', 16]) },
    ],
    negative: ['AKIAZZZ', sample('AKIA', ['base32', 17]), sample('AROA', ['base32', 16])],
  }),
  {
    id: 'aws-secret-access-key',
    verifies: 'entropy, both cases and digits',
    entity: 'SECRET_AWS_SECRET_ACCESS_KEY',
    tier: 'core',
    lead: /(?:aws|secret|amazon)[\w .-]*["'`]*[ \t]*(?:[:=?]*[=:]>?|,|is)[ \t\r\n]*["'`]*/i,
    pattern: /[A-Za-z0-9+/]{40}/,
    maxLength: 40,
    notAfter: /[A-Za-z0-9+/=]/,
    check: isAwsSecret,
    score: 0.8,
    source: 'https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_access-keys.html',
    examples: {
      positive: [
        { text: `aws_secret_access_key = ${sample(['base64', 40])}`, value: sample(['base64', 40]) },
        { text: `"SecretAccessKey": "${sample(['base64', 40])}"`, value: sample(['base64', 40]) },
      ],
      negative: [`aws commit: ${sample(['hex', 40])}`, `secret = ${sample(['base64', 44])}`],
    },
  },
  {
    id: 'aws-secret-beside-key-id',
    verifies: 'entropy, both cases and digits',
    entity: 'SECRET_AWS_SECRET_ACCESS_KEY',
    tier: 'core',
    lead: /(?:AKIA|ASIA)[A-Z2-7]{16}["'`,;:|/\s]+(?:[\w.]*["'`]*[ \t]*[:=]+[ \t]*)?["'`]*/,
    pattern: /[A-Za-z0-9+/]{40}/,
    maxLength: 40,
    notAfter: /[A-Za-z0-9+/=]/,
    check: isAwsSecret,
    score: 0.8,
    source: 'https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_access-keys.html',
    examples: {
      positive: [
        { text: `${sample('AKIA', ['base32', 16])},${sample(['base64', 40])}`, value: sample(['base64', 40]) },
      ],
      negative: [`${sample('AKIA', ['base32', 16])} ${sample(['hex', 40])}`],
    },
  },
  {
    id: 'aws-session-token',
    entity: 'SECRET_AWS_SESSION_TOKEN',
    tier: 'core',
    // What the service's own header becomes in base64.
    pattern: /(?:IQoJb3JpZ2lu|FwoGZXIvYXdz|FQoGZXIvYXdz|AQoDYXdz)[A-Za-z0-9+/=]{80,}/,
    maxLength: 400,
    rest: /[A-Za-z0-9+/=]*/,
    notBefore: /[A-Za-z0-9+/]/,
    score: 0.95,
    source: 'https://docs.aws.amazon.com/STS/latest/APIReference/API_Credentials.html',
    examples: {
      positive: [sample('IQoJb3JpZ2lu', ['base64', 300]), sample('FwoGZXIvYXdz', ['base64', 600])],
      negative: ['IQoJb3JpZ2lu', 'FwoGZXIvYXdzEXAMPLE'],
    },
  },
  tokenRule({
    id: 'aws-bedrock-api-key',
    entity: 'SECRET_AWS_BEDROCK_API_KEY',
    pattern: /ABSK[A-Za-z0-9+/]{109,}={0,2}|bedrock-api-key-YmVkcm9jay5hbWF6b25hd3MuY29t[A-Za-z0-9+/=]*/,
    maxLength: 2048,
    notAfter: /[A-Za-z0-9+/=]/,
    source: 'https://docs.aws.amazon.com/bedrock/latest/userguide/api-keys.html',
    positive: [sample('ABSK', ['base64', 128]), sample('bedrock-api-key-YmVkcm9jay5hbWF6b25hd3MuY29t', ['base64', 80])],
    negative: ['bedrock-api-key-', 'ABSKABSK'],
  }),
  tokenRule({
    id: 'google-api-key',
    entity: 'SECRET_GOOGLE_API_KEY',
    pattern: /AIza[A-Za-z0-9_-]{35}/,
    notAfter: /[A-Za-z0-9_-]/,
    source: 'https://cloud.google.com/docs/authentication/api-keys',
    positive: [sample('AIza', ['base64url', 35])],
    negative: [sample('AIza', ['base64url', 30])],
  }),
  tokenRule({
    id: 'google-oauth-secret',
    entity: 'SECRET_GOOGLE_OAUTH',
    pattern: /GOCSPX-[A-Za-z0-9_-]{28}|ya29\.[A-Za-z0-9_-]{20,}/,
    anchors: ['GOCSPX-', 'ya29.'],
    maxLength: 520,
    notAfter: /[A-Za-z0-9_-]/,
    source: 'https://developers.google.com/identity/protocols/oauth2',
    positive: [sample('GOCSPX-', ['base64url', 28]), sample('ya29.', ['base64url', 120])],
    negative: ['ya29.a0', 'GOCSPX-short'],
  }),
  tokenRule({
    id: 'azure-storage-key',
    entity: 'SECRET_AZURE_STORAGE_KEY',
    lead: /(?:AccountKey|SharedAccessKey|account_key|azure_storage[\w.]*key|storage[_-]?key)["'`]?[ \t]*[:=]+[ \t]*["'`]?/i,
    pattern: /[A-Za-z0-9+/]{43}=|[A-Za-z0-9+/]{86}==/,
    notBefore: null,
    notAfter: /[A-Za-z0-9+/=]/,
    source: 'https://learn.microsoft.com/azure/storage/common/storage-account-keys-manage',
    positive: [
      { text: `AccountKey=${sample(['base64', 86], '==')};Endpoint`, value: sample(['base64', 86], '==') },
      { text: `SharedAccessKey='${sample(['base64', 43], '=')}'`, value: sample(['base64', 43], '=') },
    ],
    negative: [`PublicKey: ${sample(['base64', 86], '==')}`, 'AccountKey=<key>'],
  }),
  {
    id: 'azure-key-in-context',
    verifies: 'no digest, no public key',
    entity: 'SECRET_AZURE_STORAGE_KEY',
    tier: 'core',
    anchors: ['=='],
    reach: { chars: /[A-Za-z0-9+/]/, max: 87 },
    pattern: /[A-Za-z0-9+/]{86}==/,
    maxLength: 88,
    notBefore: /[A-Za-z0-9+/=-]/,
    notAfter: /[A-Za-z0-9+/=]/,
    check: ({ text, start }) =>
      /(?:sha\d*-|integrity|public ?key)[^\n]{0,12}$/i.test(text.slice(Math.max(0, start - 60), start))
        ? 'wrong'
        : 'doubtful',
    context: ['azure', 'accountkey', 'windows'],
    score: 0.5,
    source: 'https://learn.microsoft.com/azure/storage/common/storage-account-keys-manage',
    examples: {
      positive: [
        { text: `azure.com IDENTITY,\n  ${sample(['base64', 86], '==')}`, value: sample(['base64', 86], '==') },
      ],
      negative: [`azure integrity: sha512-${sample(['base64', 86], '==')}`, sample(['base64', 86], '==')],
    },
  },
  tokenRule({
    id: 'azure-sas-signature',
    entity: 'SECRET_AZURE_SAS',
    lead: /[?&;]sig=/,
    pattern: /[A-Za-z0-9%/+]{43,64}(?:%3[dD]|=)?/,
    notBefore: null,
    notAfter: /[A-Za-z0-9%/+]/,
    source: 'https://learn.microsoft.com/azure/storage/common/storage-sas-overview',
    positive: [
      {
        text: `https://x.blob.core.windows.net/c?sv=2024&sig=${sample(['base62', 43])}%3D`,
        value: `${sample(['base62', 43])}%3D`,
      },
    ],
    negative: ['?sig=abc', '?signature=1'],
  }),
  tokenRule({
    id: 'azure-ad-client-secret',
    entity: 'SECRET_AZURE_CLIENT_SECRET',
    anchors: ['Q~'],
    reach: { chars: /[A-Za-z0-9_~.-]/, max: 4 },
    pattern: /[A-Za-z0-9_~.-]{3}\dQ~[A-Za-z0-9_~.-]{31,34}/,
    notBefore: /[A-Za-z0-9_~.-]/,
    notAfter: /[A-Za-z0-9_~-]/,
    source: 'https://learn.microsoft.com/entra/identity-platform/howto-create-service-principal-portal',
    positive: [sample('abc8Q~', ['base62', 34])],
    negative: ['a8Q~x', sample('abcdQ~', ['base62', 34])],
  }),
  tokenRule({
    id: 'digitalocean-token',
    entity: 'SECRET_DIGITALOCEAN_TOKEN',
    pattern: /do[por]_v1_[0-9a-f]{64}/,
    source: 'https://docs.digitalocean.com/reference/api/create-personal-access-token/',
    positive: [sample('dop_v1_', ['hex', 64]), sample('dor_v1_', ['hex', 64])],
    negative: ['dop_v1_abc'],
  }),
  tokenRule({
    id: 'alibaba-access-key-id',
    entity: 'SECRET_ALIBABA_ACCESS_KEY_ID',
    pattern: /LTAI[A-Za-z0-9]{12,26}/,
    source: 'https://www.alibabacloud.com/help/en/ram/user-guide/create-an-accesskey-pair',
    positive: [sample('LTAI', ['base62', 20])],
    negative: ['LTAI short', sample('LTAI', ['base62', 40])],
    check: ({ value }) => (/\d/.test(value) ? 'plausible' : 'wrong'),
  }),
];
