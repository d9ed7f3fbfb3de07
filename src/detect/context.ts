import { type Anchors, buildAnchors } from './anchors.ts';
import { contextCharsMax } from './rule.ts';

/** A rule's context words as an automaton. */
export type ContextWords = Anchors;

export function compileContext(words: readonly string[]): ContextWords {
  return buildAnchors(words.map((anchor) => ({ owner: 0, anchor })));
}

/** Looks for one rule's words before place after place of a text. */
export interface ContextWalk {
  /**
   * Whether one of them stands near a match that begins at `start`. Only words to the left count, so that a stream judges as the whole
   * text does.
   */
  stands(units: Uint16Array, start: number): boolean;
  /** The text has moved: what is remembered of it is void. */
  forget(): void;
}

/**
 * Numbers often stand among numbers, and each of them asks for the words before it. What was read for one of them is not read again for
 * the next: of all words so far, the one that begins last is as good as any.
 */
export function createContextWalk(words: ContextWords): ContextWalk {
  const { next, shift, symbol, hit } = words;
  /** Words that end there or before are known, but for those that begin too far from any place to come. */
  let high = 0;
  let state = words.start;
  /** Where the last of them begins. */
  let lastBegin = none;

  function readTo(units: Uint16Array, end: number): void {
    for (let at = high; at < end; at++) {
      state = next[(state << shift) + (symbol[units[at] ?? 0] ?? 0)] ?? 0;
      if (state < hit || isInsideWord(units, at + 1)) continue;
      const begin = lastBeginAt(words, state, units, at + 1);
      if (begin > lastBegin) lastBegin = begin;
    }
    high = end;
  }

  function begin(from: number): void {
    high = from;
    state = words.start;
    lastBegin = none;
  }

  return {
    stands: (units, start) => {
      // Attempts that waited for the end of their text come back later than others that begin behind them.
      if (start < high || start > high + contextCharsMax) begin(nearFrom(units, start));
      readTo(units, start);
      return lastBegin !== none && lastBegin >= nearFrom(units, start);
    },
    forget: () => begin(0),
  };
}

const none = -1;

/** Of the words that end in a state, none of them inside a longer one: where the last begins. */
function lastBeginAt(
  { hit, hitFrom, hitLength }: ContextWords,
  state: number,
  units: Uint16Array,
  end: number,
): number {
  const to = hitFrom[state - hit + 1] ?? 0;
  let last = none;
  for (let i = hitFrom[state - hit] ?? 0; i < to; i++) {
    const begin = end - (hitLength[i] ?? 0);
    if (begin > last && !isInsideWord(units, begin)) last = begin;
  }
  return last;
}

/** How many words back context is looked for. */
const contextWordsMax = 6;

/** From where on words count for what begins at `start`. */
function nearFrom(units: Uint16Array, start: number): number {
  const limit = Math.max(0, start - contextCharsMax);
  let words = 0;
  let isBlank = isSpace(units[start] ?? 0);
  for (let at = start; at > limit; at--) {
    const isBlankBefore = isSpace(units[at - 1] ?? 0);
    // A word ends before each blank that stands behind none.
    if (isBlank && !isBlankBefore && ++words > contextWordsMax) return at;
    isBlank = isBlankBefore;
  }
  return limit;
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
