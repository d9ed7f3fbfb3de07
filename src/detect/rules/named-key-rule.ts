import type { Match, Rule, Verdict } from '../rule.ts';
import { entropy } from '../validators/entropy.ts';
import { isPlaceholder } from '../validators/placeholder.ts';
import { isNamedAboutSecret } from '../validators/secret-name.ts';

/** A credential without a prefix of its own: known by the vendor's name before it and by its length and alphabet. */
export interface NamedKey {
  readonly id: string;
  readonly entity: string;
  /** The vendor as it stands in names of variables and in prose, lower case. */
  readonly words: readonly string[];
  readonly pattern: RegExp;
  /** The vendor's document. */
  readonly source: string;
  /** A made-up value. */
  readonly example: string;
}

/** One for all such rules, so that they share an automaton: the vendor's word, the rest of the name, an operator. */
const lead =
  /[A-Za-z][\w .-]*(?:[a-z]\()?["'`\])]*[ \t]*(?:[:=?|]*[=:]>?|=>|->|,|>|\||[ \t]+value[ \t]*=|\r?\n[ \t]*value:)[ \t\r\n]*(?:bearer |token )?["'`]*/i;
const saysSecret = /key|token|secret|pass|pwd|auth|cred|bearer|(?:^|[\W_])pat(?:[\W_]|$)/i;

function namedCheck(match: Match): Verdict {
  const { text, start, value } = match;
  if (!/\d/.test(value) || !/[A-Za-z]/.test(value) || entropy(match) < 2.8 || isPlaceholder(match)) return 'wrong';
  if (!saysSecret.test(text.slice(Math.max(0, start - 80), start))) return 'wrong';
  return isNamedAboutSecret(match) ? 'wrong' : 'plausible';
}

export function namedKeyRule({ words, example, ...named }: NamedKey): Rule {
  const [word = ''] = words;
  return {
    ...named,
    tier: 'core',
    anchors: words,
    lead,
    maxLength: 256,
    notBefore: /[a-z]/,
    notAfter: /[A-Za-z0-9_+/=-]/,
    check: namedCheck,
    verifies: 'name says secret, entropy, no placeholder',
    score: 0.75,
    examples: {
      positive: [
        { text: `${word.toUpperCase()}_API_KEY=${example}`, value: example },
        { text: `"${word}_secret": "${example}"`, value: example },
        { text: `the ${word} token: ${example}, please`, value: example },
      ],
      negative: [
        `${word}_api_key=<your key>`,
        `${word}_token: short1`,
        `${word}_key_id = "${example}"`,
        `${word}_build: ${example}`,
        `Read the ${word} guide on tokens, keys and limits.`,
      ],
    },
  };
}
