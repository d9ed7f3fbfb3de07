import { type CompiledRule, headOf, kindOf, kinds } from './compiled-rule.ts';
import { type Dfa, dead, step } from './dfa.ts';
import { type JointClasses, jointClasses } from './joint-classes.ts';

/** A rule that may begin around one of some ASCII units: an anchor of one character, or the digits. */
export interface ShortAnchor {
  readonly rule: CompiledRule;
  readonly units: readonly number[];
  /** Whether the same unit right before rules it out: of a number, only the first digit counts. */
  readonly isRun: boolean;
}

/**
 * Ordinary text is full of numbers, colons, dots and quotes, and several rules begin at one. They are read as one automaton from there
 * on, until each of them has matched or can no more: nearly always none is left after a few units.
 */
export interface Gate {
  /** At most 30: a bit each. */
  readonly rules: readonly CompiledRule[];
  /** Bits of the rules that may match with their anchor (a run of digits, a sign) at `at`, as far as the text goes. */
  rulesAt(units: Uint16Array, at: number): number;
}

/** What has not failed by then may match. */
const unitsMax = 32;
/** States that are kept; what leads to others is not looked into further. Texts cannot make the table grow beyond. */
const statesMax = 4_096;
const rulesMax = 30;
/** In the table: not built yet. Other entries are states, as offsets of rows, or `-1 - bits` where nothing is left to read. */
const unknown = 0x7fffffff;
/** Kind of "no character": the text begins. */
const edge: number = kinds;
const startKinds: number = kinds + 1;

/** The gates of each ASCII unit. Units with the very same rules share theirs. */
export function buildGates(anchors: readonly ShortAnchor[]): readonly (readonly Gate[])[] {
  const classes = jointClasses(anchors.flatMap(({ rule }) => automataOf(rule)));
  const known = new Map<string, readonly Gate[]>();
  return Array.from({ length: 0x80 }, (_, unit) => {
    const rules = anchors.flatMap(({ rule, units }) => (units.includes(unit) ? [rule] : []));
    const key = rules.map(({ order }) => order).join();
    const gates = known.get(key) ?? gatesOf(rules, classes);
    known.set(key, gates);
    return gates;
  });
}

function gatesOf(rules: readonly CompiledRule[], classes: JointClasses): Gate[] {
  const gates: Gate[] = [];
  for (let from = 0; from < rules.length; from += rulesMax) {
    gates.push(createGate(rules.slice(from, from + rulesMax), classes));
  }
  return gates;
}

/** A place in one rule's automaton, or in that of what it never is. */
interface Thread {
  readonly index: number;
  readonly state: number;
  readonly isNever: boolean;
}

/** Where the rules are after some units. */
interface Front {
  /** Of a rule that has matched only those are left that may still refute it. */
  readonly threads: readonly Thread[];
  /** Bits of the rules that have matched. */
  readonly matched: number;
}

function createGate(rules: readonly CompiledRule[], { classOf, units: unitOf }: JointClasses): Gate {
  const reached = rules.map(statesBefore);
  const width = unitOf.length;
  let table = new Int32Array(64 * width).fill(unknown);
  const fronts: Front[] = [];
  const known = new Map<string, number>();
  /** Entries to begin with, by the kind of the character before; the second half for numbers in a row. */
  const starts = new Int32Array(2 * startKinds).fill(unknown);

  /** The entry that stands for a front. */
  function entryOf({ threads, matched }: Front): number {
    if (threads.length === 0) return -1 - matched;
    const key = `${matched}|${threads.map(keyOf).join()}`;
    const found = known.get(key);
    if (found !== undefined) return found;
    if (fronts.length === statesMax) return -1 - bitsOf({ threads, matched });
    if ((fronts.length + 1) * width > table.length) {
      const grown = new Int32Array(2 * table.length).fill(unknown);
      grown.set(table);
      table = grown;
    }
    const entry = (fronts.push({ threads, matched }) - 1) * width;
    known.set(key, entry);
    return entry;
  }

  function begin(start: number): number {
    const kind = start % startKinds;
    const threads = rules.flatMap((rule, index) =>
      threadsAt(rule, index, reached[index] ?? [], kind, start >= startKinds),
    );
    const entry = entryOf({ threads, matched: 0 });
    starts[start] = entry;
    return entry;
  }

  function build(state: number, id: number): number {
    const front = fronts[state / width];
    const entry = front ? entryOf(advance(front, rules, unitOf[id] ?? 0)) : -1;
    table[state + id] = entry;
    return entry;
  }

  return {
    rules,
    rulesAt: (units, at) => {
      const start = startOf(units, at);
      let state = starts[start] ?? -1;
      if (state === unknown) state = begin(start);
      const end = Math.min(units.length, at + unitsMax);
      for (let next = at; state >= 0; next++) {
        if (next === end) return bitsOf(fronts[state / width]);
        const id = classOf[units[next] ?? 0] ?? 0;
        const entry = table[state + id] ?? -1;
        state = entry === unknown ? build(state, id) : entry;
      }
      return ~state;
    },
  };
}

function startOf(units: Uint16Array, at: number): number {
  if (at === 0) return edge;
  const kind = kindOf(units[at - 1] ?? 0);
  return isDigit(units[at] ?? 0) && isInRow(units, at) ? startKinds + kind : kind;
}

/** Digits, one separator, and the first digit of a match: one of several numbers in a row. */
export function isInRow(units: Uint16Array, start: number): boolean {
  return start > 1 && rowSeparators[units[start - 1] ?? 0] === 1 && isDigit(units[start - 2] ?? 0);
}

const rowSeparators: Uint8Array = new Uint8Array(0x80);
for (const char of ' -./,:') rowSeparators[char.charCodeAt(0)] = 1;

function isDigit(unit: number): boolean {
  return unit >= 0x30 && unit <= 0x39;
}

function automataOf(rule: CompiledRule): Dfa[] {
  const { never } = rule;
  return never ? [headOf(rule), never] : [headOf(rule)];
}

function keyOf({ index, state, isNever }: Thread): string {
  return `${index}${isNever ? '!' : ':'}${state}`;
}

/** The rules of a front that have matched or may. */
function bitsOf(front: Front | undefined): number {
  return front
    ? front.threads.reduce((bits, { index, isNever }) => (isNever ? bits : bits | (1 << index)), front.matched)
    : 0;
}

/** Where a rule may be when its anchor comes behind a character of the kind. */
function threadsAt(
  rule: CompiledRule,
  index: number,
  reached: readonly number[],
  kind: number,
  inRow: boolean,
): Thread[] {
  const { reach, notBefore, isApart, never } = rule;
  const own: Thread = { index, state: headOf(rule).start, isNever: false };
  if (kind !== edge && reach?.chars[kind] === 1) {
    return [own, ...reached.map((state) => ({ index, state, isNever: false }))];
  }
  if ((isApart && inRow) || (kind !== edge && notBefore?.[kind] === 1)) return [];
  return never ? [own, { index, state: never.start, isNever: true }] : [own];
}

/** Where a rule may be behind what may stand before its anchor. */
export function statesBefore(rule: CompiledRule): number[] {
  const { reach } = rule;
  const dfa = headOf(rule);
  const reached = new Set<number>();
  let last = [dfa.start];
  for (let i = 0; reach && i < reach.max; i++) {
    last = [...new Set(last.flatMap((state) => stepsOver(dfa, state, reach.chars)))];
    for (const state of last) reached.add(state);
  }
  return [...reached].sort((a, b) => a - b);
}

/** Where the units of a table of kinds lead from a state. */
function stepsOver(dfa: Dfa, state: number, chars: Uint8Array): number[] {
  const targets = new Set<number>();
  for (let unit = 0; unit < 0x80; unit++) if (chars[unit] === 1) targets.add(step(dfa, state, unit));
  if (chars[0x80] === 1 || chars[0x81] === 1) {
    for (const symbol of dfa.wideSymbol) targets.add(dfa.next[state + symbol] ?? dead);
  }
  targets.delete(dead);
  return [...targets];
}

function advance({ threads, matched }: Front, rules: readonly CompiledRule[], unit: number): Front {
  let [done, refuted] = [matched, 0];
  const moved = new Map<string, Thread>();
  for (const thread of threads) {
    const rule = rules[thread.index];
    const dfa = rule && (thread.isNever ? rule.never : headOf(rule));
    const state = dfa ? step(dfa, thread.state, unit) : dead;
    if (!dfa || state === dead) continue;
    const next: Thread = { ...thread, state };
    if (state < dfa.accepting) moved.set(keyOf(next), next);
    else if (thread.isNever) refuted |= 1 << thread.index;
    else done |= 1 << thread.index;
  }
  done &= ~refuted;
  const left = [...moved.values()].filter(({ index }) => (refuted & (1 << index)) === 0);
  const open = left.filter(({ index, isNever }) => !isNever && (done & (1 << index)) === 0);
  const alive = bitsOf({ threads: open, matched: done });
  const doubted = left.filter(({ index, isNever }) => isNever && (alive & (1 << index)) !== 0);
  return { threads: [...open, ...doubted].sort(byKey), matched: done };
}

function byKey(a: Thread, b: Thread): number {
  return a.index - b.index || a.state - b.state || Number(a.isNever) - Number(b.isNever);
}
