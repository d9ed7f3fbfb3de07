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
  readonly notBefore?: RegExp;
  readonly notAfter?: RegExp;
  readonly check?: (match: Match) => Verdict;
}

export function tokenRule(token: TokenRule): Rule {
  const { positive, negative, check, ...rest } = token;
  return {
    tier: 'core',
    maxLength: 512,
    notBefore: /[A-Za-z0-9]/,
    notAfter: /[A-Za-z0-9_]/,
    score: 0.9,
    ...rest,
    check: (match) => (isPlaceholder(match.value) ? 'wrong' : (check?.(match) ?? 'plausible')),
    examples: { positive, negative },
  };
}
