import { type CompiledRule, headOf, kindOf } from './compiled-rule.ts';
import { hasContext } from './context.ts';
import { type Dfa, dead, wideSymbolOf } from './dfa.ts';
import { contextBoost, contextCharsMax, type Verdict } from './rule.ts';
import type { RunningText } from './running-text.ts';

/** A value found, before overlaps are resolved. Offsets are of the session's buffer. */
export interface Candidate {
  readonly rule: CompiledRule;
  start: number;
  end: number;
  readonly score: number;
  /** 2: unbounded token, 1: proven by a check, 0: shape and context. */
  readonly strength: number;
}

const readingLead = 0;
const readingValue = 1;
const readingAfter = 2;
const readingRest = 3;
type Phase = typeof readingLead | typeof readingValue | typeof readingAfter | typeof readingRest;

/** One rule tried from one place; suspended where the text ends for now. */
export interface Attempt {
  readonly rule: CompiledRule;
  phase: Phase;
  /** State of the automaton of this phase, after all units before `at`. */
  state: number;
  at: number;
  /** Where this phase began to read. */
  phaseStart: number;
  /** End of the longest match of this phase so far, or -1. */
  matched: number;
  valueStart: number;
  valueEnd: number;
  verdict: Verdict;
  score: number;
  supported: boolean | null;
}

/** Whether an attempt from where a value would begin comes to nothing within this text: most do, after a few units. */
export function isHopeless(rule: CompiledRule, units: Uint16Array, start: number): boolean {
  return comesToNothing(rule.hasLead ? rule.value() : (rule.head ?? headOf(rule)), units, start, rule.maxLength);
}

function comesToNothing(dfa: Dfa, units: Uint16Array, start: number, lengthMax: number): boolean {
  const { next, ascii, accepting } = dfa;
  let state = dfa.start;
  const end = Math.min(units.length, start + lengthMax);
  for (let at = start; at < end; at++) {
    if (state >= accepting) return false;
    const unit = units[at] ?? 0;
    state = next[state + (unit < 0x80 ? (ascii[unit] ?? 0) : wideSymbolOf(dfa, unit))] ?? dead;
    if (state === dead) return true;
  }
  return false;
}

/** An attempt at what begins at `start`: the lead, or the value where there is none or where it is known to begin there. */
export function startAttempt(rule: CompiledRule, start: number, isValue: boolean = !rule.hasLead): Attempt {
  const first = isValue ? rule.value() : headOf(rule);
  return {
    rule,
    phase: isValue ? readingValue : readingLead,
    state: first.start,
    at: start,
    phaseStart: start,
    matched: -1,
    valueStart: start,
    valueEnd: -1,
    verdict: 'plausible',
    score: 0,
    supported: null,
  };
}

/** What became of an attempt: `open` while more text could still matter. */
export type Outcome = Candidate | 'open' | 'failed';

/**
 * Reads on from where the attempt stopped. With `last`, the text ends here for good and the outcome is never `open`.
 * Linear: each phase reads a unit once, and each phase but `rest` is bounded by the rule.
 */
export function advance(attempt: Attempt, running: RunningText, last: boolean): Outcome {
  for (;;) {
    const dfa = dfaOf(attempt);
    const bound = boundOf(attempt);
    const settled = read(attempt, dfa, running.units, bound);
    if (!settled && !last) return 'open';
    const outcome = finishPhase(attempt, running);
    if (outcome !== 'next') return outcome;
  }
}

/** First place that the attempt's finding could cover, given what has been read. */
export function earliestStart(attempt: Attempt, textEnd: number): number {
  if (attempt.phase !== readingLead) return attempt.valueStart;
  return attempt.matched < 0 ? textEnd : attempt.matched;
}

/** Whether the value has not begun yet. */
export function inLead(attempt: Attempt): boolean {
  return attempt.phase === readingLead;
}

/** End of what is certainly part of an unbounded token by now, or -1 when nothing is certain yet. */
export function certainEnd(attempt: Attempt): number {
  return attempt.phase === readingRest ? Math.max(attempt.valueEnd, attempt.matched) : -1;
}

export function shiftAttempt(attempt: Attempt, by: number): void {
  attempt.at -= by;
  attempt.phaseStart -= by;
  attempt.valueStart -= by;
  if (attempt.matched >= 0) attempt.matched -= by;
  if (attempt.valueEnd >= 0) attempt.valueEnd -= by;
}

function dfaOf(attempt: Attempt): Dfa {
  const { rule } = attempt;
  switch (attempt.phase) {
    case readingLead:
      return headOf(rule);
    case readingAfter:
      return rule.after() ?? rule.value();
    case readingRest:
      return rule.rest() ?? rule.value();
    default:
      return rule.value();
  }
}

function boundOf(attempt: Attempt): number {
  if (attempt.phase === readingValue) return attempt.phaseStart + attempt.rule.maxLength;
  return attempt.phase === readingRest ? Number.POSITIVE_INFINITY : attempt.phaseStart + contextCharsMax;
}

/** Steps the automaton; true when no further text can change this phase's longest match. */
function read(attempt: Attempt, dfa: Dfa, units: Uint16Array, bound: number): boolean {
  const { next, ascii, accepting } = dfa;
  const end = Math.min(units.length, bound);
  let { state, at, matched } = attempt;
  if (at === attempt.phaseStart && state >= accepting) matched = at;
  while (at < end) {
    const unit = units[at] ?? 0;
    state = next[state + (unit < 0x80 ? (ascii[unit] ?? 0) : wideSymbolOf(dfa, unit))] ?? dead;
    if (state === dead) break;
    at++;
    if (state >= accepting) matched = at;
  }
  attempt.state = state;
  attempt.at = at;
  attempt.matched = matched;
  // A unit after the match must have come before notAfter can be judged: `at` stands before a unit that is there.
  return at < units.length && (state === dead || at === end);
}

function finishPhase(attempt: Attempt, running: RunningText): Candidate | 'failed' | 'next' {
  const { rule } = attempt;
  switch (attempt.phase) {
    case readingLead:
      if (attempt.matched < 0) return 'failed';
      attempt.valueStart = attempt.matched;
      return enter(attempt, readingValue, rule.value(), attempt.matched);
    case readingValue:
      return endValue(attempt, running);
    case readingAfter: {
      const followed = attempt.matched >= 0;
      attempt.matched = attempt.valueEnd;
      return judge(attempt, running, followed) ? candidate(attempt, 0) : 'failed';
    }
    default:
      attempt.valueEnd = Math.max(attempt.valueEnd, attempt.matched);
      return candidate(attempt, 2);
  }
}

function endValue(attempt: Attempt, running: RunningText): Candidate | 'failed' | 'next' {
  const after = attempt.rule.after();
  if (!after) return judge(attempt, running, false) ? proceed(attempt) : 'failed';
  if (attempt.matched < 0) return 'failed';
  attempt.valueEnd = attempt.matched;
  return enter(attempt, readingAfter, after, attempt.matched);
}

function enter(attempt: Attempt, phase: Phase, dfa: Dfa, at: number): 'next' {
  attempt.phase = phase;
  attempt.state = dfa.start;
  attempt.at = at;
  attempt.phaseStart = at;
  attempt.matched = -1;
  return 'next';
}

function proceed(attempt: Attempt): Candidate | 'next' {
  const rest = attempt.rule.rest();
  return rest ? enter(attempt, readingRest, rest, attempt.valueEnd) : candidate(attempt, 0);
}

/** Finds the longest match that passes; false when there is none. */
function judge(attempt: Attempt, running: RunningText, followed: boolean): boolean {
  if (attempt.matched < 0) return false;
  if (judgeEnd(attempt, running, attempt.matched, followed)) return true;
  if (!attempt.rule.rule.retry?.test(running.text.slice(attempt.valueStart, attempt.matched))) return false;
  for (const end of shorterEnds(attempt, running.units)) {
    // Half of a doubtful value is no value: a date cut short must not become a phone number.
    if (judgeEnd(attempt, running, end, false) && attempt.verdict !== 'doubtful') return true;
  }
  return false;
}

function judgeEnd(attempt: Attempt, running: RunningText, end: number, followed: boolean): boolean {
  const { text, units } = running;
  const { rule, valueStart: start } = attempt;
  if (rule.notAfter && end < units.length && rule.notAfter[kindOf(units[end] ?? 0)]) return false;
  const verdict = rule.check?.({ text, start, end, value: text.slice(start, end), followed }) ?? 'plausible';
  if (verdict === 'wrong') return false;
  const supported = verdict !== 'proven' && (followed || isSupported(attempt, units));
  if (verdict === 'doubtful' && !supported) return false;
  attempt.valueEnd = end;
  attempt.verdict = verdict;
  attempt.score = verdict === 'proven' ? 1 : Math.min(1, rule.rule.score + (supported ? contextBoost : 0));
  return true;
}

/** Whether context stands before the value; looked for once an attempt. */
function isSupported(attempt: Attempt, units: Uint16Array): boolean {
  if (attempt.supported === null) {
    const words = attempt.rule.context();
    attempt.supported = words !== null && hasContext(words, units, attempt.valueStart);
  }
  return attempt.supported;
}

/** Ends of the shorter matches, longest first. */
function shorterEnds(attempt: Attempt, units: Uint16Array): number[] {
  const dfa = attempt.rule.value();
  const ends: number[] = [];
  let state = dfa.start;
  for (let at = attempt.valueStart; at < attempt.matched; at++) {
    if (state >= dfa.accepting) ends.push(at);
    const unit = units[at] ?? 0;
    state = dfa.next[state + (unit < 0x80 ? (dfa.ascii[unit] ?? 0) : wideSymbolOf(dfa, unit))] ?? dead;
  }
  return ends.reverse();
}

function candidate(attempt: Attempt, strength: 0 | 2): Candidate {
  return {
    rule: attempt.rule,
    start: attempt.valueStart,
    end: attempt.valueEnd,
    score: attempt.score,
    strength: strength === 2 ? 2 : attempt.verdict === 'proven' ? 1 : 0,
  };
}
