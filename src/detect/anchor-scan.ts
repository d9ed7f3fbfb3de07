import { shallowDepthMax } from './anchors.ts';
import type { CompiledRule } from './compiled-rule.ts';
import { rulesAtNumber } from './number-gate.ts';
import type { Program } from './program.ts';
import { literal, middle, windowKeyMask, windowSymbolBits } from './windows.ts';

/** Finds, in a text that grows, every place where some rule may begin. */
export interface AnchorScan {
  /** Reads on to the end of `units`. With `last`, the text ends there. */
  read(units: Uint16Array, last: boolean): void;
  /** How many of the last units may be the beginning of an anchor. */
  openUnits(): number;
  /** Positions move by as many. */
  shift(by: number): void;
}

/** Told once of each anchor's place: `end` is behind it. */
export type AtAnchor = (rule: CompiledRule | undefined, start: number, end: number, last: boolean) => void;

/**
 * Windows tell where to look: an anchor of one character, or a number, stands in the middle of a marked one; a longer anchor
 * begins with one, and the automaton reads on from there for as long as more than the last two units may be part of it.
 */
export function createAnchorScan(
  { anchors, windows, rules, numberGates }: Pick<Program, 'anchors' | 'windows' | 'rules' | 'numberGates'>,
  atAnchor: AtAnchor,
): AnchorScan {
  let scanned = 0;
  /** Middles of windows before this are dealt with. */
  let middles = 0;
  let state = anchors.start;
  let isFollowing = false;

  function read(units: Uint16Array, last: boolean): void {
    const { next, shift, symbol, hit, shallow, depth } = anchors;
    const { symbol: windowSymbol, marks } = windows;
    // Constants and variables of this call, which the loop need not look up each time around.
    const end = units.length;
    let following = isFollowing;
    let at = scanned;
    let key = keyBefore(units, at);
    for (; at < end; at++) {
      const unit = units[at] ?? 0;
      key = ((key << windowSymbolBits) | (windowSymbol[unit] ?? 0)) & windowKeyMask;
      if (following) {
        state = next[(state << shift) + (symbol[unit] ?? 0)] ?? 0;
        if (state >= shallow) {
          if (state >= hit) {
            atHits(state, at, last);
            following = (depth[state] ?? 0) > shallowDepthMax;
          }
        } else following = false;
      }
      const mark = marks[key] ?? 0;
      if (mark !== 0) {
        if (mark & middle && at > middles) atMiddle(units, at - 1, last);
        if (mark & literal && !following) {
          state = anchors.start;
          for (let back = Math.max(0, at - 2); back <= at; back++) {
            state = next[(state << shift) + (symbol[units[back] ?? 0] ?? 0)] ?? 0;
          }
          if (state >= hit) atHits(state, at, last);
          following = state >= shallow && (depth[state] ?? 0) > shallowDepthMax;
        }
      }
    }
    // The last unit is in the middle of nothing yet, and no window has begun with the last two.
    if (end > middles) atMiddle(units, end - 1, last);
    middles = end;
    scanned = end;
    isFollowing = following;
    if (!following) state = stateAfter(units.subarray(Math.max(0, end - 2)));
  }

  function keyBefore(units: Uint16Array, at: number): number {
    const { symbol } = windows;
    const before = at > 1 ? (symbol[units[at - 2] ?? 0] ?? 0) : 0;
    return (before << windowSymbolBits) | (at > 0 ? (symbol[units[at - 1] ?? 0] ?? 0) : 0);
  }

  function stateAfter(units: Uint16Array): number {
    const { next, shift, symbol, start } = anchors;
    return units.reduce((from, unit) => next[(from << shift) + (symbol[unit] ?? 0)] ?? 0, start);
  }

  function atHits(hitState: number, at: number, last: boolean): void {
    const hits = anchors.found[hitState] ?? [];
    for (let i = 0; i < hits.length; i++) {
      const found = hits[i];
      if (found) atAnchor(rules[found.owner], at + 1 - found.length, at + 1, last);
    }
  }

  function atMiddle(units: Uint16Array, at: number, last: boolean): void {
    const unit = units[at] ?? 0;
    if (isDigit(unit)) {
      if (at === 0 || !isDigit(units[at - 1] ?? 0)) atNumber(units, at, last);
      return;
    }
    const owners = windows.short.get(unit);
    if (!owners) return;
    for (let i = 0; i < owners.length; i++) atAnchor(owners[i], at, at + 1, last);
  }

  function atNumber(units: Uint16Array, at: number, last: boolean): void {
    for (let i = 0; i < numberGates.length; i++) {
      const gate = numberGates[i];
      if (!gate) continue;
      let bits = rulesAtNumber(gate, units, at, last);
      for (; bits !== 0; bits &= bits - 1) atAnchor(gate.rules[31 - Math.clz32(bits & -bits)], at, at + 1, last);
    }
  }

  return {
    read,
    openUnits: () => anchors.depth[state] ?? 0,
    shift: (by) => {
      scanned -= by;
      middles -= by;
    },
  };
}

function isDigit(unit: number): boolean {
  return unit >= 0x30 && unit <= 0x39;
}
