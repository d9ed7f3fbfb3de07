import { err, ok, type Result } from '../lib/result.ts';
import type { Nfa } from './dfa.ts';
import { type CharSet, foldCase } from './pattern-syntax.ts';

/** What we read of an instruction of an RE2 program (RE2's `prog.h`, Go's `regexp/syntax`, re2js's `Inst`). */
export interface Re2Instruction {
  readonly op: number;
  readonly out: number;
  readonly arg: number;
  /** Inclusive ranges of code points, flat; a single one for one code point. */
  readonly runes: ArrayLike<number>;
}

export interface Re2Program {
  readonly instructions: readonly Re2Instruction[];
  readonly start: number;
  /** What every match begins with; may be empty. */
  readonly prefix: string;
}

/** Empty-width conditions, as bits. */
export const assertion = {
  lineStart: 1,
  lineEnd: 2,
  textStart: 4,
  textEnd: 8,
  wordBoundary: 16,
  noWordBoundary: 32,
} as const;

const op = {
  alt: 1,
  altMatch: 2,
  capture: 3,
  emptyWidth: 4,
  fail: 5,
  match: 6,
  nop: 7,
  rune: 8,
  rune1: 9,
  any: 10,
  anyNotNewline: 11,
} as const;

/** An RE2 program as an automaton that reads UTF-16 code units. */
export interface TranslatedRe2 {
  readonly nfa: Nfa;
  /** Conditions at the beginning and at the end of a match. */
  readonly begins: number;
  readonly ends: number;
}

/** Conditions inside a pattern are refused: an automaton that reads unit by unit would have to look around. */
export function translateRe2({ instructions, start }: Re2Program): Result<TranslatedRe2, string> {
  const set: (CharSet | null)[] = instructions.map(() => null);
  const to: number[][] = instructions.map(() => []);
  const final = instructions.findIndex((inst) => inst.op === op.match);
  const opening = followAssertions(instructions, start);
  const endings = new Set<number>();
  let misplaced = false;
  const seen = new Set<number>();
  const stack = [opening.at];
  for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
    const inst = instructions[at];
    if (!inst || seen.has(at)) continue;
    seen.add(at);
    switch (inst.op) {
      case op.match:
        endings.add(0);
        break;
      case op.fail:
        break;
      case op.emptyWidth: {
        const ending = followAssertions(instructions, at);
        if (instructions[ending.at]?.op !== op.match) misplaced = true;
        endings.add(ending.conditions);
        to[at] = [final];
        break;
      }
      case op.alt:
      case op.altMatch:
        to[at] = [inst.out, inst.arg];
        stack.push(inst.out, inst.arg);
        break;
      case op.capture:
      case op.nop:
        to[at] = [inst.out];
        stack.push(inst.out);
        break;
      default:
        addReader(set, to, at, inst);
        stack.push(inst.out);
    }
  }
  if (misplaced || endings.size > 1) {
    return err('has ^, $ or \\b inside: they may stand at the very beginning and end of the whole pattern only');
  }
  const [ends = 0] = endings;
  return ok({ nfa: { set, to, final, initial: opening.at }, begins: opening.conditions, ends });
}

/** Skips what reads nothing and takes one way only; collects the conditions met. */
function followAssertions(instructions: readonly Re2Instruction[], from: number): { at: number; conditions: number } {
  let at = from;
  let conditions = 0;
  for (;;) {
    const inst = instructions[at];
    if (inst?.op === op.emptyWidth) conditions |= inst.arg;
    else if (inst?.op !== op.nop && inst?.op !== op.capture) return { at, conditions };
    at = inst.out;
  }
}

/** Reads one code point: one unit, or two for those beyond the basic plane. */
function addReader(set: (CharSet | null)[], to: number[][], at: number, inst: Re2Instruction): void {
  const ranges = rangesOf(inst);
  const basic = ranges.flatMap(([low, high]) => (low <= 0xffff ? [[low, Math.min(high, 0xffff)] as const] : []));
  const paired = ranges.flatMap(([low, high]) => (high > 0xffff ? surrogatePairs(Math.max(low, 0x10000), high) : []));
  if (paired.length === 0) {
    set[at] = basic;
    to[at] = [inst.out];
    return;
  }
  const ways: number[] = [];
  function add(units: CharSet, target: number): number {
    set.push(units);
    to.push([target]);
    return set.length - 1;
  }
  if (basic.length > 0) ways.push(add(basic, inst.out));
  for (const [high, low] of paired) ways.push(add([high], add([low], inst.out)));
  set[at] = null;
  to[at] = ways;
}

const lastCodePoint = 0x10ffff;

function rangesOf(inst: Re2Instruction): CharSet {
  if (inst.op === op.any) return [[0, lastCodePoint]];
  if (inst.op === op.anyNotNewline) {
    return [
      [0, 9],
      [11, lastCodePoint],
    ];
  }
  const [first = 0] = [inst.runes[0]];
  if (inst.runes.length === 1) return (inst.arg & 1) === 1 && inst.op === op.rune ? bothCases(first) : [[first, first]];
  return Array.from(
    { length: inst.runes.length / 2 },
    (_, i) => [inst.runes[2 * i] ?? 0, inst.runes[2 * i + 1] ?? 0] as const,
  );
}

function bothCases(codePoint: number): CharSet {
  if (codePoint < 0x80) return foldCase([[codePoint, codePoint]]);
  const char = String.fromCodePoint(codePoint);
  const forms = [char, char.toLowerCase(), char.toUpperCase()].map((form) => form.codePointAt(0) ?? codePoint);
  return [...new Set(forms)].map((form) => [form, form] as const);
}

type UnitRange = readonly [number, number];

/** Ranges of high and low surrogates that together stand for the code points from `low` to `high`. */
function surrogatePairs(low: number, high: number): (readonly [UnitRange, UnitRange])[] {
  const highOf = (codePoint: number): number => 0xd800 + ((codePoint - 0x10000) >> 10);
  const lowOf = (codePoint: number): number => 0xdc00 + ((codePoint - 0x10000) & 0x3ff);
  const [first, last] = [highOf(low), highOf(high)];
  if (first === last)
    return [
      [
        [first, first],
        [lowOf(low), lowOf(high)],
      ],
    ];
  const pairs: (readonly [UnitRange, UnitRange])[] = [
    [
      [first, first],
      [lowOf(low), 0xdfff],
    ],
  ];
  if (last - first > 1)
    pairs.push([
      [first + 1, last - 1],
      [0xdc00, 0xdfff],
    ]);
  pairs.push([
    [last, last],
    [0xdc00, lowOf(high)],
  ]);
  return pairs;
}
