import { invariant } from '../lib/invariant.ts';

/**
 * All anchors of all rules as one Aho-Corasick automaton in a flat table: one look-up a code unit finds every place where
 * some rule may begin. ASCII letters match in either case; the rule's own automaton is exact about it.
 */
export interface Anchors {
  /** A step is `state = next[(state << shift) + symbol[unit]]`. */
  readonly next: Uint16Array;
  readonly shift: number;
  /** Symbol of each code unit. */
  readonly symbol: Uint8Array;
  readonly start: number;
  /** `state >= hit` means that at least one anchor ends here. */
  readonly hit: number;
  /** What ends in a state: owners, and the anchors' lengths, from `hitFrom[state - hit]` to `hitFrom[state - hit + 1]`. */
  readonly hitFrom: Uint32Array;
  readonly hitOwner: Uint16Array;
  readonly hitLength: Uint8Array;
  /** Length of the longest beginning of an anchor that the text now ends with. */
  readonly depth: Uint8Array;
}

interface AnchorHit {
  readonly owner: number;
  readonly length: number;
}

/** Stands for a digit that no digit stands before, in a rule's list of anchors. */
export const digitRun: unique symbol = Symbol('digit run');

export interface AnchorEntry {
  readonly owner: number;
  readonly anchor: string;
}

interface Trie {
  readonly children: Map<number, number>[];
  readonly hits: AnchorHit[][];
  readonly depth: number[];
}

export function buildAnchors(entries: readonly AnchorEntry[]): Anchors {
  const { symbol, width } = symbols(entries.map(({ anchor }) => anchor));
  const trie: Trie = { children: [new Map()], hits: [[]], depth: [0] };
  for (const { owner, anchor } of entries) insert(trie, owner, anchor, symbol);
  return flatten(lay(trie, width), symbol, width);
}

/** Letters are symbols 1 to 26, so that the entries of a row that prose needs lie in one cache line. Every unit that no anchor holds is 0. */
function symbols(anchors: readonly string[]): { symbol: Uint8Array; width: number } {
  const symbol = new Uint8Array(0x10000);
  for (let letter = 0; letter < 26; letter++) {
    symbol[0x41 + letter] = 1 + letter;
    symbol[0x61 + letter] = 1 + letter;
  }
  let width = 27;
  for (const unit of anchors.flatMap((anchor) => [...anchor].map((char) => char.charCodeAt(0)))) {
    if (!symbol[unit]) symbol[unit] = width++;
  }
  invariant(width <= 256, 'anchors use at most 255 different characters');
  return { symbol, width };
}

function insert(trie: Trie, owner: number, anchor: string, symbol: Uint8Array): void {
  let at = 0;
  for (const char of anchor) {
    const key = symbol[char.charCodeAt(0)] ?? 0;
    let child = trie.children[at]?.get(key);
    if (child === undefined) {
      child = trie.children.length;
      trie.children.push(new Map());
      trie.hits.push([]);
      trie.depth.push((trie.depth[at] ?? 0) + 1);
      trie.children[at]?.set(key, child);
    }
    at = child;
  }
  trie.hits[at]?.push({ owner, length: anchor.length });
}

interface Automaton {
  readonly rows: readonly Uint32Array[];
  readonly found: readonly (readonly AnchorHit[])[];
  readonly depth: readonly number[];
}

/** The full transition table: a step never has to fall back. */
function lay(trie: Trie, width: number): Automaton {
  const count = trie.children.length;
  const fail = new Uint32Array(count);
  const rows: Uint32Array[] = Array.from({ length: count }, () => new Uint32Array(width));
  const found: AnchorHit[][] = trie.hits.map((hits) => [...hits]);
  const queue = [0];
  for (let head = 0; head < queue.length; head++) {
    const state = queue[head] ?? 0;
    const row = rows[state];
    invariant(row, 'every state has a row');
    const up = fail[state] ?? 0;
    if (state !== 0) found[state]?.push(...(found[up] ?? []));
    for (let key = 0; key < width; key++) {
      const fallBack = state === 0 ? 0 : (rows[up]?.[key] ?? 0);
      const child = trie.children[state]?.get(key);
      row[key] = child ?? fallBack;
      if (child === undefined) continue;
      fail[child] = fallBack;
      queue.push(child);
    }
  }
  return { rows, found, depth: trie.depth };
}

function flatten({ rows, found, depth }: Automaton, symbol: Uint8Array, width: number): Anchors {
  const isHit = (state: number): boolean => (found[state]?.length ?? 0) > 0;
  const order = rows.map((_, state) => state).sort((a, b) => Number(isHit(a)) - Number(isHit(b)) || a - b);
  const shift = Math.ceil(Math.log2(width));
  invariant(order.length <= 0x10000, 'anchors need at most 65,536 states');
  const place = new Uint16Array(rows.length);
  order.forEach((state, index) => {
    place[state] = index;
  });
  const next = new Uint16Array(rows.length << shift);
  rows.forEach((row, state) => {
    row.forEach((target, key) => {
      next[((place[state] ?? 0) << shift) + key] = place[target] ?? 0;
    });
  });
  const hit = order.length - order.filter(isHit).length;
  const hits = order.slice(hit).map((state) => found[state] ?? []);
  const hitFrom = new Uint32Array(hits.length + 1);
  hits.forEach((each, i) => {
    hitFrom[i + 1] = (hitFrom[i] ?? 0) + each.length;
  });
  return {
    next,
    shift,
    symbol,
    start: place[0] ?? 0,
    hit,
    hitFrom,
    hitOwner: Uint16Array.from(hits.flat(), ({ owner }) => owner),
    hitLength: Uint8Array.from(hits.flat(), ({ length }) => length),
    depth: Uint8Array.from(order, (state) => depth[state] ?? 0),
  };
}
