import type { Rule } from '../rule.ts';
import { sample } from './sample.ts';
import { tokenRule } from './token-rule.ts';

export const vcsRules: readonly Rule[] = [
  tokenRule({
    id: 'github-token',
    entity: 'SECRET_GITHUB_TOKEN',
    pattern: /gh[pousr]_[A-Za-z0-9]{36,255}/,
    source:
      'https://docs.github.com/en/authentication/keeping-your-account-and-data-secure/about-authentication-to-github',
    positive: [
      sample('ghp_', ['base62', 36]),
      { text: `token: "${sample('gho_', ['base62', 36])}"`, value: sample('gho_', ['base62', 36]) },
    ],
    negative: ['ghp_short', `gho_${'x'.repeat(36)}`],
  }),
  tokenRule({
    id: 'github-fine-grained-token',
    entity: 'SECRET_GITHUB_TOKEN',
    pattern: /github_pat_[A-Za-z0-9_]{82}/,
    source: 'https://github.blog/changelog/2022-10-18-introducing-fine-grained-personal-access-tokens/',
    positive: [sample('github_pat_', ['base62', 22], '_', ['base62', 59])],
    negative: ['github_pat_11ABC'],
  }),
  tokenRule({
    id: 'gitlab-token',
    entity: 'SECRET_GITLAB_TOKEN',
    pattern:
      /gl(?:pat|oas|dt|rt|ptt|ft|imt|agent|soat|ffct|cbt)-[A-Za-z0-9_=-]{20,300}(?:\.[A-Za-z0-9_-]{2}\.?[A-Za-z0-9_-]{7,60})?/,
    notAfter: /[A-Za-z0-9_]/,
    source: 'https://docs.gitlab.com/security/tokens/#token-prefixes',
    positive: [
      sample('glpat-', ['base62', 20]),
      sample('glffct-', ['base62', 20]),
      sample('glrt-t1_', ['base62', 27], '.', ['lower', 9]),
    ],
    negative: ['glpat-hellOWorld380 testin', 'gldt-seems_too000Sshorty'],
  }),
];
