import type { Rule } from '../rule.ts';
import { sample } from './sample.ts';
import { tokenRule } from './token-rule.ts';

export const cloudRules: readonly Rule[] = [
  tokenRule({
    id: 'aws-access-key-id',
    entity: 'SECRET_AWS_ACCESS_KEY_ID',
    pattern: /(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}/,
    source: 'https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids',
    positive: [
      sample('AKIA', ['base32', 16]),
      { text: `id=${sample('ASIA', ['base32', 16])};`, value: sample('ASIA', ['base32', 16]) },
    ],
    negative: ['AKIAZZZ', sample('AKIA', ['base32', 17]), sample('AROA', ['base32', 16])],
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
    id: 'google-oauth-client-secret',
    entity: 'SECRET_GOOGLE_OAUTH',
    pattern: /GOCSPX-[A-Za-z0-9_-]{28}/,
    notAfter: /[A-Za-z0-9_-]/,
    source: 'https://developers.google.com/identity/protocols/oauth2',
    positive: [sample('GOCSPX-', ['base64url', 28])],
    negative: ['GOCSPX-short'],
  }),
  tokenRule({
    id: 'google-oauth-token',
    entity: 'SECRET_GOOGLE_OAUTH',
    pattern: /ya29\.[A-Za-z0-9_-]{20,500}/,
    notAfter: /[A-Za-z0-9_-]/,
    maxLength: 520,
    source: 'https://developers.google.com/identity/protocols/oauth2',
    positive: [sample('ya29.', ['base64url', 120])],
    negative: ['ya29.a0'],
  }),
];
