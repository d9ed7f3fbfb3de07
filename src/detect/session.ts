import { Fault } from '../lib/fault.ts';
import { limits } from '../lib/limits.ts';
import { createAnchorScan } from './anchor-scan.ts';
import {
  type Attempt,
  advance,
  type Candidate,
  certainEnd,
  earliestStart,
  inLead,
  shiftAttempt,
  startAttempt,
  tryValue,
} from './attempt.ts';
import { createCandidates } from './candidates.ts';
import { type CompiledRule, followOf, headOf, kindOf, type Reach } from './compiled-rule.ts';
import type { StreamFinding, StreamScan } from './finding.ts';
import { isInRow } from './gate.ts';
import { createLeadWalk, type LeadWalk, leadOpen, noLead } from './lead-walk.ts';
import { createOffsets, plainText } from './normalise.ts';
import type { Program } from './program.ts';
import { contextCharsMax } from './rule.ts';
import { append, createRunningText, dropFirst, restart } from './running-text.ts';
import { createValueWalk, type ValueWalk } from './value-walk.ts';

/** One running text. */
export interface Session {
  /** Takes the next piece; with `last`, the text ends with it and everything is decided. */
  feed(piece: string, last: boolean): StreamScan;
  /** Forgets everything: another text begins. Cheaper than another session. */
  restart(): void;
}

/** In place of a position. */
const nowhere = -1;

/** Characters kept before the first undecided one: what rules may look at to their left. */
const keepChars = contextCharsMax + 16;

/**
 * The one way through a text: `scan` feeds it whole, a stream in pieces. Nothing is read twice: attempts that the end of
 * the text leaves open are kept and read on with the next piece.
 *
 * Text is held back from the earliest place where a finding could still begin or change: an open attempt, the beginning
 * of an anchor, a run of characters that an anchor may still make part of a match, or a cluster of overlapping
 * candidates that such a place touches.
 */
export function createSession(program: Program): Session {
  const { holdBack, allow } = program;
  const offsets = createOffsets();
  const running = createRunningText();
  /** Normalised characters that were dropped before `text`. */
  let base = 0;
  let open: Attempt[] = [];
  /** Everything before this is reported. */
  let decided = 0;
  /** The unbounded token whose pieces are being reported. */
  let swallowed: Attempt | null = null;
  let reported = 0;
  let roamers = program.roamers.map((open) => open());
  const anchorScan = createAnchorScan(program, begin);
  /** By `leadId`. */
  const walks: (LeadWalk | undefined)[] = [];
  /** By rule. */
  const valueWalks: (ValueWalk | undefined)[] = [];
  /** By rule, where it was tried last, and where a value of it was: from the same place it comes to the same end. */
  const triedAt = new Int32Array(program.rules.length).fill(nowhere);
  const valueTriedAt = new Int32Array(program.rules.length).fill(nowhere);
  const candidates = createCandidates();

  function settle(attempt: Attempt, last: boolean): void {
    const outcome = advance(attempt, running, last);
    if (outcome === 'open') open.push(attempt);
    else if (outcome !== 'failed') keep(outcome);
  }

  function keep(candidate: Candidate): void {
    // What begins inside what is reported already has lost to it.
    if (candidate.start < decided) return;
    candidates.add(candidate);
    candidates.bound();
  }

  function resume(last: boolean): void {
    const resumed = open;
    open = [];
    for (const attempt of resumed) settle(attempt, last);
  }

  function begin(rule: CompiledRule, anchor: number, anchorEnd: number, last: boolean): void {
    const { reach, notBefore } = rule;
    const { units } = running;
    let start = anchor;
    const follow = reach?.follow ?? followOf(rule);
    if (anchorEnd < units.length && follow[kindOf(units[anchorEnd] ?? 0)] !== 1) return;
    if (reach !== null) {
      if (!isReached(units, anchor, reach)) return;
      start = startOf(units, anchor, reach);
      if (triedAt[rule.order] === start) return;
      triedAt[rule.order] = start;
    }
    if (notBefore !== null && start > 0 && notBefore[kindOf(units[start - 1] ?? 0)] === 1) return;
    if (rule.isApart && isDigit(units[start] ?? 0) && isInRow(units, start)) return;
    const valueStart = rule.hasLead ? leadWalkOf(rule).end(units, start) : start;
    if (valueStart === noLead) return;
    if (valueStart === leadOpen) {
      settle(startAttempt(rule, start), last);
      return;
    }
    if (valueTriedAt[rule.order] === valueStart) return;
    valueTriedAt[rule.order] = valueStart;
    tryAt(rule, valueStart, last);
  }

  function tryAt(rule: CompiledRule, valueStart: number, last: boolean): void {
    if (valueStart < decided || (rule.isRun && candidates.isInside(rule, valueStart))) return;
    const outcome = tryValue(rule, valueWalkOf(rule), running, valueStart, last);
    if (outcome === 'open') settle(startAttempt(rule, valueStart, true), last);
    else if (outcome !== 'failed') keep(outcome);
  }

  function leadWalkOf(rule: CompiledRule): LeadWalk {
    const walk = walks[rule.leadId] ?? createLeadWalk(headOf(rule));
    walks[rule.leadId] = walk;
    return walk;
  }

  function valueWalkOf(rule: CompiledRule): ValueWalk {
    const walk = valueWalks[rule.order] ?? createValueWalk(rule, rule.hasLead ? rule.value() : headOf(rule));
    valueWalks[rule.order] = walk;
    return walk;
  }

  /** Earliest place at which a finding that is not known yet could begin, leaving out `except`. */
  function earliest(except: Attempt | null): number {
    const { units } = running;
    let place = Math.min(units.length - anchorScan.openUnits(), holdBack(units));
    for (const attempt of open) {
      if (attempt !== except) place = Math.min(place, earliestStart(attempt, units.length));
    }
    for (const roamer of roamers) if (roamer.openAt() >= 0) place = Math.min(place, roamer.openAt());
    return Math.max(decided, place);
  }

  function report(findings: StreamFinding[], candidate: Candidate, continuation: boolean): void {
    if (isAllowed(candidate)) return;
    if (++reported > limits.findingsMax) {
      throw new Fault('detection_failed', `a text holds more than ${limits.findingsMax} findings`);
    }
    const { entity, id: detector } = candidate.rule.rule;
    const { start, end } = offsets.range(base + candidate.start, base + candidate.end);
    findings.push({ entity, detector, start, end, score: candidate.score, continuation });
  }

  /** Of an unbounded token the whole value is never at hand, so none is allowed. */
  function isAllowed({ strength, start, end }: Candidate): boolean {
    return allow.size > 0 && strength < 2 && allow.has(running.text.slice(start, end));
  }

  /** Reads the unbounded token on and reports what it grew by. */
  function swallow(findings: StreamFinding[], last: boolean): void {
    if (!swallowed) return;
    const attempt = swallowed;
    const outcome = advance(attempt, running, last);
    const end = outcome === 'open' ? certainEnd(attempt) : outcome === 'failed' ? decided : outcome.end;
    if (end > decided) {
      report(findings, { rule: attempt.rule, start: decided, end, score: attempt.score, strength: 2 }, true);
      decided = end;
    }
    if (outcome !== 'open') swallowed = null;
  }

  /** What begins inside a token that was reported already has lost to it. */
  function forgetCovered(last: boolean): void {
    candidates.dropBefore(decided, (rule, start) => tryAt(rule, start, last));
    open = open.filter((attempt) => inLead(attempt) || attempt.valueStart >= decided);
  }

  /** Begins to report an unbounded token when nothing before it is open any more. */
  function beginSwallow(findings: StreamFinding[]): boolean {
    const attempt = open.reduce<Attempt | null>(
      (first, other) => (certainEnd(other) >= 0 && (!first || other.valueStart < first.valueStart) ? other : first),
      null,
    );
    if (!attempt || earliest(attempt) < attempt.valueStart) return false;
    const start = attempt.valueStart;
    const end = certainEnd(attempt);
    open = open.filter((other) => other !== attempt);
    if (candidates.some((rival) => rival.strength === 2 && rival.start <= start && start < rival.end)) return false;
    candidates.decideEndingBy(start, (candidate) => report(findings, candidate, false), tryOn);
    report(findings, { rule: attempt.rule, start, end, score: attempt.score, strength: 2 }, false);
    decided = end;
    swallowed = attempt;
    candidates.dropBefore(end, tryOn);
    return true;
  }

  /** Reports what nothing can change any more. */
  function decide(findings: StreamFinding[], last: boolean): void {
    decided = candidates.decide(
      () => (last ? running.units.length : earliest(null)),
      (candidate) => report(findings, candidate, false),
      (rule, start) => tryAt(rule, start, last),
    );
  }

  /** In a text that goes on. */
  function tryOn(rule: CompiledRule, start: number): void {
    tryAt(rule, start, false);
  }

  /** Lets go of what no rule can look at any more. */
  function trim(): void {
    const drop = decided - keepChars;
    if (drop < keepChars) return;
    dropFirst(running, drop);
    base += drop;
    anchorScan.shift(drop);
    candidates.shift(drop);
    for (const walk of walks) walk?.forget();
    for (const walk of valueWalks) walk?.forget();
    triedAt.fill(nowhere);
    valueTriedAt.fill(nowhere);
    decided -= drop;
    for (const attempt of open) shiftAttempt(attempt, drop);
    if (swallowed) shiftAttempt(swallowed, drop);
    for (const roamer of roamers) roamer.shift(drop);
  }

  return {
    feed: (piece, last) => {
      append(running, plainText(piece, offsets));
      const findings: StreamFinding[] = [];
      swallow(findings, last);
      forgetCovered(last);
      resume(last);
      anchorScan.read(running.units, last);
      for (const roamer of roamers) for (const found of roamer.read(running, last)) keep(found);
      if (last || (!swallowed && !beginSwallow(findings))) decide(findings, last);
      const boundary = offsets.boundary(base + decided);
      if (!last) trim();
      return { findings, decided: boundary };
    },
    restart: () => {
      restart(running);
      offsets.restart();
      anchorScan.restart();
      candidates.restart();
      for (const walk of walks) walk?.forget();
      for (const walk of valueWalks) walk?.forget();
      triedAt.fill(nowhere);
      valueTriedAt.fill(nowhere);
      if (roamers.length > 0) roamers = program.roamers.map((open) => open());
      [base, decided, reported] = [0, 0, 0];
      [open, swallowed] = [[], null];
    },
  };
}

/** Whether as many characters stand before an anchor as a match has there at least; the far ones rule most out. */
function isReached(units: Uint16Array, anchor: number, { chars, min }: Reach): boolean {
  if (anchor < min) return false;
  for (let at = anchor - min; at < anchor; at++) if (chars[kindOf(units[at] ?? 0)] !== 1) return false;
  return true;
}

/** Where a match may begin that has its anchor at `anchor`. */
function startOf(units: Uint16Array, anchor: number, reach: Reach): number {
  let start = reachBack(units, anchor, reach.chars, reach.max);
  while (start < anchor && !reach.first[kindOf(units[start] ?? 0)]) start++;
  return start;
}

function reachBack(units: Uint16Array, from: number, chars: Uint8Array, max: number): number {
  const limit = Math.max(0, from - max);
  let at = from;
  while (at > limit && chars[kindOf(units[at - 1] ?? 0)]) at--;
  return at;
}

function isDigit(unit: number): boolean {
  return unit >= 0x30 && unit <= 0x39;
}
