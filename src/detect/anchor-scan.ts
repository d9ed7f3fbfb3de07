import type { CompiledRule } from './compiled-rule.ts';
import { rulesAtNumber } from './number-gate.ts';
import type { Program } from './program.ts';
import { windowClassBits, windowKeyMask } from './windows.ts';

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
export type AtAnchor = (rule: CompiledRule, start: number, end: number, last: boolean) => void;

/**
 * One pass, two look-ups a unit that do not wait for each other: the automaton says where an anchor of two characters and more
 * ends, the window of four units where one of one character, or a number, stands.
 */
export function createAnchorScan(
  { anchors, windows, rules, numberGates }: Pick<Program, 'anchors' | 'windows' | 'rules' | 'numberGates'>,
  atAnchor: AtAnchor,
): AnchorScan {
  let scanned = 0;
  let state = anchors.start;
  let key = 0;

  function read(units: Uint16Array, last: boolean): void {
    // Constants and variables of this call, which the loop need not look up each time around.
    const { next, shift, symbol, hit } = anchors;
    const { classOf, marks } = windows;
    const end = units.length;
    const from = scanned;
    let current = state;
    let window = key;
    for (let at = from; at < end; at++) {
      const unit = units[at] ?? 0;
      current = next[(current << shift) + (symbol[unit] ?? 0)] ?? 0;
      window = ((window << windowClassBits) | (classOf[unit] ?? 0)) & windowKeyMask;
      const mark = marks[window] ?? 0;
      if (mark !== 0 && at - 2 >= from) atShort(units, at - 2, mark, last);
      if (current >= hit) atHits(current, at + 1, last);
    }
    // Behind the last two stand not two units yet: they are looked at now, so that whatever they begin is known to be open.
    for (let at = Math.max(from, end - 2); at < end; at++) atShort(units, at, allBits, last);
    state = current;
    key = window;
    scanned = end;
  }

  function atHits(hitState: number, end: number, last: boolean): void {
    const { hit, hitFrom, hitOwner, hitLength } = anchors;
    const to = hitFrom[hitState - hit + 1] ?? 0;
    for (let i = hitFrom[hitState - hit] ?? 0; i < to; i++) {
      const rule = rules[hitOwner[i] ?? 0];
      if (rule) atAnchor(rule, end - (hitLength[i] ?? 0), end, last);
    }
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
      let bits = rulesAtNumber(gate, units, at, last);
      for (; bits !== 0; bits &= bits - 1) {
        const rule = gate.rules[31 - Math.clz32(bits & -bits)];
        if (rule) atAnchor(rule, at, at + 1, last);
      }
    }
  }

  return {
    read,
    openUnits: () => anchors.depth[state] ?? 0,
    shift: (by) => {
      scanned -= by;
    },
  };
}

const allBits = 0xffff;

function isDigit(unit: number): boolean {
  return unit >= 0x30 && unit <= 0x39;
}
