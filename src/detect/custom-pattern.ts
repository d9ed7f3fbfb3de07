import { RE2JS, RE2JSException } from 're2js';
import { limits } from '../lib/limits.ts';
import { err, ok, type Result } from '../lib/result.ts';
import { anything, type CompiledRule, nothing } from './compiled-rule.ts';
import { compileContext } from './context.ts';
import { determinise } from './dfa.ts';
import { costOf } from './pattern-cost.ts';
import { compileProgram } from './program.ts';
import { assertion, type Re2Instruction, type Re2Program, translateRe2 } from './re2-program.ts';
import type { Match, Verdict } from './rule.ts';
import { createSession } from './session.ts';
import { passes, provingValidators, type ValidatorName } from './validators/named.ts';

/** A pattern from configuration or from a policy's data. */
export interface CustomPattern {
  readonly id: string;
  readonly entity: string;
  /** RE2 syntax. */
  readonly pattern: string;
  /** 0 to 1. */
  readonly score: number;
  /** Words to the left of a match that raise its score. */
  readonly context: readonly string[];
  /** A check that a match must pass. */
  readonly validator?: ValidatorName;
  /** Texts to try the pattern on before it is used. */
  readonly examples?: {
    /** In each of them the pattern finds something. */
    readonly positive: readonly string[];
    /** In each of these it finds nothing. */
    readonly negative: readonly string[];
  };
}

/** Why a pattern cannot be used, in words for the person who wrote it. */
export interface PatternProblem {
  readonly id: string;
  readonly problem: string;
  /** Which part of it is wrong. */
  readonly part: readonly (string | number)[];
}

/** Patterns that were found fit to run; only `admitPatterns` makes them. */
export interface AdmittedPatterns {
  readonly patterns: readonly CustomPattern[];
  readonly rules: readonly CompiledRule[];
}

/**
 * Reads patterns in RE2 syntax. re2js parses them; its program is made into one of our own automata, so that a pattern from
 * configuration can no more backtrack than our own, and streams hold back exactly what it may still match.
 *
 * A match is the longest one (not Perl's first alternative) and ends at `limits.customMatchCharsMax` characters, whatever
 * the quantifiers say. `^`, `$`, `\\b` and the like may stand at the very beginning and end of a pattern only.
 *
 * A pattern is tried before it is used: on texts made to cost it much (at most `limits.customStepsMax` steps a character), and on
 * its own examples.
 */
export function admitPatterns(patterns: readonly CustomPattern[]): Result<AdmittedPatterns, readonly PatternProblem[]> {
  const rules: CompiledRule[] = [];
  const problems: PatternProblem[] = [];
  for (const pattern of patterns) {
    const rule = admit(pattern);
    if (!rule.ok) problems.push({ id: pattern.id, problem: rule.error, part: ['pattern'] });
    else {
      rules.push(rule.value);
      problems.push(...failedExamples(pattern, rule.value));
    }
  }
  if (patterns.length > limits.customPatternsMax) {
    problems.push({ id: '', problem: `there are more than ${limits.customPatternsMax} patterns`, part: [] });
  }
  return problems.length > 0 ? err(problems) : ok({ patterns, rules });
}

function admit(pattern: CustomPattern): Result<CompiledRule, string> {
  const program = parse(pattern.pattern);
  if (!program.ok) return program;
  const translated = translateRe2(program.value);
  if (!translated.ok) return translated;
  const { nfa, begins, ends } = translated.value;
  const dfa = determinise(nfa, limits.customStatesMax);
  if (!dfa) return err('is too complex: make its repetitions smaller');
  if (dfa.start >= dfa.accepting) return err('matches the empty text, so it would match everywhere');
  const cost = costOf(dfa, limits.customMatchCharsMax);
  if (cost.steps > limits.customStepsMax) {
    return err(
      `takes ${Math.round(cost.steps)} steps a character on a text such as "${cost.text}…", at most ${limits.customStepsMax} are allowed: use + or * instead of a count, or a smaller count`,
    );
  }
  const { id, entity, score, context, validator } = pattern;
  const hasBounds = begins !== 0 || ends !== 0;
  const words = context.length > 0 ? compileContext(context.map((word) => word.toLowerCase())) : null;
  const rule: CompiledRule = {
    rule: { id, entity, score },
    retry: hasBounds ? /^/ : null,
    retryDigits: null,
    maxLength: limits.customMatchCharsMax,
    isApart: false,
    isRun: false,
    follow: null,
    followers: anything,
    order: 0,
    head: dfa,
    hasLead: false,
    leadId: 0,
    value: () => dfa,
    check: checkOf(begins, ends, validator),
    checkPlace: null,
    notAfterId: 0,
    lengths: nothing,
    digitsAlone: null,
    context: () => words,
    ...{ lead: nothing, rest: nothing, after: nothing, never: null, notBefore: null, notAfter: null, reach: null },
  };
  return ok(rule);
}

function failedExamples({ id, examples }: CustomPattern, rule: CompiledRule): PatternProblem[] {
  if (!examples) return [];
  const program = compileProgram([], { roaming: [rule] });
  const finds = (text: string): boolean => createSession(program).feed(text, true).findings.length > 0;
  const failed = (kind: 'positive' | 'negative', want: boolean): PatternProblem[] =>
    examples[kind].flatMap((text, index) =>
      finds(text) === want
        ? []
        : [
            {
              id,
              problem: want ? 'is not found by the pattern' : 'is found by the pattern',
              part: ['examples', kind, index],
            },
          ],
    );
  return [...failed('positive', true), ...failed('negative', false)];
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

function checkOf(begins: number, ends: number, validator: ValidatorName | undefined): CompiledRule['check'] {
  if (begins === 0 && ends === 0 && validator === undefined) return null;
  return ({ text, start, end, value }: Match): Verdict => {
    if (!holds(begins, text, start) || !holds(ends, text, end)) return 'wrong';
    if (validator === undefined) return 'plausible';
    return !passes(validator, value) ? 'wrong' : provingValidators.has(validator) ? 'proven' : 'plausible';
  };
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
