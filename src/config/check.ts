import { dirname } from 'node:path';
import type { z } from 'zod';
import type { Config } from './config.ts';
import { crossChecks, type Machine } from './cross-checks.ts';
import { complaintsOf, pathOf, valueAt } from './issues.ts';
import { type Complaint, type Problem, type SettingPath, settingName } from './problem.ts';
import { isReference, type ReferenceSources, referenceForms, resolveReferences } from './references.ts';
import { configSchema, secretPaths } from './schema.ts';
import { type Setting, settings } from './settings.ts';
import { parseSource, type Source } from './source.ts';

/** The machine around a configuration file. */
export interface Surroundings extends ReferenceSources, Machine {}

export interface Checked {
  /** Null when there is an error. */
  readonly config: Config | null;
  /** All that is wrong, errors and warnings, in the order of the file. */
  readonly problems: readonly Problem[];
}

/** Longer than any real configuration; keeps a wrong path from being read into memory. */
export const configBytesMax = 1_048_576;

/**
 * Reads a configuration and lists everything that is wrong with it, not only the first thing: what is no YAML, unset
 * references, unknown or wrong settings, settings that contradict each other. `file` is its absolute path.
 */
export function checkConfig(text: string, file: string, surroundings: Surroundings): Checked {
  const source = parseSource(text);
  return check(source, source.value ?? {}, file, surroundings);
}

/** Sections that say what is sensitive, how it is replaced, and where the keys are: all that a command which reads texts needs. */
export type TextSection = 'detection' | 'masking' | 'audit';

/**
 * The same for some sections only. What else is in the file may be missing, wrong, or meant for another machine: a command that
 * reads texts runs where the service's keys and policies are not.
 */
export function checkSections(
  text: string,
  file: string,
  sections: readonly TextSection[],
  surroundings: Surroundings,
): Checked {
  const source = parseSource(text);
  const given = sections.flatMap((name) => {
    const value = valueAt(source.value, [name]);
    return value === undefined ? [] : [[name, value] as const];
  });
  return check(source, { policy: { bundle: '.' }, ...Object.fromEntries(given) }, file, surroundings);
}

function check(source: Source, given: unknown, file: string, surroundings: Surroundings): Checked {
  if (source.errors.length > 0) {
    return {
      config: null,
      problems: source.errors.map(({ line, column, message }) => ({
        severity: 'error',
        line,
        column,
        setting: '',
        message: `is no YAML: ${message}`,
        fix: 'See https://yaml.org/spec/1.2.2/.',
      })),
    };
  }
  const resolved = resolveReferences(given, surroundings);
  const parsed = parse(resolved.value, dirname(file), resolved.complaints);
  const own = [...literalSecrets(given), ...resolved.complaints, ...parsed.complaints];
  const mutual = parsed.config === null ? [] : crossChecks(parsed.config, surroundings);
  // What is wrong in itself is not compared with others.
  const complaints = [...own, ...mutual.filter((one) => !own.some(({ path }) => isWithin(path, one.path)))];
  const problems = complaints.map((complaint) => locate(complaint, source)).sort(byPlace);
  return { config: problems.some(({ severity }) => severity === 'error') ? null : parsed.config, problems };
}

/**
 * Applies the schema. When it finds errors, the parts in error are taken out and the rest is read again, so that the rest
 * can still be checked against itself; such a configuration is for checks only.
 */
function parse(
  given: unknown,
  base: string,
  unresolved: readonly Complaint[],
): { readonly config: Config | null; readonly complaints: readonly Complaint[] } {
  const schema = configSchema(base);
  const complaints: Complaint[] = [];
  const value = structuredClone(given);
  let known: ReadonlyMap<string, Setting> | undefined;
  for (let round = 0; round < roundsMax; round += 1) {
    const result = schema.safeParse(value);
    if (result.success) return { config: result.data, complaints };
    known ??= new Map(settings().map((setting) => [setting.name, setting]));
    const named = known;
    for (const complaint of result.error.issues.flatMap((issue) => complaintsOf(issue, value, named))) {
      // Said already: a reference that did not resolve left an empty value, an error taken out left something missing.
      if ([...unresolved, ...complaints].some(({ path }) => isWithin(path, complaint.path))) continue;
      complaints.push(complaint);
    }
    if (typeof value !== 'object' || value === null) break;
    for (const issue of result.error.issues) remove(value, issue);
  }
  return { config: null, complaints };
}

/** Each round takes out what the last one found; more than a few means that the file is of another kind. */
const roundsMax = 8;

/** True when one of the two settings is the other, or stands in it. */
function isWithin(one: SettingPath, other: SettingPath): boolean {
  const length = Math.min(one.length, other.length);
  return settingName(one.slice(0, length)) === settingName(other.slice(0, length));
}

/** Takes what an issue is about out of `value`; an entry in error takes its list along, so that indexes stay what they are. */
function remove(value: object, issue: z.core.$ZodIssue): void {
  const path = pathOf(issue);
  if (issue.code === 'unrecognized_keys') {
    for (const key of issue.keys) removeAt(value, [...path, key]);
    return;
  }
  const required = standIns.get(settingName(path));
  if (required !== undefined && valueAt(value, path) === undefined) {
    const section = valueAt(value, path.slice(0, -1));
    if (typeof section === 'object' && section !== null) Reflect.set(section, path.at(-1) ?? '', required);
    return;
  }
  let at = path;
  while (at.length > 0 && (valueAt(value, at) === undefined || typeof at.at(-1) === 'number')) at = at.slice(0, -1);
  removeAt(value, at);
}

/** For what must be given and is not: keeps the rest of the file checkable. Never used to run. */
const standIns: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ['policy', { bundle: '.' }],
  ['policy.bundle', '.'],
]);

function removeAt(value: object, path: SettingPath): void {
  const section = valueAt(value, path.slice(0, -1));
  const last = path.at(-1);
  if (typeof section === 'object' && section !== null && last !== undefined) Reflect.deleteProperty(section, last);
}

/** Secrets that stand in the file itself. Files are copied, committed and shown; the environment is not. */
function literalSecrets(raw: unknown): Complaint[] {
  const found: Complaint[] = [];
  const fix = `Write ${referenceForms}.`;
  for (const path of secretPaths.flatMap((name) => placesOf(raw, name))) {
    const value = valueAt(raw, path);
    if (typeof value === 'string' && !isReference(value)) {
      found.push({ severity: 'error', path, message: 'holds a secret in the file itself', fix });
    }
  }
  const path = ['approval', 'store', 'redis', 'url'];
  const url = valueAt(raw, path);
  if (typeof url === 'string' && /^[a-z]+:\/\/[^/]*:[^/]*@/.test(url) && !isReference(url)) {
    found.push({ severity: 'error', path, message: 'holds a password in the file itself', fix });
  }
  return found;
}

/** The paths that a name stands for in a file: one for each entry of a list, `routes[]`. */
function placesOf(raw: unknown, name: string): readonly SettingPath[] {
  let found: readonly SettingPath[] = [[]];
  for (const key of name.split('.')) {
    found = found.flatMap((path) => {
      if (!key.endsWith('[]')) return [[...path, key]];
      const list = [...path, key.slice(0, -2)];
      const entries = valueAt(raw, list);
      return Array.isArray(entries) ? entries.map((_entry, index) => [...list, index]) : [];
    });
  }
  return found;
}

function locate(complaint: Complaint, source: Source): Problem {
  const { severity, path, message, fix, onName } = complaint;
  const place = onName === true ? source.positionOfKey(path) : source.positionOf(path);
  return { severity, ...place, setting: settingName(path), message, fix };
}

function byPlace(one: Problem, other: Problem): number {
  return one.line - other.line || one.column - other.column;
}
