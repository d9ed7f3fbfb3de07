import { z } from 'zod';
import { validatorNames } from '../detect/validators/named.ts';
import { limits } from '../lib/limits.ts';
import type { CustomDetector, DetectionConfig, DictionaryConfig, PresidioConfig } from './config.ts';
import { distinct, duration, secret, text } from './values.ts';

/** The `detection` section. */
export function detectionSection(): z.ZodType<DetectionConfig> {
  return z
    .strictObject({
      tier: z.enum(['core', 'extended']).default('core').meta({
        description:
          '`core`: what has a checksum or an unmistakable form. `extended`: more kinds, more doubtful ones among them.',
      }),
      countries: z
        .array(z.string().regex(/^[A-Z]{2}$/, 'must be a country code such as DE'))
        .max(64)
        .nullable()
        .default(null)
        .meta({ description: 'ISO 3166 codes of the countries whose extended kinds are looked for; null: all.' }),
      custom: z
        .array(customPattern())
        .max(256)
        .refine((list) => new Set(list.map((each) => each.id)).size === list.length, 'must not use an id twice')
        .default([])
        .meta({ description: 'Detectors of your own.' }),
      dictionaries: z
        .array(dictionary())
        .max(limits.dictionariesMax)
        .refine((list) => new Set(list.map((each) => each.id)).size === list.length, 'must not use an id twice')
        .default([])
        .meta({ description: 'Lists of names that are sensitive as they stand: projects, customers, hosts.' }),
      decode: z
        .strictObject({
          percent: z.boolean().default(true).meta({ description: 'Percent-encoding, `%34`.' }),
          html: z.boolean().default(true).meta({ description: 'HTML references, `&#52;` and `&nbsp;`.' }),
          base64: z
            .boolean()
            .default(true)
            .meta({ description: 'Base64 and base64url of text, from 20 characters on.' }),
        })
        .prefault({})
        .meta({ description: 'Encodings that are undone, one level deep, for a second look.' }),
      allow: distinct(text, 1_024)
        .prefault([])
        .meta({ description: 'Exact values that are never findings, such as published test card numbers.' }),
      allow_patterns: distinct(text, 64)
        .prefault([])
        .meta({ description: 'Patterns, RE2 syntax; a value that matches one from end to end is never a finding.' }),
      allow_hashes: distinct(text, limits.allowedMax).prefault([]).meta({
        description:
          'SHA-256, in hexadecimal, of values that are never findings: of the value in lower case, without white space and hyphens.',
      }),
      allow_key: secret(16)
        .nullable()
        .default(null)
        .meta({ description: 'With a key, `allow_hashes` are HMAC-SHA-256, and nobody can try values against them.' }),
      presidio: presidio().nullable().default(null).meta({
        description: 'Presidio Analyzer, asked about requests as well, for names and places; null: not used.',
      }),
    })
    .transform(
      ({ allow_patterns, allow_hashes, allow_key, ...given }): DetectionConfig => ({
        ...given,
        allowPatterns: allow_patterns,
        allowHashes: allow_hashes,
        allowKey: allow_key,
      }),
    );
}

/** A pattern, in this file or in a policy's data. */
export function customPattern(): z.ZodType<CustomDetector> {
  return z
    .strictObject({
      id: z
        .string()
        .regex(/^[a-z0-9][a-z0-9_.-]{0,63}$/, 'must be a name such as employee_number')
        .meta({ description: 'Names the detector in records.' }),
      entity: z
        .string()
        .regex(/^[A-Z][A-Z0-9_]{1,63}$/, 'must be a name such as EMPLOYEE_NUMBER')
        .meta({ description: 'What it finds; policy speaks of it by this name.' }),
      pattern: z
        .string()
        .min(1, 'must not be empty')
        .max(2_048, 'is too long')
        .meta({ description: 'Regular expression, RE2 syntax: linear time, no back-references.' }),
      score: z.number().min(0).max(1).default(0.8).meta({ description: 'How sure a match is, 0 to 1.' }),
      context: distinct(text, 64).prefault([]).meta({ description: 'Words nearby that make a match surer.' }),
      validator: z.enum(validatorNames).nullable().default(null).meta({
        description: 'A check that a match must pass; null: none. One with check digits makes the score 1.',
      }),
      examples: z
        .strictObject({
          positive: distinct(text, 64)
            .prefault([])
            .meta({ description: 'Texts in which the pattern finds something.' }),
          negative: distinct(text, 64).prefault([]).meta({ description: 'Texts in which it finds nothing.' }),
        })
        .prefault({})
        .meta({ description: 'Tried whenever the file is read; one that does not hold is an error.' }),
    })
    .transform(({ validator, ...given }): CustomDetector => (validator === null ? given : { ...given, validator }));
}

/** A list of words, in this file or in a policy's data. */
export function dictionary(): z.ZodType<DictionaryConfig> {
  return z
    .strictObject({
      id: z
        .string()
        .regex(/^[a-z0-9][a-z0-9_.-]{0,63}$/, 'must be a name such as projects')
        .meta({ description: 'Names the list in records.' }),
      entity: z
        .string()
        .regex(/^[A-Z][A-Z0-9_]{1,63}$/, 'must be a name such as PROJECT_NAME')
        .meta({ description: 'What it finds; policy speaks of it by this name.' }),
      words: distinct(text, limits.dictionaryWordsMax)
        .prefault([])
        .meta({ description: 'Words and phrases; found as whole words.' }),
      lines: z.string().default('').meta({
        description: 'The same as one text, an entry a line; # begins a comment. For a `${file:…}` reference.',
      }),
      case_sensitive: z.boolean().default(false).meta({ description: 'Whether capitals must be the same.' }),
      score: z.number().min(0).max(1).default(0.9).meta({ description: 'How sure a match is, 0 to 1.' }),
    })
    .transform(
      ({ lines, words, case_sensitive, ...given }): DictionaryConfig => ({
        ...given,
        words: [...words, ...lines.split(/\r?\n/).filter((line) => line.trim() !== '' && !line.startsWith('#'))],
        caseSensitive: case_sensitive,
      }),
    );
}

function presidio() {
  return z
    .strictObject({
      url: z
        .url({ protocol: /^https?$/, error: 'must be an http: or https: URL' })
        .meta({ description: 'Where it listens, such as `http://127.0.0.1:5002`.' }),
      language: z
        .string()
        .regex(/^[a-z]{2,3}$/, 'must be a language such as en')
        .default('en')
        .meta({ description: 'Language of the texts, as Presidio calls it.' }),
      entities: distinct(text, 64)
        .prefault(['PERSON', 'LOCATION'])
        .meta({ description: 'What it is asked for, by Presidio’s names; policy speaks of them by these.' }),
      score_threshold: z.number().min(0).max(1).default(0.5).meta({ description: 'Least score of a finding.' }),
      roles: z
        .array(z.enum(['system', 'developer', 'user', 'assistant', 'tool', 'unknown']))
        .default(['user', 'tool', 'unknown'])
        .meta({ description: 'Only texts of these roles are sent to it.' }),
      timeout: duration('10ms', '30s')
        .prefault('2s')
        .meta({ description: 'Longest wait of one request, for all of its texts.' }),
      concurrency: z.int().min(1).max(64).default(4).meta({ description: 'Calls of this process at one time.' }),
      characters: z.int().min(1_000).max(limits.bodyBytesMax).default(100_000).meta({
        description: 'Characters of one request that it has not seen before; more counts as a failure.',
      }),
      on_failure: z.enum(['deny', 'ignore']).default('deny').meta({
        description:
          '`deny`: without its word a request is refused. `ignore`: it goes on, and policy sees the uninspected part `recogniser`.',
      }),
    })
    .transform(
      (given): PresidioConfig => ({
        url: given.url,
        language: given.language,
        entities: given.entities,
        scoreThreshold: given.score_threshold,
        roles: given.roles,
        timeoutMs: given.timeout,
        concurrency: given.concurrency,
        charactersMax: given.characters,
        onFailure: given.on_failure,
      }),
    );
}
