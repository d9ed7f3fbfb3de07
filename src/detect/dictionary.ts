import { limits } from '../lib/limits.ts';
import { err, ok, type Result } from '../lib/result.ts';
import type { Candidate } from './attempt.ts';
import { anything, type CompiledRule, nothing } from './compiled-rule.ts';
import { compileDfa } from './dfa.ts';
import { type Offsets, plainText } from './normalise.ts';
import type { ProgramExtras } from './program.ts';
import type { Roamer } from './roamer.ts';

/** A list of names that are sensitive as they stand: projects, customers, hosts. */
export interface Dictionary {
  readonly id: string;
  readonly entity: string;
  /** Words or phrases; each begins and ends with a letter or digit. */
  readonly words: readonly string[];
  /** 0 to 1. */
  readonly score: number;
  readonly caseSensitive: boolean;
}

export interface DictionaryProblem {
  readonly id: string;
  readonly problem: string;
  /** Place in `words`, or null. */
  readonly index: number | null;
}

export type AdmittedDictionary = NonNullable<ProgramExtras['lists']>[number];

/**
 * Makes a list ready. An entry is found where it stands as a whole word (a name within a longer word is none), white space in it
 * stands for any white space, and letters of scripts that are written without spaces need no boundary. Costs one look at each
 * unit of a text and one at a table for each word, however long the list is.
 */
export function admitDictionary(dictionary: Dictionary): Result<AdmittedDictionary, readonly DictionaryProblem[]> {
  const { id, words } = dictionary;
  const problems: DictionaryProblem[] = [];
  if (words.length > limits.dictionaryWordsMax) {
    problems.push({ id, problem: `has more than ${limits.dictionaryWordsMax} entries`, index: null });
  }
  const entries = words.map((word, index) => {
    const entry = plain(word).trim().replace(/\s+/g, ' ');
    const problem = problemOf(entry);
    if (problem !== null) problems.push({ id, problem, index });
    return entry;
  });
  return problems.length > 0 ? err(problems) : ok(compile(dictionary, entries));
}

function problemOf(entry: string): string | null {
  if (entry.length < 2) return 'is shorter than two characters';
  if (entry.length > limits.dictionaryCharsMax) return `is longer than ${limits.dictionaryCharsMax} characters`;
  const ends = [entry.charCodeAt(0), entry.charCodeAt(entry.length - 1)];
  return ends.some((unit) => kindOf(unit) === other) ? 'does not begin and end with a letter or a digit' : null;
}

const noOffsets: Pick<Offsets, 'advance' | 'drop'> = { advance: () => undefined, drop: () => undefined };

/** Entries are written as texts are read. */
function plain(word: string): string {
  return plainText(word, noOffsets);
}

const other = 0;
const inWord = 1;
/** Chinese, Japanese, Korean: no spaces, so every character may begin and end a word. */
const ideographic = 2;

function kindOf(unit: number): number {
  if (unit < 0x80) {
    const isLetter = (unit | 0x20) >= 0x61 && (unit | 0x20) <= 0x7a;
    return isLetter || (unit >= 0x30 && unit <= 0x39) || unit === 0x5f ? inWord : other;
  }
  if (unit >= 0x2e80 && unit <= 0xd7af) return ideographic;
  return unit >= 0xc0 && unit !== 0xd7 && unit !== 0xf7 && !(unit >= 0x2000 && unit < 0x2e80) ? inWord : other;
}

/** Units of a word that its place in the table depends on. */
const hashedUnits = 5;
const tableBits = 18;

function compile(dictionary: Dictionary, entries: readonly string[]): AdmittedDictionary {
  const { id, entity, score, caseSensitive } = dictionary;
  const fold = new Uint16Array(0x10000);
  const kinds = new Uint8Array(0x10000);
  for (let unit = 0; unit < 0x10000; unit++) {
    kinds[unit] = kindOf(unit);
    fold[unit] = caseSensitive ? unit : lower(unit);
  }
  const seen = new Uint8Array(1 << tableBits);
  /** Entries by their first word (of ideographic ones, the first unit), longest first. */
  const byFirst = new Map<string, string[]>();
  for (const entry of entries) {
    const units = Uint16Array.from({ length: entry.length }, (_, i) => fold[entry.charCodeAt(i)] ?? 0);
    const folded = String.fromCharCode(...units);
    const end = wordEnd(units, 0, kinds);
    seen[hashAt(units, 0, end, fold)] = 1;
    const first = folded.slice(0, end);
    byFirst.set(first, [...(byFirst.get(first) ?? []), folded]);
  }
  for (const list of byFirst.values()) list.sort((a, b) => b.length - a.length);
  const entryMax = entries.reduce((most, entry) => Math.max(most, 2 * entry.length), 0);

  return (order) => {
    const rule: CompiledRule = {
      rule: { id, entity, score },
      retry: null,
      retryDigits: null,
      maxLength: entryMax,
      isApart: false,
      isRun: false,
      order,
      value: () => compileDfa(/a/),
      ...{
        head: null,
        hasLead: false,
        leadId: 0,
        lead: nothing,
        rest: nothing,
        after: nothing,
        never: null,
        notBefore: null,
        notAfter: null,
        reach: null,
        follow: null,
        followers: anything,
        context: nothing,
        check: null,
        checkPlace: null,
        notAfterId: 0,
        lengths: nothing,
        digitsAlone: null,
      },
    };
    return () => createReader(rule, { fold, kinds, seen, byFirst });
  };
}

interface Tables {
  readonly fold: Uint16Array;
  readonly kinds: Uint8Array;
  readonly seen: Uint8Array;
  readonly byFirst: ReadonlyMap<string, readonly string[]>;
}

function createReader(rule: CompiledRule, { fold, kinds, seen, byFirst }: Tables): Roamer {
  let at = 0;

  /** End of the longest entry that stands at `start`; `open`: more text must come first. */
  function entryEnd(units: Uint16Array, start: number, last: boolean): number {
    const end = wordEnd(units, start, kinds);
    if (end === units.length && !last) return end - start > limits.dictionaryCharsMax ? none : open;
    if (seen[hashAt(units, start, end, fold)] === 0) return none;
    let first = '';
    for (let i = start; i < end && i < start + limits.dictionaryCharsMax; i++)
      first += String.fromCharCode(fold[units[i] ?? 0] ?? 0);
    for (const entry of byFirst.get(first) ?? []) {
      const found = matchAt(units, start, entry, last);
      if (found !== none) return found;
    }
    return none;
  }

  function matchAt(units: Uint16Array, start: number, entry: string, last: boolean): number {
    let place = start;
    for (let i = 0; i < entry.length; i++) {
      if (place >= units.length) return last ? none : open;
      const unit = units[place] ?? 0;
      if (entry.charCodeAt(i) !== 0x20) {
        if (fold[unit] !== entry.charCodeAt(i)) return none;
        place++;
      } else {
        const limit = place + blanksMax;
        while (place < limit && isBlank(units[place] ?? 0)) place++;
        if (!isBlank(unit)) return none;
      }
    }
    if (kinds[units[place - 1] ?? 0] === ideographic) return place;
    if (place >= units.length) return last ? place : open;
    return kinds[units[place] ?? 0] === inWord ? none : place;
  }

  return {
    read: ({ units }, last) => {
      const found: Candidate[] = [];
      let before = at === 0 ? other : (kinds[units[at - 1] ?? 0] ?? other);
      while (at < units.length) {
        const kind = kinds[units[at] ?? 0] ?? other;
        if (kind === other || (kind === inWord && before === inWord)) {
          before = kind;
          at++;
          continue;
        }
        const end = entryEnd(units, at, last);
        if (end === open) return found;
        if (end === none) {
          before = kind;
          at++;
          continue;
        }
        found.push({ rule, start: at, end, score: rule.rule.score, strength: 0 });
        before = kinds[units[end - 1] ?? 0] ?? other;
        at = end;
      }
      return found;
    },
    openAt: () => at,
    shift: (by) => {
      at -= by;
    },
  };
}

const none = -1;
const open = -2;
const blanksMax = 4;

function isBlank(unit: number): boolean {
  return unit === 0x20 || (unit >= 0x09 && unit <= 0x0d);
}

function wordEnd(units: Uint16Array, start: number, kinds: Uint8Array): number {
  if (kinds[units[start] ?? 0] === ideographic) return start + 1;
  let end = start + 1;
  while (end < units.length && kinds[units[end] ?? 0] === inWord) end++;
  return end;
}

function hashAt(units: Uint16Array, start: number, end: number, fold: Uint16Array): number {
  let hash = Math.min(31, end - start);
  const to = Math.min(end, start + hashedUnits);
  for (let at = start; at < to; at++) hash = (Math.imul(hash, 0x01000193) ^ (fold[units[at] ?? 0] ?? 0)) >>> 0;
  return (Math.imul(hash, 0x9e3779b1) >>> 0) >>> (32 - tableBits);
}

function lower(unit: number): number {
  const folded = String.fromCharCode(unit).toLowerCase();
  return folded.length === 1 ? folded.charCodeAt(0) : unit;
}
