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

/** Symbol of a code unit from 0x80 on. */
export function wideSymbolOf(dfa: Dfa, unit: number): number {
  let symbol = 0;
  for (let i = 0; i < dfa.wideFrom.length && (dfa.wideFrom[i] ?? 0) <= unit; i++) symbol = dfa.wideSymbol[i] ?? 0;
  return symbol;
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
  const symbolsOf = nfa.set.map((set) => (set ? alphabet.symbolsIn(set) : []));
  /** State by its members, and by the members before following free forks: the same few come up again and again. */
  const byMembers = new Map<string, number>([['', dead]]);
  const byCores = new Map<string, number>([['', dead]]);
  const members: (readonly number[])[] = [[]];

  function stateOf(cores: readonly number[]): number {
    const coreKey = cores.join();
    const known = byCores.get(coreKey);
    if (known !== undefined) return known;
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
    const targets: number[][] = Array.from({ length: alphabet.size }, () => []);
    for (const member of members[id] ?? []) {
      for (const symbol of symbolsOf[member] ?? []) targets[symbol]?.push(...(nfa.to[member] ?? []));
    }
    targets.forEach((cores, symbol) => {
      row[symbol] = cores.length < 2 ? stateOf(cores) : stateOf([...new Set(cores)].sort((a, b) => a - b));
    });
    rows.push(row);
  }
  return table(
    rows,
    members.map((states) => states.includes(nfa.final)),
    initial,
    alphabet,
  );
}

function closure(nfa: Nfa, cores: readonly number[]): number[] {
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
    start: place[initial] ?? 0,
    accepting: firstAccepting < 0 ? length : firstAccepting * alphabet.size,
  };
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
  const unique = [...new Map(sets.map((set) => [set.join(';'), set])).values()];
  const bounds = new Set([0, 0x80]);
  for (const set of unique) {
    for (const [low, high] of set) {
      bounds.add(low);
      bounds.add(high + 1);
    }
  }
  const starts = [...bounds].filter((unit) => unit <= 0xffff).sort((a, b) => a - b);
  const symbols = new Map<string, number>();
  const symbolAt = starts.map((unit) => {
    const signature = unique.map((set) => (contains(set, unit) ? '1' : '0')).join('');
    const symbol = symbols.get(signature) ?? symbols.size;
    symbols.set(signature, symbol);
    return symbol;
  });
  if (symbols.size > 255) return null;
  const symbolsBySet = new Map(
    unique.map((set) => {
      const within = starts.flatMap((unit, i) => (contains(set, unit) ? [symbolAt[i] ?? 0] : []));
      return [set.join(';'), [...new Set(within)]];
    }),
  );
  const ascii = new Uint8Array(0x80);
  for (let unit = 0; unit < 0x80; unit++) ascii[unit] = symbolAt[starts.findLastIndex((start) => start <= unit)] ?? 0;
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
