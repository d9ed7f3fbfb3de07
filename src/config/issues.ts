import type { z } from 'zod';
import type { Complaint, SettingPath } from './problem.ts';
import type { Setting } from './settings.ts';

/** Says what a schema found in words of this project, without the value that it found. */
export function complaintsOf(
  issue: z.core.$ZodIssue,
  raw: unknown,
  known: ReadonlyMap<string, Setting>,
): readonly Complaint[] {
  const path = pathOf(issue);
  if (issue.code === 'invalid_union') {
    const meant = meantBranch(issue);
    if (meant !== null) {
      return meant.flatMap((one) => complaintsOf({ ...one, path: [...issue.path, ...one.path] }, raw, known));
    }
  }
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => unknownKey([...path, key], known));
  }
  const setting = known.get(genericName(path).replace(/\[\]$/, ''));
  const fix = setting === undefined ? 'See docs/configuration.md.' : meaning(setting);
  return [{ severity: 'error', path, message: message(issue, valueAt(raw, path)), fix }];
}

export function pathOf(issue: z.core.$ZodIssue): SettingPath {
  return issue.path.map((part) => (typeof part === 'number' ? part : String(part)));
}

export function valueAt(raw: unknown, path: SettingPath): unknown {
  let at = raw;
  for (const part of path) at = typeof at === 'object' && at !== null ? Reflect.get(at, part) : undefined;
  return at;
}

/** `identity.issuers[0].jwks` as the list of settings names it: `identity.issuers[].jwks`. */
function genericName(path: SettingPath): string {
  return path.reduce<string>(
    (name, part) => (typeof part === 'number' ? `${name}[]` : name === '' ? part : `${name}.${part}`),
    '',
  );
}

function meaning({ description, fallback }: Setting): string {
  return fallback === null || fallback === 'null' ? description : `${description} Default: ${fallback}.`;
}

/** What is wrong with the form that a value has, of those that it may have; null: it has none of them. */
function meantBranch({ errors }: z.core.$ZodIssueInvalidUnion): readonly z.core.$ZodIssue[] | null {
  return errors.find((issues) => issues.every(({ code, path }) => code !== 'invalid_type' || path.length > 0)) ?? null;
}

function message(issue: z.core.$ZodIssue, value: unknown): string {
  if (value === undefined && issue.code !== 'custom') return 'is missing';
  switch (issue.code) {
    case 'invalid_type':
      return issue.message.startsWith('Invalid input') ? `must be ${article(issue.expected)}` : issue.message;
    case 'invalid_union':
      return `must be ${issue.errors
        .flat()
        .flatMap((one) => (one.code === 'invalid_type' ? [article(one.expected)] : []))
        .join(', or ')}`;
    case 'invalid_value':
      return `must be ${issue.values.map(String).join(' or ')}`;
    case 'too_small':
      return issue.message.startsWith('Too small') ? `must be at least ${issue.minimum}` : issue.message;
    case 'too_big':
      return issue.message.startsWith('Too big') ? `must be at most ${issue.maximum}` : issue.message;
    default:
      return issue.message;
  }
}

function article(expected: string): string {
  const names: Readonly<Record<string, string>> = {
    object: 'a section',
    array: 'a list',
    string: 'a text',
    int: 'a whole number',
    number: 'a number',
    boolean: 'true or false',
  };
  return names[expected] ?? `of type ${expected}`;
}

function unknownKey(path: SettingPath, known: ReadonlyMap<string, Setting>): Complaint {
  const parent = genericName(path.slice(0, -1));
  const siblings = [...known.keys()]
    .filter((name) => name.startsWith(parent === '' ? '' : `${parent}.`))
    .map((name) => (parent === '' ? name : name.slice(parent.length + 1)))
    .filter((name) => /^[a-z0-9_]+$/.test(name));
  const key = String(path.at(-1));
  const near = siblings.find((name) => distance(name, key) <= Math.max(1, Math.floor(key.length / 3)));
  const fix = near === undefined ? `Known here: ${siblings.join(', ')}.` : `Did you mean ${near}?`;
  return { severity: 'error', path, message: 'is no known setting', fix, onName: true };
}

/** Edits between two names, swapped neighbours counted as two; names here are short. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
