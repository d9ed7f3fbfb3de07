import type { ContextWords } from './context.ts';
import type { Dfa } from './dfa.ts';
import type { Match, Place, Rule, Verdict } from './rule.ts';

/**
 * A rule made ready to run. Automata are functions, which make them at the first call: most rules of most processes never need theirs.
 * (Accessors would say the same, but an object that has some looks up all of its fields in a hash table.)
 */
export interface CompiledRule {
  readonly rule: Pick<Rule, 'id' | 'entity' | 'score'>;
  readonly retry: RegExp | null;
  readonly retryDigits: ((units: Uint16Array, start: number, end: number) => number) | null;
  readonly maxLength: number;
  readonly isApart: boolean;
  readonly isRun: boolean;
  readonly order: number;
  /** What an attempt begins with, `lead` or `value`: null until an attempt first needs it (`headOf`). */
  head: Dfa | null;
  readonly hasLead: boolean;
  /** The same for rules with the same lead; from 0. */
  readonly leadId: number;
  readonly lead: () => Dfa | null;
  readonly value: () => Dfa;
  readonly rest: () => Dfa | null;
  readonly after: () => Dfa | null;
  readonly never: Dfa | null;
  readonly notBefore: Uint8Array | null;
  readonly notAfter: Uint8Array | null;
  /** The same for rules with the same `notAfter`; from 0. */
  readonly notAfterId: number;
  /** Units of a value at least and at most; null where nothing but `maxLength` bounds it. */
  readonly lengths: () => { readonly shortest: number; readonly longest: number } | null;
  readonly reach: Reach | null;
  /** The characters that may follow an anchor that a match begins with, by `kindOf`: null until an attempt first needs it (`followOf`). */
  follow: Uint8Array | null;
  readonly followers: () => Uint8Array;
  readonly context: () => ContextWords | null;
  readonly check: ((match: Match) => Verdict) | null;
  readonly checkPlace: ((place: Place) => Verdict) | null;
  readonly digitsAlone: ((units: Uint16Array, start: number, last: boolean) => number) | null;
}

/** The automaton that an attempt begins with. */
export function headOf(rule: CompiledRule): Dfa {
  rule.head ??= rule.lead() ?? rule.value();
  return rule.head;
}

/** What may follow an anchor of a rule without reach, by `kindOf`. */
export function followOf(rule: CompiledRule): Uint8Array {
  rule.follow ??= rule.followers();
  return rule.follow;
}

/** How far to the left of its anchor a match may begin. */
export interface Reach {
  /** The characters that may stand there, by `kindOf`. */
  readonly chars: Uint8Array;
  /** Those that a match may begin with. */
  readonly first: Uint8Array;
  readonly max: number;
  /** How far at least: 0 where a match may begin at the anchor itself. */
  readonly min: number;
  /** The characters that may follow the anchor, by `kindOf`. */
  readonly follow: Uint8Array;
  /** The same with the anchor's own characters and length: what a stream must hold while the anchor may still come. */
  readonly holdChars: Uint8Array;
  readonly holdMax: number;
}

/** How many values `kindOf` has. */
export const kinds = 0x82;

/** Index into the tables of a compiled rule: ASCII units themselves, then alphabetic scripts, then all others. */
export function kindOf(unit: number): number {
  return unit < 0x80 ? unit : unit < 0x590 ? 0x80 : 0x81;
}

/** The characters of a one-character expression, by `kindOf`. */
export function kindTable(characters: RegExp): Uint8Array {
  const table = new Uint8Array(kinds);
  for (let unit = 0; unit < 0x80; unit++) table[unit] = Number(characters.test(String.fromCharCode(unit)));
  table[0x80] = Number(characters.test('\u00e9'));
  table[0x81] = Number(characters.test('\u4e00'));
  return table;
}

/** A table in which every character is. */
export function anything(): Uint8Array {
  return new Uint8Array(kinds).fill(1);
}

/** What a rule without one of its parts has in its place. */
export function nothing(): null {
  return null;
}
