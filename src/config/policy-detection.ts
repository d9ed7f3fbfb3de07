import { z } from 'zod';
import type { OwnDetection } from '../detect/own-detection.ts';
import { isJsonObject, type JsonObject } from '../lib/json.ts';
import { limits } from '../lib/limits.ts';
import { err, ok, type Result } from '../lib/result.ts';
import { customPattern, dictionary } from './detection-section.ts';
import { distinct, text } from './values.ts';

const section = z.strictObject({
  patterns: z.array(customPattern()).max(limits.customPatternsMax).default([]),
  dictionaries: z.array(dictionary()).max(limits.dictionariesMax).default([]),
  allow: z
    .strictObject({
      values: distinct(text, limits.allowedMax).prefault([]),
      patterns: distinct(text, 64).prefault([]),
      hashes: distinct(text, limits.allowedMax).prefault([]),
    })
    .prefault({}),
});

/** What a policy's data adds to detection. */
export interface PolicyDetection {
  readonly custom: OwnDetection['custom'];
  readonly dictionaries: OwnDetection['dictionaries'];
  readonly allow: Pick<OwnDetection['allowed'], 'values' | 'patterns' | 'hashes'>;
}

/**
 * Reads `data.detection` of a bundle: `patterns`, `dictionaries` and `allow`, each as in the configuration file. Null where the
 * data has no such member. Errors name their place in the data.
 */
export function policyDetection(data: JsonObject): Result<PolicyDetection | null, readonly string[]> {
  const given = data['detection'];
  if (given === undefined) return ok(null);
  if (!isJsonObject(given)) return err(['data.detection is not an object']);
  const read = section.safeParse(given);
  if (!read.success) {
    return err(read.error.issues.map(({ path, message }) => `${dataPath(path)} ${message}`));
  }
  const { patterns, dictionaries, allow } = read.data;
  return ok({ custom: patterns, dictionaries, allow });
}

/** `data.detection.patterns[0].pattern`. */
export function dataPath(path: readonly PropertyKey[]): string {
  return `data.detection${path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`)).join('')}`;
}
