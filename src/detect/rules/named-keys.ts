import type { Rule } from '../rule.ts';
import { namedKeyRule } from './named-key-rule.ts';
import { sample } from './sample.ts';

const hex32 = /[0-9A-Fa-f]{32}/;
const hex40 = /[0-9A-Fa-f]{40}/;
const hex64 = /[0-9A-Fa-f]{64}/;
const alnum32 = /[A-Za-z0-9]{32}/;
const url32 = /[A-Za-z0-9_=-]{32}/;
const uuid = /[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}/;

const ofHex32 = sample(['hex', 32]);
const ofHex40 = sample(['hex', 40]);
const ofHex64 = sample(['hex', 64]);
const ofAlnum32 = sample(['base62', 32]);
const ofUrl32 = sample(['base62', 32]);
const ofUuid = sample(['hex', 8], '-', ['hex', 4], '-', ['hex', 4], '-', ['hex', 4], '-', ['hex', 12]);

type Row = readonly [id: string, words: readonly string[], pattern: RegExp, example: string, source: string];

/** Entity: `SECRET_` and the vendor. Formats as the vendor's own pages show or describe them. */
const rows: readonly Row[] = [
  // Cloud and infrastructure
  [
    'azure-ai-key',
    ['azure', 'cognitive'],
    /[0-9a-f]{32}|[A-Za-z0-9]{84}/,
    ofHex32,
    'https://learn.microsoft.com/azure/ai-services/authentication',
  ],
  [
    'azure-devops-token',
    ['devops', 'vsts', 'vso_'],
    /[a-z2-7]{52}/,
    sample(['lower', 52]).replace(/[0189]/g, '5'),
    'https://learn.microsoft.com/azure/devops/organizations/accounts/use-personal-access-tokens-to-authenticate',
  ],
  [
    'ibm-cloud-key',
    ['ibm', 'bluemix', 'softlayer'],
    /[A-Za-z0-9_-]{44}/,
    sample(['base62', 44]),
    'https://cloud.ibm.com/docs/account?topic=account-userapikey',
  ],
  [
    'oracle-cloud-token',
    ['oci_', 'oracle'],
    /[A-Za-z0-9_-]{32,64}/,
    ofAlnum32,
    'https://docs.oracle.com/iaas/Content/Identity/Tasks/managingcredentials.htm',
  ],
  ['ovh-key', ['ovh'], alnum32, ofAlnum32, 'https://help.ovhcloud.com/csm/en-api-getting-started-ovhcloud-api'],
  [
    'scaleway-secret-key',
    ['scaleway', 'scw_'],
    uuid,
    ofUuid,
    'https://www.scaleway.com/en/docs/iam/how-to/create-api-keys/',
  ],
  ['linode-token', ['linode'], hex64, ofHex64, 'https://techdocs.akamai.com/linode-api/reference/get-started'],
  [
    'hetzner-token',
    ['hetzner', 'hcloud'],
    /[A-Za-z0-9]{64}/,
    sample(['base62', 64]),
    'https://docs.hetzner.cloud/reference/cloud#authentication',
  ],
  ['vultr-key', ['vultr'], /[A-Z0-9]{36}/, sample(['base32', 36]), 'https://www.vultr.com/api/#section/Authentication'],
  [
    'cloudflare-global-key',
    ['cloudflare', 'cf_'],
    /[0-9a-f]{37}|[A-Za-z0-9_-]{40}/,
    sample(['hex', 37]),
    'https://developers.cloudflare.com/fundamentals/api/get-started/keys/',
  ],
  ['fastly-token', ['fastly'], url32, ofUrl32, 'https://www.fastly.com/documentation/reference/api/#authentication'],
  ['heroku-api-key', ['heroku'], uuid, ofUuid, 'https://devcenter.heroku.com/articles/platform-api-quickstart'],
  [
    'netlify-token',
    ['netlify'],
    /[A-Za-z0-9_-]{40,46}/,
    sample(['base62', 43]),
    'https://docs.netlify.com/api/get-started/#authentication',
  ],
  [
    'confluent-secret',
    ['confluent'],
    /[A-Za-z0-9+/]{64}|[A-Z0-9]{16}/,
    sample(['base64', 64]),
    'https://docs.confluent.io/cloud/current/security/authenticate/workload-identities/service-accounts/api-keys/overview.html',
  ],
  [
    'elastic-api-key',
    ['elastic', 'kibana'],
    /[A-Za-z0-9+/_-]{58,60}={0,2}/,
    sample(['base64', 58], '=='),
    'https://www.elastic.co/docs/deploy-manage/api-keys/elasticsearch-api-keys',
  ],
  // Models
  [
    'mistral-api-key',
    ['mistral', 'codestral'],
    alnum32,
    ofAlnum32,
    'https://docs.mistral.ai/getting-started/quickstart/',
  ],
  [
    'cohere-api-key',
    ['cohere', 'co_api'],
    /[A-Za-z0-9]{40}/,
    sample(['base62', 40]),
    'https://docs.cohere.com/reference/about#authentication',
  ],
  ['together-api-key', ['together'], hex64, ofHex64, 'https://docs.together.ai/docs/quickstart'],
  [
    'assemblyai-key',
    ['assemblyai', 'assembly_ai'],
    hex32,
    ofHex32,
    'https://www.assemblyai.com/docs/api-reference/overview',
  ],
  ['deepgram-key', ['deepgram'], hex40, ofHex40, 'https://developers.deepgram.com/reference/authentication'],
  [
    'wandb-api-key',
    ['wandb', 'weights_and_biases', 'weights and biases'],
    hex40,
    ofHex40,
    'https://docs.wandb.ai/guides/track/environment-variables/',
  ],
  ['ai21-key', ['ai21'], alnum32, ofAlnum32, 'https://docs.ai21.com/reference/api-authentication'],
  // Watching, paging, logging
  [
    'datadog-key',
    ['datadog', 'dd_api', 'dd_app'],
    /[0-9a-f]{32}|[0-9a-f]{40}/,
    ofHex40,
    'https://docs.datadoghq.com/account_management/api-app-keys/',
  ],
  ['algolia-key', ['algolia'], hex32, ofHex32, 'https://www.algolia.com/doc/guides/security/api-keys/'],
  ['amplitude-key', ['amplitude'], hex32, ofHex32, 'https://amplitude.com/docs/apis/authentication'],
  ['mixpanel-secret', ['mixpanel'], hex32, ofHex32, 'https://developer.mixpanel.com/reference/project-secret'],
  [
    'pagerduty-key',
    ['pagerduty', 'pager_duty'],
    /[A-Za-z0-9_+-]{20}|[0-9a-f]{32}/,
    sample(['base62', 20]),
    'https://support.pagerduty.com/main/docs/api-access-keys',
  ],
  ['opsgenie-key', ['opsgenie'], uuid, ofUuid, 'https://support.atlassian.com/opsgenie/docs/api-key-management/'],
  ['rollbar-token', ['rollbar'], hex32, ofHex32, 'https://docs.rollbar.com/docs/project-access-tokens'],
  [
    'splunk-hec-token',
    ['splunk', 'hec_'],
    uuid,
    ofUuid,
    'https://docs.splunk.com/Documentation/Splunk/latest/Data/UsetheHTTPEventCollector',
  ],
  [
    'sumo-logic-key',
    ['sumo'],
    /[A-Za-z0-9]{64}/,
    sample(['base62', 64]),
    'https://help.sumologic.com/docs/manage/security/access-keys/',
  ],
  // Building and testing
  ['codecov-token', ['codecov'], uuid, ofUuid, 'https://docs.codecov.com/docs/codecov-tokens'],
  ['drone-token', ['drone'], alnum32, ofAlnum32, 'https://docs.drone.io/cli/configure/'],
  [
    'jenkins-token',
    ['jenkins'],
    /11[0-9a-f]{32}/,
    sample('11', ['hex', 32]),
    'https://www.jenkins.io/doc/book/system-administration/authenticating-scripted-clients/',
  ],
  [
    'travis-token',
    ['travis'],
    /[A-Za-z0-9_-]{22}/,
    sample(['base62', 22]),
    'https://docs.travis-ci.com/user/triggering-builds/',
  ],
  ['gitea-token', ['gitea', 'forgejo', 'codeberg'], hex40, ofHex40, 'https://docs.gitea.com/development/api-usage'],
  ['snyk-token', ['snyk'], uuid, ofUuid, 'https://docs.snyk.io/snyk-api/authentication-for-api'],
  [
    'sonar-legacy-token',
    ['sonar'],
    hex40,
    ofHex40,
    'https://docs.sonarsource.com/sonarqube-server/latest/user-guide/managing-tokens/',
  ],
  ['sauce-labs-key', ['sauce'], uuid, ofUuid, 'https://docs.saucelabs.com/basics/acct-team-mgmt/managing-user-info/'],
  [
    'browserstack-key',
    ['browserstack'],
    /[A-Za-z0-9]{20}/,
    sample(['base62', 20]),
    'https://www.browserstack.com/docs/automate/selenium/getting-started',
  ],
];

export const namedKeyRules: readonly Rule[] = rows.map(([id, words, pattern, example, source]) =>
  namedKeyRule({ id, entity: `SECRET_${id.toUpperCase().replaceAll('-', '_')}`, words, pattern, example, source }),
);
