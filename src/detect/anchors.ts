import { invariant } from '../lib/invariant.ts';

/**
 * All anchors of all rules as one Aho-Corasick automaton in a flat table: one look-up a code unit finds every place where
 * some rule may begin. ASCII letters match in either case; the rule's own automaton is exact about it.
 *
 * The start of a run of digits is an anchor of its own kind, `digitRun`.
 */
export interface Anchors {
  readonly next: Uint16Array | Uint32Array;
  /** Symbol of each code unit. */
  readonly symbol: Uint8Array;
  readonly start: number;
  /** `state >= hit` means that at least one anchor ends here. */
  readonly hit: number;
  readonly width: number;
  /** What ends in a state (by state / width): owners with the anchor's length. */
  readonly found: readonly (readonly AnchorHit[])[];
  /** Length of the longest beginning of an anchor that the text now ends with (by state / width). */
  readonly depth: Uint8Array;
}

export interface AnchorHit {
  readonly owner: number;
  readonly length: number;
}

/** A digit that no digit stands before. */
export const digitRun: unique symbol = Symbol('digit run');

export interface AnchorEntry {
  readonly owner: number;
  readonly anchor: string | typeof digitRun;
}

interface Trie {
  readonly children: Map<number, number>[];
  readonly hits: AnchorHit[][];
  readonly depth: number[];
  readonly last: number[];
}

export function buildAnchors(entries: readonly AnchorEntry[]): Anchors {
  const literals = entries.flatMap(({ owner, anchor }) => (typeof anchor === 'string' ? [{ owner, anchor }] : []));
  const digitOwners = entries.filter(({ anchor }) => anchor === digitRun).map(({ owner }) => owner);
  const { symbol, width } = symbols(literals.map(({ anchor }) => anchor));
  const trie: Trie = { children: [new Map()], hits: [[]], depth: [0], last: [-1] };
  for (const { owner, anchor } of literals) insert(trie, owner, anchor, symbol);
  return lay(trie, digitOwners, symbol, width);
}

/** Digits are symbols 1 to 10, every other unit that no anchor holds is symbol 0. */
function symbols(anchors: readonly string[]): { symbol: Uint8Array; width: number } {
  const symbol = new Uint8Array(0x10000);
  let width = 1;
  for (let digit = 0x30; digit <= 0x39; digit++) symbol[digit] = width++;
  for (const unit of anchors.flatMap((anchor) => [...anchor.toLowerCase()].map((c) => c.charCodeAt(0)))) {
    if (symbol[unit]) continue;
    if (unit >= 0x61 && unit <= 0x7a) symbol[unit - 32] = width;
    symbol[unit] = width++;
  }
  invariant(width <= 256, 'anchors use at most 255 different characters');
  return { symbol, width };
}

function insert(trie: Trie, owner: number, anchor: string, symbol: Uint8Array): void {
  invariant(/^[^0-9]/.test(anchor), `an anchor begins with no digit: ${anchor}`);
  let at = 0;
  for (const char of anchor) {
    const key = symbol[char.charCodeAt(0)] ?? 0;
    let child = trie.children[at]?.get(key);
    if (child === undefined) {
      child = trie.children.length;
      trie.children.push(new Map());
      trie.hits.push([]);
      trie.depth.push((trie.depth[at] ?? 0) + 1);
      trie.last.push(key);
      trie.children[at]?.set(key, child);
    }
    at = child;
  }
  trie.hits[at]?.push({ owner, length: anchor.length });
}

/**
 * The full transition table. Because no anchor begins with a digit, the state tells whether the unit before was a digit,
 * except in the root; two more states (`firstDigit`, `laterDigit`) stand for the root after digits.
 */
function lay(trie: Trie, digitOwners: readonly number[], symbol: Uint8Array, width: number): Anchors {
  const isDigit = (key: number): boolean => key >= 1 && key <= 10;
  const digitHits = digitOwners.map((owner) => ({ owner, length: 1 }));
  const firstDigit = trie.children.length;
  const laterDigit = firstDigit + 1;
  const count = laterDigit + 1;
  const fail = new Uint32Array(count);
  const rows: Uint32Array[] = Array.from({ length: count }, () => new Uint32Array(width));
  const found: AnchorHit[][] = Array.from({ length: count }, (_, state) => [...(trie.hits[state] ?? [])]);
  const afterDigit = (state: number): boolean => state >= firstDigit || isDigit(trie.last[state] ?? -1);

  const queue = [0];
  for (let head = 0; head < queue.length; head++) {
    const state = queue[head] ?? 0;
    const row = rows[state];
    invariant(row, 'every state has a row');
    const up = fail[state] ?? 0;
    if (state !== 0) found[state]?.push(...(found[up] ?? []).filter((hit) => !digitHits.includes(hit)));
    for (let key = 0; key < width; key++) {
      const child = trie.children[state]?.get(key);
      if (child !== undefined) {
        row[key] = child;
        fail[child] = state === 0 ? 0 : (rows[up]?.[key] ?? 0);
        // The fail state of a digit may be one of the two digit states: they behave as the root does.
        if ((fail[child] ?? 0) >= firstDigit) fail[child] = 0;
        if (isDigit(key) && !afterDigit(state)) found[child]?.push(...digitHits);
        queue.push(child);
        continue;
      }
      const target = state === 0 ? 0 : (rows[up]?.[key] ?? 0);
      const plain = target >= firstDigit ? 0 : target;
      if (!isDigit(key)) row[key] = plain;
      else if (plain !== 0) row[key] = plain;
      else row[key] = afterDigit(state) ? laterDigit : firstDigit;
    }
  }
  for (const state of [firstDigit, laterDigit]) {
    const row = rows[state];
    for (let key = 0; row && key < width; key++) row[key] = isDigit(key) ? laterDigit : (rows[0]?.[key] ?? 0);
  }
  found[firstDigit] = [...digitHits];
  return flatten(rows, found, [...trie.depth, 0, 0], symbol, width);
}

function flatten(
  rows: readonly Uint32Array[],
  found: readonly (readonly AnchorHit[])[],
  depth: readonly number[],
  symbol: Uint8Array,
  width: number,
): Anchors {
  const hits = (state: number): number => Number((found[state]?.length ?? 0) > 0);
  const order = rows.map((_, state) => state).sort((a, b) => hits(a) - hits(b) || a - b);
  const place = new Uint32Array(rows.length);
  order.forEach((state, index) => {
    place[state] = index * width;
  });
  const length = rows.length * width;
  const next = length < 0x10000 ? new Uint16Array(length) : new Uint32Array(length);
  rows.forEach((row, state) => {
    row.forEach((target, key) => {
      next[(place[state] ?? 0) + key] = place[target] ?? 0;
    });
  });
  const firstHit = order.findIndex((state) => hits(state) === 1);
  return {
    next,
    symbol,
    start: place[0] ?? 0,
    hit: firstHit < 0 ? length : firstHit * width,
    width,
    found: order.map((state) => found[state] ?? []),
    depth: Uint8Array.from(order, (state) => depth[state] ?? 0),
  };
}
