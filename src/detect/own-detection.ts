import { err, ok, type Result } from '../lib/result.ts';
import { type Allowed, createAllowList } from './allow-list.ts';
import { type AdmittedPatterns, admitPatterns, type CustomPattern } from './custom-pattern.ts';
import { type AdmittedDictionary, admitDictionary, type Dictionary } from './dictionary.ts';
import type { AllowList } from './program.ts';

/** What users add to the built-in rules, in configuration or in a policy's data. */
export interface OwnDetection {
  readonly custom: readonly CustomPattern[];
  readonly dictionaries: readonly Dictionary[];
  readonly allowed: Allowed;
}

/** The same, found fit to run. */
export interface AdmittedDetection {
  readonly custom: AdmittedPatterns;
  readonly dictionaries: readonly { readonly source: Dictionary; readonly list: AdmittedDictionary }[];
  readonly allow: { readonly source: Allowed; readonly list: AllowList };
}

/** What is wrong, and where: the first step of the path is a member of `OwnDetection`. */
export interface OwnProblem {
  readonly path: readonly (string | number)[];
  readonly problem: string;
}

/** Admits all of it, or says everything that is wrong with it. */
export function admitOwn({
  custom,
  dictionaries,
  allowed,
}: OwnDetection): Result<AdmittedDetection, readonly OwnProblem[]> {
  const problems: OwnProblem[] = [];
  const patterns = admitPatterns(custom);
  if (!patterns.ok) {
    for (const { id, problem, part } of patterns.error) {
      const index = custom.findIndex((pattern) => pattern.id === id);
      problems.push({ path: index < 0 ? ['custom'] : ['custom', index, ...part], problem });
    }
  }
  const lists = dictionaries.flatMap((source, place) => {
    const admitted = admitDictionary(source);
    if (admitted.ok) return [{ source, list: admitted.value }];
    for (const { problem, index } of admitted.error) {
      problems.push({ path: ['dictionaries', place, 'words', ...(index === null ? [] : [index])], problem });
    }
    return [];
  });
  const list = createAllowList(allowed);
  if (!list.ok) {
    for (const { part, problem } of list.error) problems.push({ path: ['allowed', 'patterns', ...part], problem });
  }
  if (!patterns.ok || !list.ok || problems.length > 0) return err(problems);
  return ok({ custom: patterns.value, dictionaries: lists, allow: { source: allowed, list: list.value } });
}
