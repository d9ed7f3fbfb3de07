import { createHmac } from 'node:crypto';
import { sha256Hex } from '../lib/hash.ts';
import { err, ok, type Result } from '../lib/result.ts';
import { admitPatterns, type PatternProblem } from './custom-pattern.ts';
import { type AllowList, compileProgram } from './program.ts';
import { createSession } from './session.ts';

/** What is never a finding, said in three ways. */
export interface Allowed {
  /** Values as they stand. */
  readonly values: readonly string[];
  /** RE2 patterns that a whole value matches. */
  readonly patterns: readonly string[];
  /** Of `allowedForm` of a value, in hexadecimal: SHA-256, or HMAC-SHA-256 where there is a key. A list that tells nothing. */
  readonly hashes: readonly string[];
  readonly key: string | null;
}

/** Admits the patterns, which `PatternProblem.part` names by their places. */
export function createAllowList({
  values,
  patterns,
  hashes,
  key,
}: Allowed): Result<AllowList, readonly PatternProblem[]> {
  const admitted = patterns.map((pattern) =>
    admitPatterns([{ id: 'allow', entity: 'ALLOWED', pattern: `^(?:${pattern})$`, score: 1, context: [] }]),
  );
  const problems = admitted.flatMap((each, index) =>
    each.ok ? [] : each.error.map((problem) => ({ ...problem, part: [index] })),
  );
  if (problems.length > 0) return err(problems);
  const rules = admitted.flatMap((each) => (each.ok ? each.value.rules : []));
  const program = compileProgram([], { roaming: rules });
  const exact = new Set(values);
  const hashed = new Set(hashes.map((hash) => hash.toLowerCase()));
  return ok({
    size: exact.size + rules.length + hashed.size,
    has: (value) =>
      exact.has(value) ||
      (hashed.size > 0 && hashed.has(allowedHash(value, key))) ||
      (rules.length > 0 &&
        createSession(program)
          .feed(value, true)
          .findings.some(({ start, end }) => start === 0 && end === value.length)),
  });
}

/** A value as its hash is made of: lower case, without white space and hyphens, so that one entry covers its ways of writing. */
export function allowedForm(value: string): string {
  return value.replace(/[\s-]/g, '').toLowerCase();
}

export function allowedHash(value: string, key: string | null): string {
  const form = allowedForm(value);
  return key === null ? sha256Hex(form) : createHmac('sha256', key).update(form).digest('hex');
}
