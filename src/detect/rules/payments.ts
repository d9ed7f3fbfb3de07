import type { Match, Rule, Verdict } from '../rule.ts';
import { sample } from './sample.ts';
import { tokenRule } from './token-rule.ts';

function ofDigitsAndNoWords({ value }: Match): Verdict {
  return /\d.*\d/.test(value) && !/^(?:live|test|sandbox)_[a-z]+_/.test(value.replace('_pub_', '_'))
    ? 'plausible'
    : 'wrong';
}

export const paymentRules: readonly Rule[] = [
  tokenRule({
    id: 'stripe-key',
    entity: 'SECRET_STRIPE_KEY',
    // Publishable keys (pk_) are public by design.
    pattern: /(?:sk|rk)_(?:live|test|prod|org)_[A-Za-z0-9]{10,}/,
    notBefore: /[A-Za-z0-9_]/,
    source: 'https://docs.stripe.com/keys',
    positive: [sample('sk_live_', ['base62', 24]), sample('rk_test_', ['base62', 99])],
    negative: [
      'sk_live_short',
      'sk_test_abc',
      sample('pk_live_', ['base62', 24]),
      'task_test_runner_configuration_file',
      sample('xsk_live_', ['base62', 24]),
    ],
    check: ({ value }) => (value.length >= 32 || /\d/.test(value.slice(8)) ? 'plausible' : 'wrong'),
  }),
  tokenRule({
    id: 'stripe-webhook-secret',
    entity: 'SECRET_STRIPE_KEY',
    pattern: /whsec_[A-Za-z0-9+/=]{24,80}/,
    source: 'https://docs.stripe.com/webhooks/signature',
    positive: [sample('whsec_', ['base62', 32])],
    negative: ['whsec_x'],
  }),
  tokenRule({
    id: 'square-token',
    entity: 'SECRET_SQUARE_TOKEN',
    pattern: /EAAA[A-Za-z0-9_-]{22,60}|sq0[ac][st]p-[A-Za-z0-9_-]{22,43}/,
    notAfter: /[A-Za-z0-9_-]/,
    source: 'https://developer.squareup.com/docs/build-basics/access-tokens',
    positive: [
      sample('EAAA', ['base64url', 60]),
      sample('sq0atp-', ['base64url', 22]),
      sample('sq0csp-', ['base64url', 43]),
    ],
    negative: ['EAAA', 'sq0atp-x'],
    check: ({ value }) => (/\d/.test(value.slice(7)) ? 'plausible' : 'wrong'),
  }),
  tokenRule({
    id: 'facebook-token',
    entity: 'SECRET_FACEBOOK_TOKEN',
    pattern: /EAA[MC][A-Za-z0-9]{100,}|EAA[A-Za-z0-9]{120,}/,
    maxLength: 400,
    source: 'https://developers.facebook.com/docs/facebook-login/guides/access-tokens/',
    positive: [sample('EAAC', ['base62', 180])],
    negative: ['EAAC'],
  }),
  tokenRule({
    id: 'paypal-braintree-token',
    entity: 'SECRET_PAYPAL_TOKEN',
    pattern: /access_token\$(?:production|sandbox)\$[0-9a-z]{16}\$[0-9a-f]{32}/,
    source: 'https://developer.paypal.com/braintree/docs',
    positive: [sample('access_token$production$', ['lower', 16], '$', ['hex', 32])],
    negative: ['access_token$x'],
  }),
  tokenRule({
    id: 'shopify-token',
    entity: 'SECRET_SHOPIFY_TOKEN',
    pattern: /shp(?:at|ca|pa|ss|tka|ua)_[A-Za-z0-9]{32,64}/,
    source: 'https://shopify.dev/docs/apps/build/authentication-authorization/access-tokens',
    positive: [sample('shpat_', ['hex', 32]), sample('shpss_', ['base62', 32])],
    negative: ['shpat_abc'],
  }),
  tokenRule({
    id: 'plaid-token',
    entity: 'SECRET_PLAID_TOKEN',
    pattern: /access-(?:sandbox|development|production)-[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/i,
    source: 'https://plaid.com/docs/api/tokens/',
    positive: [
      sample('access-sandbox-', ['hex', 8], '-', ['hex', 4], '-', ['hex', 4], '-', ['hex', 4], '-', ['hex', 12]),
    ],
    negative: ['access-sandbox-mode'],
  }),
  tokenRule({
    id: 'flutterwave-key',
    entity: 'SECRET_FLUTTERWAVE_KEY',
    pattern: /FLWSECK(?:_TEST)?-[A-Za-z0-9-]{12,40}(?:-X)?|FLW(?:PUBK|SECK)_TEST[A-Za-z0-9]{12}/i,
    notAfter: /[A-Za-z0-9]/,
    source: 'https://developer.flutterwave.com/docs/authentication',
    positive: [sample('FLWSECK_TEST-', ['hex', 32], '-X')],
    negative: ['FLWSECK'],
  }),
  tokenRule({
    id: 'razorpay-key',
    entity: 'SECRET_RAZORPAY_KEY',
    pattern: /rzp_(?:live|test)_[A-Za-z0-9]{14}/,
    source: 'https://razorpay.com/docs/payments/dashboard/account-settings/api-keys/',
    positive: [sample('rzp_live_', ['base62', 14])],
    negative: ['rzp_live_x'],
  }),
  tokenRule({
    id: 'duffel-token',
    entity: 'SECRET_DUFFEL_TOKEN',
    pattern: /duffel_(?:test|live)_[A-Za-z0-9_=-]{43}/,
    notAfter: /[A-Za-z0-9_-]/,
    source: 'https://duffel.com/docs/api/overview/test-mode',
    positive: [sample('duffel_test_', ['base64url', 43])],
    negative: ['duffel_test_x'],
  }),
  tokenRule({
    id: 'gocardless-token',
    entity: 'SECRET_GOCARDLESS_TOKEN',
    pattern: /(?:live|sandbox)_[A-Za-z0-9_=-]{40}/,
    notAfter: /[A-Za-z0-9_-]/,
    notBefore: /[A-Za-z0-9_]/,
    source: 'https://developer.gocardless.com/getting-started/api/making-your-first-request/',
    positive: [sample('live_', ['base64url', 40])],
    negative: ['live_reload_server_port', 'sandbox_mode_is_on_for_this_long_variable_nam'],
    check: ofDigitsAndNoWords,
  }),
  tokenRule({
    id: 'shippo-token',
    entity: 'SECRET_SHIPPO_TOKEN',
    pattern: /shippo_(?:live|test)_[0-9a-f]{40}/,
    source: 'https://docs.goshippo.com/docs/guides_general/authentication/',
    positive: [sample('shippo_live_', ['hex', 40])],
    negative: ['shippo_live_x'],
  }),
  tokenRule({
    id: 'lob-key',
    entity: 'SECRET_LOB_KEY',
    pattern: /(?:live|test)_(?:pub_)?[0-9a-f]{31,35}/,
    notBefore: /[A-Za-z0-9_]/,
    notAfter: /[A-Za-z0-9_-]/,
    source: 'https://docs.lob.com/#tag/Authentication',
    positive: [sample('test_', ['hex', 35]), sample('live_pub_', ['hex', 31])],
    negative: ['test_the_quick_brown_fox_jumps_over_the_lazy_dog', 'live_pub_x'],
    check: ofDigitsAndNoWords,
  }),
  tokenRule({
    id: 'easypost-key',
    entity: 'SECRET_EASYPOST_KEY',
    pattern: /EZ[AT]K[A-Za-z0-9]{54}/,
    source: 'https://docs.easypost.com/docs/authentication',
    positive: [sample('EZTK', ['base62', 54]), sample('EZAK', ['base62', 54])],
    negative: ['EZAKx'],
  }),
];
