import { type CompiledRule, headOf, kindOf } from './compiled-rule.ts';
import { type Dfa, dead, wideSymbolOf } from './dfa.ts';
import { contextBoost, contextCharsMax, type Verdict } from './rule.ts';
import { endsNowhere, hasContext, type RunningText } from './running-text.ts';
import { noValue, type ValueWalk, valueOpen } from './value-walk.ts';

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
  /** Of the value, once it is found good and only the rest is read. */
  score: number;
}

/**
 * Tries a rule at where a value would begin, in one go: nearly all attempts end within the text that is there. `open` when this one does
 * not, or goes on without bound: it is to be made by `startAttempt` and `advance`, which can wait.
 */
export function tryValue(
  rule: CompiledRule,
  walk: ValueWalk,
  running: RunningText,
  start: number,
  last: boolean,
): Outcome {
  const { units } = running;
  const alone = rule.digitsAlone === null ? anyDigits : rule.digitsAlone(units, start, last);
  const supported = alone === anyDigits ? null : isSupported(rule, running, start);
  if (alone === 0 && supported === false) return 'failed';
  if (endsNowhere(running, rule, start)) return 'failed';
  // All that such a value may be has come.
  if (supported === false) return judgeAlone(rule, running, start, alone) ?? 'failed';
  const matched = walk.end(units, start, last);
  if (matched === valueOpen) return 'open';
  if (matched === noValue) return 'failed';
  const after = rule.after();
  const followed = after !== null && follows(after, units, matched);
  if (followed === null && !last) return 'open';
  const found = judge(rule, running, start, matched, followed === true, supported);
  return found !== null && rule.rest() !== null ? 'open' : (found ?? 'failed');
}

/** Whether what begins at `start` is matched; null where the text ends before that is known. */
function follows(dfa: Dfa, units: Uint16Array, start: number): boolean | null {
  const { next, ascii, accepting } = dfa;
  const end = Math.min(units.length, start + contextCharsMax);
  let state = dfa.start;
  let at = start;
  while (at < end && state < accepting) {
    const unit = units[at] ?? 0;
    state = next[state + (unit < 0x80 ? (ascii[unit] ?? 0) : wideSymbolOf(dfa, unit))] ?? dead;
    if (state === dead) return false;
    at++;
  }
  return state >= accepting ? true : at === units.length ? null : false;
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
    score: 0,
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
    case readingAfter:
      return judge(rule, running, attempt.valueStart, attempt.valueEnd, attempt.matched >= 0) ?? 'failed';
    default:
      return {
        rule,
        start: attempt.valueStart,
        end: Math.max(attempt.valueEnd, attempt.matched),
        score: attempt.score,
        strength: 2,
      };
  }
}

function endValue(attempt: Attempt, running: RunningText): Candidate | 'failed' | 'next' {
  const { rule, matched, valueStart } = attempt;
  if (matched < 0) return 'failed';
  const after = rule.after();
  if (after) {
    attempt.valueEnd = matched;
    return enter(attempt, readingAfter, after, matched);
  }
  const found = judge(rule, running, valueStart, matched, false);
  const rest = rule.rest();
  if (!found || !rest) return found ?? 'failed';
  attempt.valueEnd = found.end;
  attempt.score = found.score;
  return enter(attempt, readingRest, rest, found.end);
}

function enter(attempt: Attempt, phase: Phase, dfa: Dfa, at: number): 'next' {
  attempt.phase = phase;
  attempt.state = dfa.start;
  attempt.at = at;
  attempt.phaseStart = at;
  attempt.matched = -1;
  return 'next';
}

/** The longest match that passes; null when there is none. `known`: whether context stands before it, as far as that is known. */
function judge(
  rule: CompiledRule,
  running: RunningText,
  start: number,
  matched: number,
  followed: boolean,
  known: boolean | null = null,
): Candidate | null {
  const { units } = running;
  /** The same of this match and, but for words behind it, of the shorter ones. */
  let supported = followed || known;
  const verdict = verdictOn(rule, running, start, matched, followed);
  if (verdict === 'proven') return { rule, start, end: matched, score: 1, strength: 1 };
  if (verdict !== 'wrong') {
    supported ??= isSupported(rule, running, start);
    if (supported || verdict === 'plausible') return plausible(rule, start, matched, supported);
  }
  const digits = digitsOfShorter(rule, running, start, matched);
  if (digits === 0) return null;
  // Words behind the longest match say nothing of a shorter one.
  if (followed) supported = known;
  for (const end of endsWithDigits(rule, units, start, matched, digits)) {
    const shorter = verdictOn(rule, running, start, end, false);
    if (shorter === 'proven') return { rule, start, end, score: 1, strength: 1 };
    // Half of a doubtful value is no value: a date cut short must not become a phone number.
    if (shorter === 'plausible') return plausible(rule, start, end, supported ?? isSupported(rule, running, start));
  }
  return null;
}

/** The same where neither context nor words behind it speak for any of them: only those with so many digits are looked at. */
function judgeAlone(rule: CompiledRule, running: RunningText, start: number, digits: number): Candidate | null {
  const to = Math.min(running.units.length, start + rule.maxLength) + 1;
  for (const end of endsWithDigits(rule, running.units, start, to, digits)) {
    const found = candidateAlone(rule, running, start, end);
    if (found !== null) return found;
  }
  return null;
}

function candidateAlone(rule: CompiledRule, running: RunningText, start: number, end: number): Candidate | null {
  const verdict = verdictOn(rule, running, start, end, false);
  if (verdict === 'proven') return { rule, start, end, score: 1, strength: 1 };
  return verdict === 'plausible' ? plausible(rule, start, end, false) : null;
}

function plausible(rule: CompiledRule, start: number, end: number, supported: boolean): Candidate {
  return { rule, start, end, score: Math.min(1, rule.rule.score + (supported ? contextBoost : 0)), strength: 0 };
}

function verdictOn(
  rule: CompiledRule,
  { text, units }: RunningText,
  start: number,
  end: number,
  followed: boolean,
): Verdict {
  if (rule.notAfter && end < units.length && rule.notAfter[kindOf(units[end] ?? 0)]) return 'wrong';
  if (rule.checkPlace !== null) return rule.checkPlace({ text, units, start, end, followed });
  if (rule.check === null) return 'plausible';
  return rule.check({ text, units, start, end, value: text.slice(start, end), followed });
}

/** Whether context stands before the value. */
function isSupported(rule: CompiledRule, running: RunningText, start: number): boolean {
  const words = rule.context();
  return words !== null && hasContext(running, rule.order, words, start);
}

/** How many digits a shorter match may have that is worth trying, a bit each; 0 when none is. */
function digitsOfShorter(
  { retry, retryDigits }: CompiledRule,
  running: RunningText,
  start: number,
  matched: number,
): number {
  if (retry !== null && !retry.test(running.text.slice(start, matched))) return 0;
  return retryDigits !== null ? retryDigits(running.units, start, matched) : retry !== null ? anyDigits : 0;
}

/** Ends of the matches before `to` that have so many digits, longest first. */
function endsWithDigits(rule: CompiledRule, units: Uint16Array, start: number, to: number, wanted: number): number[] {
  const dfa = rule.value();
  const ends: number[] = [];
  let state = dfa.start;
  let digits = 0;
  let isCounted = true;
  for (let at = start; at < to; at++) {
    const left = wanted >>> Math.min(digits, 31);
    // What follows has no fewer digits.
    if (left === 0) break;
    if (state >= dfa.accepting && (left & 1) === 1) ends.push(at);
    if (state === dead) break;
    const unit = units[at] ?? 0;
    if (unit === hash || unit > 0x40) isCounted = false;
    else if (isCounted && unit >= 0x30 && unit <= 0x39) digits++;
    state = dfa.next[state + (unit < 0x80 ? (dfa.ascii[unit] ?? 0) : wideSymbolOf(dfa, unit))] ?? dead;
  }
  return ends.reverse();
}

const anyDigits = -1;
const hash = 0x23;
