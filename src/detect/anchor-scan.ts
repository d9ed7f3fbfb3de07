import type { CompiledRule } from './compiled-rule.ts';
import type { Program } from './program.ts';
import { anchorBit, flagBits, shortBit, sievedMax, sift } from './sieve.ts';
import { windowClassBits } from './windows.ts';

/** Finds, in a text that grows, every place where some rule may begin. */
export interface AnchorScan {
  /** Reads on to the end of `units`. With `last`, the text ends there. */
  read(units: Uint16Array, last: boolean): void;
  /** How many of the last units may be the beginning of an anchor. */
  openUnits(): number;
  /** Positions move by as many. */
  shift(by: number): void;
  /** Another text begins. */
  restart(): void;
}

/** Told once of each anchor's place: `end` is behind it. */
export type AtAnchor = (rule: CompiledRule, start: number, end: number, last: boolean) => void;

/**
 * One pass through the sieve, and a closer look where something passes it: an anchor of two units and more is read to its end, for one
 * of one unit, and for a number, the window of four units is looked up.
 */
export function createAnchorScan(
  {
    anchors,
    windows,
    sieve,
    rules,
    numberGates,
  }: Pick<Program, 'anchors' | 'windows' | 'sieve' | 'rules' | 'numberGates'>,
  atAnchor: AtAnchor,
): AnchorScan {
  let scanned = 0;
  /** The first place from which an anchor goes on up to `scanned`. */
  let openFrom = 0;

  function read(units: Uint16Array, last: boolean): void {
    const from = scanned;
    const end = units.length;
    const first = openFrom;
    scanned = end;
    openFrom = end;
    /** Behind the last two stand not two units yet: what they begin is looked at now, so that it is known to be open. */
    const edge = end - 2;
    for (let low = Math.min(first + 2, from + 1); low < end; low += sievedMax) {
      const found = sift(sieve, units, low, Math.min(end, low + sievedMax));
      for (let i = 0; i < found; i++) {
        const place = sieve.places[i] ?? 0;
        const start = (place >> flagBits) - 2;
        if ((place & anchorBit) !== 0) atStart(units, start, from, last);
        if ((place & shortBit) !== 0 && start + 1 >= from && start + 1 < edge) atWindow(units, start + 1, last);
      }
    }
    for (let at = Math.max(first, edge); at < end; at++) atStart(units, at, from, last);
    for (let at = Math.max(from, edge); at < end; at++) atShort(units, at, allBits, last);
  }

  /** Reads the anchors that begin at `start`. Those that end before `from` are known. */
  function atStart(units: Uint16Array, start: number, from: number, last: boolean): void {
    const { next, shift, symbol, hit, depth } = anchors;
    let state = anchors.start;
    for (let at = start; at < units.length; at++) {
      state = next[(state << shift) + (symbol[units[at] ?? 0] ?? 0)] ?? 0;
      // Less deep: no anchor goes on from `start`, though one from behind it may.
      if (depth[state] !== at + 1 - start) return;
      if (state >= hit && at >= from) atHits(state, start, at + 1, last);
    }
    if (start < openFrom) openFrom = start;
  }

  function atHits(state: number, start: number, end: number, last: boolean): void {
    const { hit, hitFrom, hitOwner, hitLength } = anchors;
    const to = hitFrom[state - hit + 1] ?? 0;
    for (let i = hitFrom[state - hit] ?? 0; i < to; i++) {
      // Shorter ones begin behind `start`.
      if (hitLength[i] !== end - start) return;
      const rule = rules[hitOwner[i] ?? 0];
      if (rule) atAnchor(rule, start, end, last);
    }
  }

  function atWindow(units: Uint16Array, at: number, last: boolean): void {
    const { classOf, marks } = windows;
    let key = at === 0 ? 0 : (classOf[units[at - 1] ?? 0] ?? 0);
    for (let i = at; i < at + 3; i++) key = (key << windowClassBits) | (classOf[units[i] ?? 0] ?? 0);
    const mark = marks[key] ?? 0;
    if (mark !== 0) atShort(units, at, mark, last);
  }

  function atShort(units: Uint16Array, at: number, bits: number, last: boolean): void {
    const unit = units[at] ?? 0;
    if (isDigit(unit)) {
      if (at === 0 || !isDigit(units[at - 1] ?? 0)) atNumber(units, at, last);
      return;
    }
    const owners = windows.short.get(unit);
    if (!owners) return;
    for (let i = 0; i < owners.length; i++) {
      const owner = owners[i];
      if (owner && (bits & owner.bit) !== 0) atAnchor(owner.rule, at, at + 1, last);
    }
  }

  function atNumber(units: Uint16Array, at: number, last: boolean): void {
    for (let i = 0; i < numberGates.length; i++) {
      const gate = numberGates[i];
      if (!gate) continue;
      for (let bits = gate.rulesAt(units, at); bits !== 0; bits &= bits - 1) {
        const rule = gate.rules[31 - Math.clz32(bits & -bits)];
        if (rule) atAnchor(rule, at, at + 1, last);
      }
    }
  }

  return {
    read,
    openUnits: () => scanned - openFrom,
    shift: (by) => {
      scanned -= by;
      openFrom -= by;
    },
    restart: () => {
      scanned = 0;
      openFrom = 0;
    },
  };
}

const allBits = 0xffff;

function isDigit(unit: number): boolean {
  return unit >= 0x30 && unit <= 0x39;
}
