import type { Rule } from '../rule.ts';
import { namedKeyRule } from './named-key-rule.ts';
import { sample } from './sample.ts';

const hex32 = /[0-9A-Fa-f]{32}/;
const url32 = /[A-Za-z0-9_=-]{32}/;
const alnum32 = /[A-Za-z0-9]{32}/;
const uuid = /[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}/;
const ofHex32 = sample(['hex', 32]);
const ofUrl32 = sample(['base62', 32]);
const ofUuid = sample(['hex', 8], '-', ['hex', 4], '-', ['hex', 4], '-', ['hex', 4], '-', ['hex', 12]);

type Row = readonly [id: string, words: readonly string[], pattern: RegExp, example: string, source: string];

/** Applications rather than infrastructure. Entity: `SECRET_` and the vendor. */
const rows: readonly Row[] = [
  // Messages and people
  [
    'discord-client-secret',
    ['discord'],
    url32,
    ofUrl32,
    'https://discord.com/developers/docs/topics/oauth2#client-credentials-grant',
  ],
  [
    'mattermost-token',
    ['mattermost'],
    /[a-z0-9]{26}/,
    sample(['lower', 26]),
    'https://developers.mattermost.com/integrate/reference/personal-access-token/',
  ],
  [
    'messagebird-key',
    ['messagebird'],
    /[A-Za-z0-9]{25}/,
    sample(['base62', 25]),
    'https://developers.messagebird.com/api/#authentication',
  ],
  ['mailjet-key', ['mailjet'], hex32, ofHex32, 'https://dev.mailjet.com/email/guides/getting-started/'],
  ['postmark-token', ['postmark'], uuid, ofUuid, 'https://postmarkapp.com/developer/api/overview#authentication'],
  ['twilio-auth-token', ['twilio'], hex32, ofHex32, 'https://www.twilio.com/docs/iam/api-keys/keys-in-console'],
  [
    'vonage-secret',
    ['vonage', 'nexmo'],
    /[A-Za-z0-9]{16}/,
    sample(['base62', 16]),
    'https://developer.vonage.com/en/getting-started/concepts/authentication',
  ],
  [
    'sendbird-token',
    ['sendbird'],
    /[0-9a-f]{40}/,
    sample(['hex', 40]),
    'https://sendbird.com/docs/chat/platform-api/v3/prepare-to-use-api',
  ],
  [
    'zendesk-token',
    ['zendesk'],
    /[A-Za-z0-9]{40}/,
    sample(['base62', 40]),
    'https://developer.zendesk.com/api-reference/introduction/security-and-auth/',
  ],
  [
    'intercom-token',
    ['intercom'],
    /[A-Za-z0-9_=-]{60}/,
    sample(['base62', 60]),
    'https://developers.intercom.com/docs/build-an-integration/learn-more/authentication',
  ],
  [
    'freshdesk-key',
    ['freshdesk', 'freshworks'],
    /[A-Za-z0-9]{20}/,
    sample(['base62', 20]),
    'https://developers.freshdesk.com/api/#authentication',
  ],
  // Media and networks of people
  [
    'twitter-key',
    ['twitter', 'x_api'],
    /[A-Za-z0-9]{25}|[A-Za-z0-9]{45}|[A-Za-z0-9]{50}|[0-9]{10,20}-[A-Za-z0-9]{30,45}/,
    sample(['base62', 50]),
    'https://developer.x.com/en/docs/authentication/oauth-1-0a/api-key-and-secret',
  ],
  ['twitch-token', ['twitch'], /[a-z0-9]{30}/, sample(['lower', 30]), 'https://dev.twitch.tv/docs/authentication/'],
  ['facebook-app-secret', ['facebook', 'fb_'], hex32, ofHex32, 'https://developers.facebook.com/docs/apps/settings/'],
  [
    'linkedin-client-secret',
    ['linkedin'],
    /[A-Za-z0-9]{16}/,
    sample(['base62', 16]),
    'https://learn.microsoft.com/linkedin/shared/authentication/client-credentials-flow',
  ],
  ['spotify-client-secret', ['spotify'], hex32, ofHex32, 'https://developer.spotify.com/documentation/web-api'],
  ['flickr-key', ['flickr'], hex32, ofHex32, 'https://www.flickr.com/services/api/misc.api_keys.html'],
  [
    'nytimes-key',
    ['nytimes', 'new-york-times', 'new york times'],
    alnum32,
    ofUrl32,
    'https://developer.nytimes.com/get-started',
  ],
  // Business
  [
    'atlassian-api-token',
    ['atlassian', 'jira', 'confluence'],
    /[A-Za-z0-9]{24}/,
    sample(['base62', 24]),
    'https://support.atlassian.com/atlassian-account/docs/manage-api-tokens-for-your-atlassian-account/',
  ],
  [
    'bitbucket-client-secret',
    ['bitbucket'],
    /[A-Za-z0-9_=-]{32}|[A-Za-z0-9_=-]{64}/,
    ofUrl32,
    'https://support.atlassian.com/bitbucket-cloud/docs/use-oauth-on-bitbucket-cloud/',
  ],
  ['asana-client-secret', ['asana'], hex32, ofHex32, 'https://developers.asana.com/docs/oauth'],
  [
    'trello-key',
    ['trello'],
    /[0-9a-f]{32}|[0-9a-f]{64}/,
    ofHex32,
    'https://developer.atlassian.com/cloud/trello/guides/rest-api/api-introduction/',
  ],
  ['hubspot-key', ['hubspot', 'hapikey'], uuid, ofUuid, 'https://developers.hubspot.com/docs/api/private-apps'],
  [
    'contentful-delivery-token',
    ['contentful'],
    /[A-Za-z0-9_=-]{43}/,
    sample(['base62', 43]),
    'https://www.contentful.com/developers/docs/references/authentication/',
  ],
  [
    'dropbox-app-secret',
    ['dropbox'],
    /[a-z0-9]{15}/,
    sample(['lower', 15]),
    'https://www.dropbox.com/developers/reference/oauth-guide',
  ],
  [
    'box-client-secret',
    ['box_client', 'boxclient', 'box_dev'],
    alnum32,
    ofUrl32,
    'https://developer.box.com/guides/authentication/',
  ],
  ['squarespace-key', ['squarespace'], uuid, ofUuid, 'https://developers.squarespace.com/commerce-apis/authentication'],
  [
    'etsy-key',
    ['etsy'],
    /[a-z0-9]{24}/,
    sample(['lower', 24]),
    'https://developers.etsy.com/documentation/essentials/authentication',
  ],
  [
    'looker-client-secret',
    ['looker'],
    /[A-Za-z0-9]{24}/,
    sample(['base62', 24]),
    'https://cloud.google.com/looker/docs/api-auth',
  ],
  [
    'freshbooks-token',
    ['freshbooks'],
    /[0-9a-f]{64}/,
    sample(['hex', 64]),
    'https://www.freshbooks.com/api/authentication',
  ],
  [
    'rapidapi-key',
    ['rapidapi', 'x-rapidapi'],
    /[A-Za-z0-9_-]{50}/,
    sample(['base62', 50]),
    'https://docs.rapidapi.com/docs/keys-and-key-rotation',
  ],
  ['openweather-key', ['openweather', 'owm_'], hex32, ofHex32, 'https://openweathermap.org/appid'],
  // Money
  [
    'coinbase-secret',
    ['coinbase'],
    /[A-Za-z0-9_-]{64}|[A-Za-z0-9+/]{86}==/,
    sample(['base62', 64]),
    'https://docs.cdp.coinbase.com/get-started/authentication/overview',
  ],
  [
    'kraken-secret',
    ['kraken'],
    /[A-Za-z0-9+/]{80,90}={0,2}/,
    sample(['base64', 86], '=='),
    'https://docs.kraken.com/api/docs/guides/spot-rest-auth',
  ],
  [
    'binance-secret',
    ['binance'],
    /[A-Za-z0-9]{64}/,
    sample(['base62', 64]),
    'https://developers.binance.com/docs/binance-spot-api-docs/rest-api/request-security',
  ],
  [
    'kucoin-secret',
    ['kucoin'],
    /[0-9a-f]{24}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/,
    ofUuid,
    'https://www.kucoin.com/docs-new/authentication',
  ],
  ['bittrex-secret', ['bittrex'], alnum32, ofUrl32, 'https://bittrex.github.io/api/v3#topic-Authentication'],
  [
    'finnhub-key',
    ['finnhub'],
    /[a-z0-9]{20}|[a-z0-9]{40}/,
    sample(['lower', 20]),
    'https://finnhub.io/docs/api/authentication',
  ],
  [
    'finicity-key',
    ['finicity'],
    /[0-9a-f]{32}|[A-Za-z0-9]{20}/,
    ofHex32,
    'https://developer.mastercard.com/open-banking-us/documentation/',
  ],
  [
    'adyen-key',
    ['adyen'],
    /AQE[A-Za-z0-9+/=.-]{60,250}/,
    sample('AQE', ['base64', 120]),
    'https://docs.adyen.com/development-resources/api-credentials/',
  ],
  ['infura-secret', ['infura'], hex32, ofHex32, 'https://docs.metamask.io/services/how-to/use-api-keys/'],
  [
    'etherscan-key',
    ['etherscan'],
    /[A-Z0-9]{34}/,
    sample(['base32', 34]),
    'https://docs.etherscan.io/getting-started/viewing-api-usage-statistics',
  ],
];

export const namedAppKeyRules: readonly Rule[] = rows.map(([id, words, pattern, example, source]) =>
  namedKeyRule({ id, entity: `SECRET_${id.toUpperCase().replaceAll('-', '_')}`, words, pattern, example, source }),
);
