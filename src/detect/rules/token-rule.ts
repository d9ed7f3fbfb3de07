import type { Match, Rule, Verdict } from '../rule.ts';
import { isPlaceholder } from '../validators/placeholder.ts';

/** A credential with a vendor's literal prefix and alphabet: what is common to all such rules. */
export interface TokenRule {
  readonly id: string;
  readonly entity: string;
  readonly pattern: RegExp;
  readonly source: string;
  readonly positive: Rule['examples']['positive'];
  readonly negative: Rule['examples']['negative'];
  readonly maxLength?: number;
  readonly anchors?: readonly string[];
  readonly reach?: NonNullable<Rule['reach']>;
  /** What announces the value, for tokens without a prefix of their own. */
  readonly lead?: RegExp;
  /** Null: anything may stand before. */
  readonly notBefore?: RegExp | null;
  readonly notAfter?: RegExp;
  readonly check?: (match: Match) => Verdict;
  readonly verifies?: string;
}

export function tokenRule(token: TokenRule): Rule {
  const { positive, negative, check, notBefore = /[A-Za-z0-9]/, ...rest } = token;
  return {
    tier: 'core',
    maxLength: 512,
    ...(notBefore ? { notBefore } : {}),
    notAfter: /[A-Za-z0-9_]/,
    score: 0.9,
    verifies: check ? 'no placeholder, looks random' : 'no placeholder',
    ...rest,
    check: (match) => (isPlaceholder(match) ? 'wrong' : (check?.(match) ?? 'plausible')),
    examples: { positive, negative },
  };
}
