import { type Anchors, buildAnchors } from './anchors.ts';
import { contextCharsMax } from './rule.ts';

/** A rule's context words as an automaton. */
export interface ContextWords extends Anchors {
  /** Whether each of them has a letter. */
  readonly haveLetters: boolean;
}

export function compileContext(words: readonly string[]): ContextWords {
  const haveLetters = words.every((word) => [...word].some((char) => char.charCodeAt(0) >= firstLetter));
  return { ...buildAnchors(words.map((anchor) => ({ owner: 0, anchor }))), haveLetters };
}

/** Digits and nearly all signs come before it. */
const firstLetter = 0x41;

/**
 * Whether one of the words stands near a match that begins at `start`. Only words to the left count, so that a stream
 * judges as the whole text does.
 */
export function hasContext(words: ContextWords, units: Uint16Array, start: number): boolean {
  const { next, shift, symbol, hit, hitFrom, hitLength } = words;
  const near = nearBefore(units, start);
  if (words.haveLetters && !near.hasLetters) return false;
  let state = words.start;
  for (let at = near.from; at < start; at++) {
    state = next[(state << shift) + (symbol[units[at] ?? 0] ?? 0)] ?? 0;
    if (state < hit || isInsideWord(units, at + 1)) continue;
    const to = hitFrom[state - hit + 1] ?? 0;
    for (let i = hitFrom[state - hit] ?? 0; i < to; i++) {
      if (!isInsideWord(units, at + 1 - (hitLength[i] ?? 0))) return true;
    }
  }
  return false;
}

/** How many words back context is looked for. */
const contextWordsMax = 6;

/** From where on, and whether letters are among it: numbers often stand among numbers. */
function nearBefore(units: Uint16Array, start: number): { readonly from: number; readonly hasLetters: boolean } {
  const limit = Math.max(0, start - contextCharsMax);
  let words = 0;
  let hasLetters = false;
  let isBlank = isSpace(units[start] ?? 0);
  for (let at = start; at > limit; at--) {
    const before = units[at - 1] ?? 0;
    const isBlankBefore = isSpace(before);
    // A word ends before each blank that stands behind none.
    if (isBlank && !isBlankBefore && ++words > contextWordsMax) return { from: at, hasLetters };
    isBlank = isBlankBefore;
    if (before >= firstLetter) hasLetters = true;
  }
  return { from: limit, hasLetters };
}

function isSpace(unit: number): boolean {
  return unit === 0x20 || (unit >= 0x09 && unit <= 0x0d);
}

/** Whether letters run on across `at`. `cardNumber`, `card_number` and `card-no` all have the word card. */
function isInsideWord(units: Uint16Array, at: number): boolean {
  if (at === 0 || at >= units.length) return false;
  const before = letterKind(units[at - 1] ?? 0);
  const after = letterKind(units[at] ?? 0);
  return before !== notLetter && after !== notLetter && !(before === lower && after === upper);
}

const notLetter = 0;
const lower = 1;
const upper = 2;

function letterKind(unit: number): number {
  if (unit >= 0x61 && unit <= 0x7a) return lower;
  if (unit >= 0x41 && unit <= 0x5a) return upper;
  return notLetter;
}
