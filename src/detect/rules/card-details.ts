import { digitRun } from '../anchors.ts';
import type { Match, Place, Rule, Verdict } from '../rule.ts';
import { endsInLuhn } from '../validators/luhn.ts';

/** Characters between a card's number and what belongs to it. */
const nearChars = 40;

/**
 * Whether a card's number ends at most `nearChars` before the match: twelve digits or more, one blank or hyphen at most between two of
 * them, with the right check digit. Of more than nineteen, the first nineteen are judged, then the others.
 */
function cardBefore({ units, start }: Place): boolean {
  const from = Math.max(0, start - nearChars - 24);
  let begin = from;
  let end = from;
  let digits = 0;
  for (let at = from; at <= start; at++) {
    const unit = at < start ? (units[at] ?? 0) : 0;
    const isDigit = unit >= 0x30 && unit <= 0x39;
    if (isDigit && digits > 0 && digits < cardDigitsMax) {
      digits++;
      end = at + 1;
      continue;
    }
    if ((unit === 0x20 || unit === 0x2d) && at === end && digits > 0 && digits < cardDigitsMax) continue;
    if (digits >= cardDigitsMin && start - end <= nearChars && endsInLuhn(units, begin, end)) return true;
    digits = isDigit ? 1 : 0;
    begin = at;
    end = at + digits;
  }
  return false;
}

const cardDigitsMin = 12;
const cardDigitsMax = 19;

function codeCheck(match: Match): Verdict {
  return /^(\d)\1+$/.test(match.value) && !cardBefore(match) ? 'wrong' : 'plausible';
}

function expiryCheck(place: Place): Verdict {
  return cardBefore(place) ? 'plausible' : 'doubtful';
}

const cards = 'https://www.pcisecuritystandards.org/glossary/';
const expiry = /(?:0[1-9]|1[0-2]) ?[/-] ?(?:20)?\d{2}/;
const shape = { tier: 'core', notAfter: /[A-Za-z0-9_/-]/, source: cards } as const;

/** What stands beside a card's number: sensitive authentication data, as the card schemes call it. */
export const cardDetailRules: readonly Rule[] = [
  {
    ...shape,
    id: 'card-security-code',
    verifies: 'a card near, for the vaguer words',
    entity: 'CVV_NUMBER',
    lead: /(?:cvv2?|cvc2?|cvn2?|csc|security code|card code|verification code|pr\u00fcfziffer|pr\u00fcfnummer|cryptogramme|c\u00f3digo de seguridad)(?: ?(?:no|nr|number|code|is|ist|es)\.?)?["'`]?[ \t]*[:=#-]?[ \t]*["'`(]?/i,
    pattern: /\d{3,4}/,
    maxLength: 4,
    notBefore: /[A-Za-z0-9]/,
    check: (match) =>
      /(?:security|verification|card) code\W*$/i.test(match.text.slice(Math.max(0, match.start - 24), match.start)) &&
      !cardBefore(match)
        ? 'doubtful'
        : codeCheck(match),
    context: ['card', 'visa', 'mastercard', 'amex', 'credit', 'debit', 'karte'],
    score: 0.6,
    examples: {
      positive: [
        { text: 'CVV: 123', value: '123' },
        { text: 'cvc2 4829', value: '4829' },
        { text: '4111 1111 1111 1111, security code 737', value: '737' },
        { text: '{"cvv": "737"}', value: '737' },
      ],
      negative: ['the cvv is on the back', 'security code 2024', 'cvv 12345', 'verification code 481516'],
    },
  },
  {
    ...shape,
    id: 'card-expiry',
    verifies: 'a card near',
    entity: 'CREDIT_CARD_EXPIRATION_DATE',
    lead: /(?:exp(?:iry|ires|iration|\.)?(?: ?date)?|valid (?:thru|through|until|till|to)|good thru|g\u00fcltig bis|expire le|caduca|scadenza)["'`]?[ \t]*[:=-]?[ \t]*["'`(]?/i,
    pattern: expiry,
    maxLength: 9,
    notBefore: /[A-Za-z0-9]/,
    checkPlace: expiryCheck,
    context: ['card', 'cards', 'visa', 'mastercard', 'amex', 'cvv', 'cvc', 'karte', 'carte', 'tarjeta'],
    score: 0.6,
    examples: {
      positive: [
        { text: '4111111111111111 exp 12/27', value: '12/27' },
        { text: 'Visa card, valid thru 04/2029', value: '04/2029' },
        { text: '{"number":"4111 1111 1111 1111","exp":"12/27"}', value: '12/27' },
      ],
      negative: ['the offer expires 12/27', 'exp 13/27', 'card exp 12/27/2024', 'experience 12/27'],
    },
  },
  {
    ...shape,
    id: 'card-expiry-unnamed',
    verifies: 'a card right before',
    entity: 'CREDIT_CARD_EXPIRATION_DATE',
    anchors: [digitRun],
    pattern: /(?:0[1-9]|1[0-2])\/(?:20)?\d{2}/,
    maxLength: 7,
    notBefore: /[A-Za-z0-9_/.-]/,
    checkPlace: (place) => (cardBefore(place) ? 'plausible' : 'wrong'),
    score: 0.55,
    examples: {
      positive: [
        { text: '4111 1111 1111 1111 12/27', value: '12/27' },
        { text: 'pay with 4111111111111111, 04/2029 please', value: '04/2029' },
      ],
      negative: ['on 12/27', '4111111111111112 12/27', '4111111111111111 13/27'],
    },
  },
];
