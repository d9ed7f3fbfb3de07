import { invariant } from '../lib/invariant.ts';
import { type CharSet, type PatternNode, parsePattern } from './pattern-syntax.ts';

/**
 * A pattern as a table, read one code unit at a time from a given place. It always knows whether more text could still
 * matter (any state but `dead`), which is what an exact stream needs and what the built-in RegExp cannot tell; and it
 * cannot backtrack.
 *
 * A step is `state = next[state + symbolOf(unit)]`: states are row offsets. Accepting states are numbered last.
 */
export interface Dfa {
  readonly next: Uint16Array | Uint32Array;
  /** Symbol of each ASCII code unit. */
  readonly ascii: Uint8Array;
  /** Lowest code unit of each run of equal symbols from 0x80 on, and those symbols. */
  readonly wideFrom: Uint16Array;
  readonly wideSymbol: Uint8Array;
  /** By the higher eight bits of a unit from 0x80 on, which row of `wideRows` has its symbol; by the lower ones, where in the row. */
  readonly widePage: Uint8Array;
  readonly wideRows: Uint8Array;
  /** Symbols, that is entries in the row of a state. */
  readonly width: number;
  readonly start: number;
  /** `state >= accepting` means: what was read so far is a match. */
  readonly accepting: number;
}

export const dead = 0;

/** States beyond this mean that a rule's pattern was written badly. */
const statesMax = 20_000;

export function compileDfa(pattern: RegExp): Dfa {
  const dfa = determinise(buildNfa(parsePattern(pattern)), statesMax);
  invariant(dfa, `few enough states and kinds of character in ${pattern}`);
  return dfa;
}

/** One step. The hot loops spell it out; everything else reads better with it. */
export function step(dfa: Dfa, state: number, unit: number): number {
  return dfa.next[state + (unit < 0x80 ? (dfa.ascii[unit] ?? 0) : wideSymbolOf(dfa, unit))] ?? dead;
}

/** All states but the dead one. */
export function statesOf(dfa: Dfa): readonly number[] {
  return Array.from({ length: dfa.next.length / dfa.width - 1 }, (_, index) => (index + 1) * dfa.width);
}

/** How many units a match has at least and at most; null where nothing bounds it, or where it takes long to tell. */
export function lengthsOf(dfa: Dfa): { readonly shortest: number; readonly longest: number } | null {
  const { next, width, start, accepting } = dfa;
  const count = next.length / width;
  if (next.length > toldMax) return null;
  /** Steps into each state that are not followed yet. */
  const left = new Uint32Array(count);
  for (const target of next) left[target / width] = (left[target / width] ?? 0) + 1;
  const least = new Float64Array(count).fill(Number.POSITIVE_INFINITY);
  const most = new Float64Array(count).fill(Number.NEGATIVE_INFINITY);
  least[start / width] = 0;
  most[start / width] = 0;
  const ready = [start / width];
  let [shortest, longest] = [Number.POSITIVE_INFINITY, 0];
  for (let done = 0; done < ready.length; done++) {
    const from = ready[done] ?? 0;
    const [low, high] = [least[from] ?? 0, most[from] ?? 0];
    if (from * width >= accepting) [shortest, longest] = [Math.min(shortest, low), Math.max(longest, high)];
    for (let symbol = 0; symbol < width; symbol++) {
      const to = (next[from * width + symbol] ?? dead) / width;
      least[to] = Math.min(least[to] ?? 0, low + 1);
      most[to] = Math.max(most[to] ?? 0, high + 1);
      left[to] = (left[to] ?? 0) - 1;
      if (left[to] === 0 && to !== dead) ready.push(to);
    }
  }
  // A state that goes round in circles waits for itself.
  return ready.length === count - 1 ? { shortest, longest } : null;
}

/** Entries of an automaton that are looked through for it: it happens while a text waits. */
const toldMax = 8_192;

/** Symbols of an ASCII unit, or all that units beyond ASCII have. */
export function symbolsOf(dfa: Dfa, unit: number): readonly number[] {
  return unit < 0x80 ? [dfa.ascii[unit] ?? 0] : [...dfa.wideSymbol];
}

/** Whether some unit of a kind (`kindOf`) leads anywhere from a state. */
export function goesOn(dfa: Dfa, state: number, kind: number): boolean {
  return symbolsOf(dfa, kind).some((symbol) => (dfa.next[state + symbol] ?? dead) !== dead);
}

/** Symbol of a code unit from 0x80 on. */
export function wideSymbolOf({ widePage, wideRows }: Dfa, unit: number): number {
  return wideRows[((widePage[unit >> 8] ?? 0) << 8) | (unit & 0xff)] ?? 0;
}

function searchWide({ wideFrom, wideSymbol }: Pick<Dfa, 'wideFrom' | 'wideSymbol'>, unit: number): number {
  // A rule that has names in many scripts has a hundred runs.
  let low = 0;
  let high = wideFrom.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((wideFrom[middle] ?? 0) <= unit) low = middle + 1;
    else high = middle;
  }
  return low === 0 ? 0 : (wideSymbol[low - 1] ?? 0);
}

/** Nondeterministic automaton: a state either reads one unit of a set or (null) forks for free. */
export interface Nfa {
  readonly set: readonly (CharSet | null)[];
  readonly to: readonly (readonly number[])[];
  readonly final: number;
  readonly initial: number;
}

function buildNfa(tree: PatternNode): Nfa {
  const set: (CharSet | null)[] = [null];
  const to: number[][] = [[]];
  function add(on: CharSet | null, targets: number[]): number {
    set.push(on);
    to.push(targets);
    return set.length - 1;
  }
  /** Builds backwards: given what follows, returns where to enter. */
  function build(node: PatternNode, follow: number): number {
    switch (node.kind) {
      case 'set':
        return add(node.set, [follow]);
      case 'sequence':
        return node.items.reduceRight((next, item) => build(item, next), follow);
      case 'choice':
        return add(
          null,
          node.items.map((item) => build(item, follow)),
        );
      case 'repeat': {
        let entry = follow;
        if (node.max === Number.POSITIVE_INFINITY) {
          const loop = add(null, []);
          to[loop] = [build(node.item, loop), follow];
          entry = loop;
        } else {
          for (let i = node.min; i < node.max; i++) entry = add(null, [build(node.item, entry), follow]);
        }
        for (let i = 0; i < node.min; i++) entry = build(node.item, entry);
        return entry;
      }
    }
  }
  return { set, to, final: 0, initial: build(tree, 0) };
}

/** Subset construction. Null when it would take more than `statesMax` states or tell too many characters apart. */
export function determinise(nfa: Nfa, statesMax: number): Dfa | null {
  const alphabet = partition(nfa.set.filter((set): set is CharSet => set !== null));
  if (!alphabet) return null;
  const known = new Map<CharSet | null, readonly number[]>([[null, []]]);
  const symbolsOf = nfa.set.map((set) => {
    const symbols = known.get(set) ?? (set ? alphabet.symbolsIn(set) : []);
    known.set(set, symbols);
    return symbols;
  });
  /** State by its members, and by the members before following free forks: the same few come up again and again. */
  const byMembers = new Map<string, number>([['', dead]]);
  const byCores = new Map<string, number>([['', dead]]);
  const members: (readonly number[])[] = [[]];

  function stateOf(cores: readonly number[]): number {
    const coreKey = cores.join();
    const before = byCores.get(coreKey);
    if (before !== undefined) return before;
    const closed = closure(nfa, cores);
    const key = closed.join();
    const id = byMembers.get(key) ?? members.length;
    if (id === members.length) {
      byMembers.set(key, id);
      members.push(closed);
    }
    byCores.set(coreKey, id);
    return id;
  }

  const initial = stateOf([nfa.initial]);
  const rows: Uint32Array[] = [];
  for (let id = 0; id < members.length; id++) {
    if (members.length > statesMax) return null;
    const row = new Uint32Array(alphabet.size);
    const [member = 0, ...others] = members[id] ?? [];
    if (others.length === 0) {
      // The usual case, a chain of single states: one target for all its symbols.
      const target = stateOf(nfa.to[member] ?? []);
      for (const symbol of symbolsOf[member] ?? []) row[symbol] = target;
    } else {
      const targets: number[][] = Array.from({ length: alphabet.size }, () => []);
      for (const each of [member, ...others]) {
        for (const symbol of symbolsOf[each] ?? []) targets[symbol]?.push(...(nfa.to[each] ?? []));
      }
      targets.forEach((cores, symbol) => {
        row[symbol] = cores.length < 2 ? stateOf(cores) : stateOf([...new Set(cores)].sort((x, y) => x - y));
      });
    }
    rows.push(row);
  }
  return table(
    rows,
    members.map((states) => states.includes(nfa.final)),
    initial,
    alphabet,
  );
}

function closure(nfa: Nfa, cores: readonly number[]): readonly number[] {
  const [only = 0] = cores;
  if (cores.length === 1 && nfa.set[only] !== null) return cores;
  const seen = new Set<number>();
  const stack = [...cores];
  for (let state = stack.pop(); state !== undefined; state = stack.pop()) {
    if (seen.has(state)) continue;
    seen.add(state);
    if (nfa.set[state] === null) stack.push(...(nfa.to[state] ?? []));
  }
  // Forks have done their work once they are followed; only readers and the end tell two states apart.
  return [...seen].filter((state) => nfa.set[state] !== null || state === nfa.final).sort((a, b) => a - b);
}

/** Numbers the states so that the dead one is 0 and the accepting ones come last, and lays the rows out flat. */
function table(rows: readonly Uint32Array[], accepts: readonly boolean[], initial: number, alphabet: Alphabet): Dfa {
  const order = rows.map((_, id) => id).sort((a, b) => Number(accepts[a]) - Number(accepts[b]) || a - b);
  const place = new Uint32Array(rows.length);
  order.forEach((id, index) => {
    place[id] = index * alphabet.size;
  });
  const length = rows.length * alphabet.size;
  const next = length < 0x10000 ? new Uint16Array(length) : new Uint32Array(length);
  rows.forEach((row, id) => {
    row.forEach((target, symbol) => {
      next[(place[id] ?? 0) + symbol] = place[target] ?? 0;
    });
  });
  const firstAccepting = order.findIndex((id) => accepts[id]);
  return {
    next,
    ascii: alphabet.ascii,
    wideFrom: alphabet.wideFrom,
    wideSymbol: alphabet.wideSymbol,
    ...pagesOf(alphabet),
    width: alphabet.size,
    start: place[initial] ?? 0,
    accepting: firstAccepting < 0 ? length : firstAccepting * alphabet.size,
  };
}

/** Most pages have one symbol all over, and most of them the same: these share their rows. */
function pagesOf(alphabet: Alphabet): Pick<Dfa, 'widePage' | 'wideRows'> {
  const { wideFrom, wideSymbol } = alphabet;
  const mixed = new Set<number>();
  for (const from of wideFrom) if (from > 0x80 && (from & 0xff) !== 0) mixed.add(from >> 8);
  const uniform = new Map<number, number>();
  const rows: Uint8Array[] = [];
  const widePage = Uint8Array.from({ length: 0x100 }, (_, page) => {
    const symbol = searchWide({ wideFrom, wideSymbol }, Math.max(0x80, page << 8));
    const known = mixed.has(page) ? undefined : uniform.get(symbol);
    if (known !== undefined) return known;
    if (!mixed.has(page)) uniform.set(symbol, rows.length);
    const row = mixed.has(page)
      ? Uint8Array.from({ length: 0x100 }, (_, low) => searchWide({ wideFrom, wideSymbol }, (page << 8) | low))
      : new Uint8Array(0x100).fill(symbol);
    return rows.push(row) - 1;
  });
  const wideRows = new Uint8Array(rows.length << 8);
  for (const [index, row] of rows.entries()) wideRows.set(row, index << 8);
  return { widePage, wideRows };
}

interface Alphabet {
  readonly size: number;
  readonly ascii: Uint8Array;
  readonly wideFrom: Uint16Array;
  readonly wideSymbol: Uint8Array;
  symbolsIn(set: CharSet): readonly number[];
}

/** Groups the code units that no set of the pattern tells apart; null when there are more than 255 groups. */
function partition(sets: readonly CharSet[]): Alphabet | null {
  const unique = [...new Map([...new Set(sets)].map((set) => [set.join(';'), set])).values()];
  const bounds = new Set([0, 0x80]);
  for (const set of unique) {
    for (const [low, high] of set) {
      bounds.add(low);
      bounds.add(high + 1);
    }
  }
  const starts = [...bounds].filter((unit) => unit <= 0xffff).sort((a, b) => a - b);
  /** For each set, which of the runs that begin at `starts` it holds. */
  const held = unique.map((set) => starts.map((unit) => contains(set, unit)));
  const symbols = new Map<string, number>();
  const symbolAt = starts.map((_, i) => {
    const signature = held.map((runs) => (runs[i] ? '1' : '0')).join('');
    const symbol = symbols.get(signature) ?? symbols.size;
    symbols.set(signature, symbol);
    return symbol;
  });
  if (symbols.size > 255) return null;
  const symbolsBySet = new Map(
    unique.map((set, i) => [set.join(';'), [...new Set(symbolAt.filter((_, run) => held[i]?.[run]))]]),
  );
  const ascii = new Uint8Array(0x80);
  starts.forEach((start, i) => {
    ascii.fill(symbolAt[i] ?? 0, Math.min(start, 0x80), Math.min(starts[i + 1] ?? 0x80, 0x80));
  });
  const wide = starts.flatMap((start, i) => (start >= 0x80 ? [[start, symbolAt[i] ?? 0] as const] : []));
  return {
    size: symbols.size,
    ascii,
    wideFrom: Uint16Array.from(wide, ([from]) => from),
    wideSymbol: Uint8Array.from(wide, ([, symbol]) => symbol),
    symbolsIn: (set) => symbolsBySet.get(set.join(';')) ?? [],
  };
}

function contains(set: CharSet, unit: number): boolean {
  return set.some(([low, high]) => low <= unit && unit <= high);
}
