import type { digitRun } from './anchors.ts';
import type { Value } from './validators/value.ts';

/**
 * What a check says of a matched value: certainly right (a checksum holds), of the right shape, of a shape that many other
 * things have (then context must stand near), or certainly wrong.
 */
export type Verdict = 'proven' | 'plausible' | 'doubtful' | 'wrong';

/** A place in the text that a rule's pattern matched. `text` is normalised; checks may look left of `start` only. */
export interface Place {
  readonly text: string;
  readonly units: Uint16Array;
  readonly start: number;
  readonly end: number;
  /** Whether `after` (the words that may follow) matched as well. */
  readonly followed: boolean;
}

/** The same with the value cut out. */
export interface Match extends Place, Value {}

/**
 * How one kind of value is recognised, as data. The value is what `pattern` matches at its longest, starting right after
 * the longest match of `lead`, if the rule has one. A pattern starts at an anchor: a literal that its text must begin with
 * (taken from the pattern when `anchors` is absent).
 *
 * Streams depend on two things: a rule reads to the right only through its patterns, and to the left at most
 * `contextCharsMax` characters.
 */
export interface Rule {
  readonly id: string;
  readonly entity: string;
  /** Core rules are always on; the extended ones (national ids and the like) when configuration says so. */
  readonly tier: 'core' | 'extended';
  /** ISO 3166 country of an extended rule that only makes sense there. */
  readonly country?: string;
  /** What introduces the value and is not part of it (`password = `). */
  readonly lead?: RegExp;
  readonly pattern: RegExp;
  /** Characters of the value beyond which the attempt ends. */
  readonly maxLength: number;
  /** Where attempts begin, when that is not the literal beginning of the first pattern. */
  readonly anchors?: readonly (string | typeof digitRun)[];
  /** Characters that may stand between the beginning of the match and the anchor. */
  readonly reach?: {
    readonly chars: RegExp;
    readonly max: number /** Those of them that a match may begin with. */;
    readonly first?: RegExp;
  };
  /** One character that must not stand before the match (or lead). */
  readonly notBefore?: RegExp;
  /** Whether the match must not stand in a row of numbers: digits and one separator right before its own first digit. */
  readonly isApart?: boolean;
  /**
   * Numbers that begin so are not tried: `check` says `wrong` of every match there. Spares the attempt where ordinary text would cause
   * many. Only looked at for rules with the anchor `digitRun`.
   */
  readonly never?: RegExp;
  /** One character that must not follow the value. */
  readonly notAfter?: RegExp;
  /** Words that may follow the value; they count as context. */
  readonly after?: RegExp;
  /** Once `pattern` has matched and passed its check, the value goes on for as long as this matches, without bound. */
  readonly rest?: RegExp;
  readonly check?: (match: Match) => Verdict;
  /** In place of `check`, where the units alone tell: nothing is cut out of the text for the many matches that are nothing. */
  readonly checkPlace?: (place: Place) => Verdict;
  /**
   * How many digits a match that begins there must have to pass without words near it, a bit each (counted as for `retryDigits`): 0 where
   * none does and nothing of it is read, -1 where any may, or where words may follow. The text goes on behind `units` unless it is the
   * `last` of it. Absent: any.
   */
  readonly digitsAlone?: (units: Uint16Array, start: number, last: boolean) => number;
  /** What the check looks at, in a few words for the catalogue. */
  readonly verifies?: string;
  /** When the longest match fails its check and looks like this, shorter ones are tried. */
  readonly retry?: RegExp;
  /**
   * The same for numbers: how many digits a shorter match must have to pass its check at all, a bit each; 0 when there is none. Not
   * counted are those behind `#` or a letter.
   */
  readonly retryDigits?: (units: Uint16Array, start: number, end: number) => number;
  /**
   * Whether values go on to the next blank or the like, or to `maxLength`: of two that overlap, the one that begins first is not the
   * shorter. What begins inside a good one is tried only if another rule's finding is preferred to that. `check` must not say `proven`.
   */
  readonly isRun?: boolean;
  /** Words (lower case) that raise the score by `contextBoost` when one stands within `contextCharsMax` to the left. */
  readonly context?: readonly string[];
  /** Of a match that is plausible and has no context; `proven` is 1. */
  readonly score: number;
  /** The document that this rule follows. */
  readonly source: string;
  readonly examples: {
    readonly positive: readonly Example[];
    readonly negative: readonly string[];
  };
}

/** A text and the value that the rule must find in it; a plain string stands for a text that is the value. */
export type Example = string | { readonly text: string; readonly value: string };

export const contextBoost = 0.35;
export const contextCharsMax = 80;
