import { limits } from '../lib/limits.ts';
import { type Attempt, advance, type Candidate, shiftAttempt, startAttempt } from './attempt.ts';
import type { CompiledRule } from './compiled-rule.ts';
import { createPatternWalk, type PatternWalk } from './pattern-walk.ts';
import { none, type RoamingRules } from './roaming-rules.ts';
import type { RunningText } from './running-text.ts';

/** Looks for rules that have no anchors in a running text. */
export interface Roamer {
  /** Reads on to the end of the text; returns what was found. With `last`, the text ends here. */
  read(running: RunningText, last: boolean): readonly Candidate[];
  /** Where the earliest match that is still open may begin, or -1. */
  openAt(): number;
  shift(by: number): void;
}

/**
 * Goes once through the text for all roaming rules; where a match of one may end, that rule alone is tried from the places before.
 * Matches of one rule do not overlap: after a match it goes on behind it, and it waits while one is open.
 */
export function createRoamer(roaming: RoamingRules): Roamer {
  const { rules, classOf } = roaming;
  let state = roaming.start;
  /** Nothing that began before goes on. */
  let quietAt = 0;
  let at = 0;
  let open: { readonly index: number; readonly attempt: Attempt }[] = [];
  const isOpen = new Uint8Array(rules.length);
  /** First place from which a rule may match again. */
  const resumeAt = new Int32Array(rules.length);
  const walks: (PatternWalk | undefined)[] = [];

  function dies(index: number, rule: CompiledRule, running: RunningText, place: number): boolean {
    walks[index] ??= createPatternWalk(rule.value(), rule.maxLength);
    return walks[index].dies(running.units, place);
  }

  /** Tries a rule from one place; false when it stays open. */
  function settle(index: number, attempt: Attempt, running: RunningText, last: boolean, found: Candidate[]): boolean {
    const outcome = advance(attempt, running, last);
    isOpen[index] = Number(outcome === 'open');
    if (outcome === 'open') {
      open.push({ index, attempt });
      return false;
    }
    resumeAt[index] = outcome === 'failed' ? attempt.valueStart + 1 : outcome.end;
    if (outcome !== 'failed') found.push(outcome);
    return true;
  }

  /** Tries a rule from every place before `end` from which it was not tried yet and could still get there. */
  function tryBefore(index: number, end: number, running: RunningText, last: boolean, found: Candidate[]): void {
    const rule = rules[index];
    if (!rule || isOpen[index]) return;
    const from = Math.max(resumeAt[index] ?? 0, quietAt, end - limits.customMatchCharsMax);
    for (let place = from; place < end; place = Math.max(place + 1, resumeAt[index] ?? 0)) {
      if (dies(index, rule, running, place)) continue;
      if (!settle(index, startAttempt(rule, place), running, last, found)) return;
    }
    resumeAt[index] = Math.max(resumeAt[index] ?? 0, end);
  }

  return {
    read: (running, last) => {
      const found: Candidate[] = [];
      const resumed = open;
      open = [];
      for (const { index, attempt } of resumed) {
        if (settle(index, attempt, running, last, found)) tryBefore(index, at, running, last, found);
      }
      const { units } = running;
      let table = roaming.table();
      for (; at < units.length; at++) {
        const symbol = classOf[units[at] ?? 0] ?? 0;
        const known = table[state + symbol] ?? -1;
        state = known >= 0 ? known : roaming.build(state, symbol);
        if (known < 0) table = roaming.table();
        if (state === roaming.start) quietAt = at + 1;
        const ends = roaming.ends(state);
        if (ends === none) continue;
        for (let i = 0; i < ends.length; i++) tryBefore(ends[i] ?? 0, at + 1, running, last, found);
      }
      return found;
    },
    openAt: () =>
      open.reduce(
        (first, { attempt }) => Math.min(first, attempt.valueStart),
        Math.max(quietAt, at - limits.customMatchCharsMax),
      ),
    shift: (by) => {
      at -= by;
      quietAt = Math.max(0, quietAt - by);
      for (const { attempt } of open) shiftAttempt(attempt, by);
      for (let i = 0; i < resumeAt.length; i++) resumeAt[i] = Math.max(0, (resumeAt[i] ?? 0) - by);
      for (const walk of walks) walk?.forget();
    },
  };
}
