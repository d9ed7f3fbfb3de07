import { RE2JS, RE2JSException } from 're2js';
import { limits } from '../lib/limits.ts';
import { err, ok, type Result } from '../lib/result.ts';
import type { CompiledRule } from './compiled-rule.ts';
import { compileContext } from './context.ts';
import { determinise } from './dfa.ts';
import type { RoamingRule } from './program.ts';
import { assertion, type Re2Instruction, type Re2Program, translateRe2 } from './re2-program.ts';
import type { Match, Verdict } from './rule.ts';

/** A pattern from configuration. */
export interface CustomPattern {
  readonly id: string;
  readonly entity: string;
  /** RE2 syntax. */
  readonly pattern: string;
  /** 0 to 1. */
  readonly score: number;
  /** Words to the left of a match that raise its score. */
  readonly context: readonly string[];
}

/** Why a pattern cannot be used, in words for the person who wrote it. */
export interface PatternProblem {
  readonly id: string;
  readonly problem: string;
}

/** Patterns that were found fit to run; only `admitPatterns` makes them. */
export interface AdmittedPatterns {
  readonly patterns: readonly CustomPattern[];
  readonly rules: readonly RoamingRule[];
}

/**
 * Reads patterns in RE2 syntax. re2js parses them; its program is made into one of our own automata, so that a pattern from
 * configuration can no more backtrack than our own, and streams hold back exactly what it may still match.
 *
 * A match is the longest one (not Perl's first alternative) and ends at `limits.customMatchCharsMax` characters, whatever
 * the quantifiers say. `^`, `$`, `\\b` and the like may stand at the very beginning and end of a pattern only.
 */
export function admitPatterns(patterns: readonly CustomPattern[]): Result<AdmittedPatterns, readonly PatternProblem[]> {
  const rules: RoamingRule[] = [];
  const problems: PatternProblem[] = [];
  for (const pattern of patterns) {
    const rule = admit(pattern);
    if (rule.ok) rules.push(rule.value);
    else problems.push({ id: pattern.id, problem: rule.error });
  }
  if (patterns.length > limits.customPatternsMax) {
    problems.push({ id: '', problem: `there are more than ${limits.customPatternsMax} patterns` });
  }
  return problems.length > 0 ? err(problems) : ok({ patterns, rules });
}

function admit(pattern: CustomPattern): Result<RoamingRule, string> {
  const program = parse(pattern.pattern);
  if (!program.ok) return program;
  const translated = translateRe2(program.value);
  if (!translated.ok) return translated;
  const { nfa, begins, ends } = translated.value;
  const dfa = determinise(nfa, limits.customStatesMax);
  if (!dfa) return err('is too complex: make its repetitions smaller');
  if (dfa.start >= dfa.accepting) return err('matches the empty text, so it would match everywhere');
  const { id, entity, score, context } = pattern;
  const check = begins === 0 && ends === 0 ? null : boundaryCheck(begins, ends);
  const rule: CompiledRule = {
    rule: { id, entity, score, maxLength: limits.customMatchCharsMax, ...(check ? { retry: /^/ } : {}) },
    order: 0,
    value: dfa,
    check,
    context: context.length > 0 ? compileContext(context.map((word) => word.toLowerCase())) : null,
    ...{ lead: null, rest: null, after: null, notBefore: null, notAfter: null, reach: null },
  };
  return ok({ rule, prefix: program.value.prefix });
}

function parse(source: string): Result<Re2Program, string> {
  if (source.length > limits.customPatternCharsMax) {
    return err(`is longer than ${limits.customPatternCharsMax} characters`);
  }
  try {
    const { prog, prefix } = RE2JS.compile(source).re2();
    const instructions: readonly Re2Instruction[] = prog.inst;
    // With an assertion at the beginning re2js gives no prefix; without one it may give none.
    return ok({ instructions, start: prog.start, prefix: typeof prefix === 'string' ? prefix : '' });
  } catch (thrown) {
    if (thrown instanceof RE2JSException) return err(`is not RE2 syntax: ${thrown.message}`);
    throw thrown;
  }
}

function boundaryCheck(begins: number, ends: number): (match: Match) => Verdict {
  return ({ text, start, end }) => (holds(begins, text, start) && holds(ends, text, end) ? 'plausible' : 'wrong');
}

function holds(conditions: number, text: string, at: number): boolean {
  const before = at === 0 ? '' : text.charAt(at - 1);
  const after = text.charAt(at);
  const isBoundary = isWord(before) !== isWord(after);
  if (conditions & assertion.textStart && at !== 0) return false;
  if (conditions & assertion.lineStart && before !== '' && before !== '\n') return false;
  if (conditions & assertion.textEnd && after !== '') return false;
  if (conditions & assertion.lineEnd && after !== '' && after !== '\n') return false;
  if (conditions & assertion.wordBoundary && !isBoundary) return false;
  return !(conditions & assertion.noWordBoundary && isBoundary);
}

function isWord(char: string): boolean {
  return /^\w$/.test(char);
}
