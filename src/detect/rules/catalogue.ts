import type { Rule } from '../rule.ts';
import { bankRules } from './bank.ts';
import { cardRules } from './cards.ts';
import { cloudRules } from './cloud.ts';
import { emailRules } from './email.ts';
import { jwtRules } from './jwt.ts';
import { keywordSecretRules } from './keyword-secrets.ts';
import { phoneRules } from './phone.ts';
import { privateKeyRules } from './private-keys.ts';
import { usIdRules } from './us-ids.ts';
import { vcsRules } from './vcs.ts';

/** All built-in rules. */
export const rules: readonly Rule[] = [
  ...cardRules,
  ...usIdRules,
  ...emailRules,
  ...bankRules,
  ...phoneRules,
  ...jwtRules,
  ...privateKeyRules,
  ...cloudRules,
  ...vcsRules,
  ...keywordSecretRules,
];
