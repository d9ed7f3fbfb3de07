import { digitRun } from '../anchors.ts';
import type { Rule } from '../rule.ts';
import { isUniform } from '../validators/check-digits.ts';

/** A national identifier: what is common to all such rules. They are of the extended tier. */
export interface NationalId {
  readonly id: string;
  readonly entity: string;
  /** Absent: used everywhere. */
  readonly country?: string;
  readonly pattern: RegExp;
  /** How the pattern may begin before its first digit, when not with letters and separators other than spaces. */
  readonly reach?: NonNullable<Rule['reach']>;
  /** Said of the value without separators, upper case. */
  readonly isValid?: (compact: string) => boolean;
  /** Whether shape and check digits together are rare enough among other numbers; else one of the words must stand near. */
  readonly isDistinct: boolean;
  readonly context: readonly string[];
  readonly source: string;
  readonly positive: Rule['examples']['positive'];
  readonly negative: Rule['examples']['negative'];
}

export function nationalId({ isValid, isDistinct, positive, negative, ...rest }: NationalId): Rule {
  return {
    tier: 'extended',
    anchors: [digitRun],
    reach: { chars: /[A-Za-z./-]/, first: /[A-Za-z0-9]/, max: 17 },
    maxLength: 32,
    notBefore: /[A-Za-z0-9_]/,
    notAfter: /[A-Za-z0-9_]/,
    check: ({ value }) => {
      const compact = value.replace(/[^A-Za-z0-9\u00d1\u00f1&]/g, '').toUpperCase();
      if (isUniform(compact.replace(/\D/g, '')) || isValid?.(compact) === false) return 'wrong';
      return !isDistinct ? 'doubtful' : isValid ? 'proven' : 'plausible';
    },
    score: 0.5,
    verifies: isValid ? 'check digits and structure' : 'not one digit throughout',
    ...rest,
    examples: { positive, negative },
  };
}
