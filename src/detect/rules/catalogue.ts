import type { Rule } from '../rule.ts';
import { americanIdRules } from './american-ids.ts';
import { appTokenRules } from './app-tokens.ts';
import { asianAndAfricanIdRules } from './asian-and-african-ids.ts';
import { bankRules } from './bank.ts';
import { cardDetailRules } from './card-details.ts';
import { cardRules } from './cards.ts';
import { cloudRules } from './cloud.ts';
import { connectionStringRules } from './connection-strings.ts';
import { cryptoRules } from './crypto.ts';
import { developerServiceRules } from './developer-services.ts';
import { emailRules } from './email.ts';
import { europeanIdRules } from './european-ids.ts';
import { jwtRules } from './jwt.ts';
import { keywordSecretRules } from './keyword-secrets.ts';
import { llmKeyRules } from './llm-keys.ts';
import { machineCredentialRules } from './machine-credentials.ts';
import { messagingRules } from './messaging.ts';
import { namedAppKeyRules } from './named-app-keys.ts';
import { namedKeyRules } from './named-keys.ts';
import { networkRules } from './network.ts';
import { passwordRules } from './passwords.ts';
import { paymentRules } from './payments.ts';
import { phoneRules } from './phone.ts';
import { platformTokenRules } from './platform-tokens.ts';
import { privateKeyRules } from './private-keys.ts';
import { serviceTokenRules } from './service-tokens.ts';
import { usIdRules } from './us-ids.ts';
import { vcsRules } from './vcs.ts';
import { worldIdRules } from './world-ids.ts';

/** All built-in rules. */
export const rules: readonly Rule[] = [
  ...cardRules,
  ...cardDetailRules,
  ...usIdRules,
  ...emailRules,
  ...bankRules,
  ...phoneRules,
  ...networkRules,
  ...cryptoRules,
  ...jwtRules,
  ...privateKeyRules,
  ...machineCredentialRules,
  ...cloudRules,
  ...vcsRules,
  ...llmKeyRules,
  ...messagingRules,
  ...paymentRules,
  ...developerServiceRules,
  ...platformTokenRules,
  ...appTokenRules,
  ...namedKeyRules,
  ...namedAppKeyRules,
  ...connectionStringRules,
  ...keywordSecretRules,
  ...passwordRules,
  ...americanIdRules,
  ...europeanIdRules,
  ...asianAndAfricanIdRules,
  ...worldIdRules,
  ...serviceTokenRules,
];
