import type { CompiledRule } from './compiled-rule.ts';
import type { Program } from './program.ts';
import { anchorBit, flagBits, shortBit, siftedMax } from './sieve-machine.ts';

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
 * One pass through the sieve, and a closer look where something passes it: an anchor of two units and more is read to its end; for one
 * of one unit, and for a number, its gate says which rules to try.
 */
export function createAnchorScan(
  { anchors, sieve, rules, gates }: Pick<Program, 'anchors' | 'sieve' | 'rules' | 'gates'>,
  atAnchor: AtAnchor,
): AnchorScan {
  let scanned = 0;
  /** The first place from which an anchor goes on up to `scanned`. */
  let openFrom = 0;

  function read(units: Uint16Array, last: boolean): void {
    const { places } = sieve;
    const from = scanned;
    const end = units.length;
    const first = openFrom;
    scanned = end;
    openFrom = end;
    for (let low = Math.min(first, from - 1); low < end; low += siftedMax) {
      const found = sieve.sift(units, low, Math.min(end, low + siftedMax));
      for (let i = 0; i < found; i++) {
        const place = places[i] ?? 0;
        const start = low + (place >> flagBits);
        if ((place & anchorBit) !== 0) atStart(units, start, from, last);
        if ((place & shortBit) !== 0 && start + 1 >= from) atShort(units, start + 1, last);
      }
    }
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

  function atShort(units: Uint16Array, at: number, last: boolean): void {
    const unit = units[at] ?? 0;
    // Of a number, the first digit counts.
    if (isDigit(unit) && at > 0 && isDigit(units[at - 1] ?? 0)) return;
    const own = gates[unit];
    if (own === undefined) return;
    for (let i = 0; i < own.length; i++) {
      const gate = own[i];
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

function isDigit(unit: number): boolean {
  return unit >= 0x30 && unit <= 0x39;
}
