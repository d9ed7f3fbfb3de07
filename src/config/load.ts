import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { sha256Hex } from '../lib/hash.ts';
import { err, ok, type Result } from '../lib/result.ts';
import { checkConfig, checkSections, configBytesMax, type TextSection } from './check.ts';
import type { Config } from './config.ts';
import type { FileKind } from './cross-checks.ts';
import type { Problem } from './problem.ts';
import type { ReferenceSources } from './references.ts';

export interface LoadedConfig {
  readonly config: Config;
  /** Absolute path of the file. */
  readonly file: string;
  /** Hex SHA-256 of the file as written, references unresolved: says which configuration ran, without its secrets. */
  readonly digest: string;
  readonly warnings: readonly Problem[];
}

/**
 * Loads and checks a configuration file. Everything that is wrong is listed at once; see `formatProblems`. Reads the file,
 * what it refers to, and whether the files it names are there; writes nothing.
 */
export function loadConfig(
  path: string,
  env: Readonly<Record<string, string | undefined>>,
): Result<LoadedConfig, readonly Problem[]> {
  const file = resolve(path);
  const text = readBounded(file, configBytesMax);
  if (text === null) return err([unreadable(file)]);
  const { config, problems } = checkConfig(text, file, { ...referencesFrom(file, env), kindOf, readPem });
  if (config === null) return err(problems);
  return ok({ config, file, digest: sha256Hex(text), warnings: problems });
}

/** Some sections of a configuration file, checked alone; see `checkSections`. */
export function loadSections<Section extends TextSection>(
  path: string,
  env: Readonly<Record<string, string | undefined>>,
  sections: readonly Section[],
): Result<Pick<Config, Section>, readonly Problem[]> {
  const file = resolve(path);
  const text = readBounded(file, configBytesMax);
  if (text === null) return err([unreadable(file)]);
  const { config, problems } = checkSections(text, file, sections, { ...referencesFrom(file, env), kindOf, readPem });
  return config === null ? err(problems) : ok(config);
}

function referencesFrom(file: string, env: Readonly<Record<string, string | undefined>>): ReferenceSources {
  return { env, readText: (name) => readBounded(resolve(dirname(file), name), referenceBytesMax) };
}

function readPem(path: string): string | null {
  return readBounded(path, pemBytesMax);
}

/** Some times what a whole bundle of public authorities has. */
const pemBytesMax = 1_048_576;

/** A secret in a file of its own. */
const referenceBytesMax = 65_536;

function unreadable(file: string): Problem {
  const message = `${file} is missing, unreadable or larger than ${configBytesMax} bytes`;
  return {
    severity: 'error',
    line: 1,
    column: 1,
    setting: '',
    message,
    fix: 'Name the configuration file with --config.',
  };
}

function readBounded(file: string, bytesMax: number): string | null {
  try {
    return statSync(file).size > bytesMax ? null : readFileSync(file, 'utf8');
  } catch {
    return null;
  }
}

function kindOf(path: string): FileKind {
  try {
    const stats = statSync(path);
    if (stats.isDirectory()) return 'directory';
    accessSync(path, constants.R_OK);
    return 'file';
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : null;
    return code === 'ENOENT' ? 'missing' : 'unreadable';
  }
}
