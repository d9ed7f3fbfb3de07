import { invariant } from '../lib/invariant.ts';

/** Sorted, disjoint, inclusive ranges of UTF-16 code units. */
export type CharSet = readonly (readonly [low: number, high: number])[];

/** Syntax tree of a rule's pattern. Sets are the only leaves: a literal character is a set of one. */
export type PatternNode =
  | { readonly kind: 'set'; readonly set: CharSet }
  | { readonly kind: 'sequence'; readonly items: readonly PatternNode[] }
  | { readonly kind: 'choice'; readonly items: readonly PatternNode[] }
  | { readonly kind: 'repeat'; readonly item: PatternNode; readonly min: number; readonly max: number };

const lastUnit = 0xffff;
const digits: CharSet = [[0x30, 0x39]];
const word: CharSet = [
  [0x30, 0x39],
  [0x41, 0x5a],
  [0x5f, 0x5f],
  [0x61, 0x7a],
];
/** ASCII white space only: normalisation has made the other spaces plain before a pattern sees them. */
const space: CharSet = [
  [0x09, 0x0d],
  [0x20, 0x20],
];
const controls: Readonly<Record<string, number>> = { n: 0x0a, r: 0x0d, t: 0x09, f: 0x0c, v: 0x0b, 0: 0 };

/**
 * Reads a rule's RegExp as data. The subset that rules may use: literals, classes, groups `(?:…)`, `|`, quantifiers, flag
 * `i` (ASCII letters only). Anything else (captures, look-around, back references, anchors, lazy quantifiers) throws: a
 * pattern of ours that cannot become a finite automaton is a bug, found by the first test that builds a detector.
 */
export function parsePattern(pattern: RegExp): PatternNode {
  const source = pattern.source;
  const name = String(pattern);
  const fold = pattern.ignoreCase;
  let at = 0;

  function choice(): PatternNode {
    const items = [sequence()];
    while (source[at] === '|') {
      at++;
      items.push(sequence());
    }
    const [only] = items;
    return items.length === 1 && only ? only : { kind: 'choice', items };
  }

  function sequence(): PatternNode {
    const items: PatternNode[] = [];
    while (at < source.length && source[at] !== '|' && source[at] !== ')') items.push(quantified());
    return { kind: 'sequence', items };
  }

  function quantified(): PatternNode {
    let node = atom();
    for (;;) {
      const bounds = quantifier();
      if (!bounds) return node;
      node = { kind: 'repeat', item: node, min: bounds[0], max: bounds[1] };
    }
  }

  function quantifier(): readonly [number, number] | null {
    const mark = source[at];
    let bounds: readonly [number, number];
    if (mark === '?') bounds = [0, 1];
    else if (mark === '*') bounds = [0, Number.POSITIVE_INFINITY];
    else if (mark === '+') bounds = [1, Number.POSITIVE_INFINITY];
    else if (mark === '{') {
      const end = source.indexOf('}', at);
      const [low = '', high] = source.slice(at + 1, end).split(',');
      at = end;
      bounds = [Number(low), high === undefined ? Number(low) : high === '' ? Number.POSITIVE_INFINITY : Number(high)];
    } else return null;
    at++;
    invariant(source[at] !== '?', `a lazy quantifier has no meaning in ${name}`);
    return bounds;
  }

  function atom(): PatternNode {
    const mark = source[at];
    if (mark === '(') {
      invariant(source.startsWith('(?:', at), `only (?:…) groups in ${name}`);
      at += 3;
      const inner = choice();
      invariant(source[at] === ')', `unclosed group in ${name}`);
      at++;
      return inner;
    }
    if (mark === '[') return { kind: 'set', set: characterClass() };
    if (mark === '.') {
      at++;
      return { kind: 'set', set: complement([[0x0a, 0x0a]]) };
    }
    invariant(mark !== '^' && mark !== '$', `no anchors in ${name}: rules have before and after`);
    return { kind: 'set', set: folded(mark === '\\' ? escaped() : literal()) };
  }

  function literal(): CharSet {
    const unit = source.charCodeAt(at++);
    return [[unit, unit]];
  }

  function escaped(): CharSet {
    const mark = source[at + 1] ?? '';
    at += 2;
    if (mark === 'd') return digits;
    if (mark === 'D') return complement(digits);
    if (mark === 'w') return word;
    if (mark === 'W') return complement(word);
    if (mark === 's') return space;
    if (mark === 'S') return complement(space);
    let unit = controls[mark];
    if (mark === 'x' || mark === 'u') {
      const width = mark === 'x' ? 2 : 4;
      unit = Number.parseInt(source.slice(at, at + width), 16);
      at += width;
    }
    invariant(unit !== undefined || !/[a-zA-Z0-9]/.test(mark), `unknown escape \\${mark} in ${name}`);
    unit ??= mark.charCodeAt(0);
    return [[unit, unit]];
  }

  function characterClass(): CharSet {
    at++;
    const negated = source[at] === '^';
    if (negated) at++;
    const ranges: (readonly [number, number])[] = [];
    while (source[at] !== ']') {
      invariant(at < source.length, `unclosed class in ${name}`);
      const low = source[at] === '\\' ? escaped() : literal();
      const [first] = low;
      if (source[at] === '-' && source[at + 1] !== ']' && low.length === 1 && first && first[0] === first[1]) {
        at++;
        const [high] = source[at] === '\\' ? escaped() : literal();
        ranges.push([first[0], high ? high[1] : first[0]]);
      } else ranges.push(...low);
    }
    at++;
    const set = folded(normalise(ranges));
    return negated ? complement(set) : set;
  }

  function folded(set: CharSet): CharSet {
    return fold ? foldCase(set) : set;
  }

  const tree = choice();
  invariant(at === source.length, `unbalanced ${name}`);
  return tree;
}

/** The set with the other case of every ASCII letter in it. */
export function foldCase(set: CharSet): CharSet {
  const out = [...set];
  for (const [low, high] of set) {
    const upperLow = Math.max(low, 0x41);
    const upperHigh = Math.min(high, 0x5a);
    if (upperLow <= upperHigh) out.push([upperLow + 32, upperHigh + 32]);
    const lowerLow = Math.max(low, 0x61);
    const lowerHigh = Math.min(high, 0x7a);
    if (lowerLow <= lowerHigh) out.push([lowerLow - 32, lowerHigh - 32]);
  }
  return normalise(out);
}

function normalise(ranges: CharSet): CharSet {
  const sorted = [...ranges].sort((a, b) => a[0] - b[0]);
  const out: [number, number][] = [];
  for (const [low, high] of sorted) {
    const last = out.at(-1);
    if (last && low <= last[1] + 1) last[1] = Math.max(last[1], high);
    else out.push([low, high]);
  }
  return out;
}

function complement(set: CharSet): CharSet {
  const out: [number, number][] = [];
  let next = 0;
  for (const [low, high] of normalise(set)) {
    if (low > next) out.push([next, low - 1]);
    next = high + 1;
  }
  if (next <= lastUnit) out.push([next, lastUnit]);
  return out;
}
