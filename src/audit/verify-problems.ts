import { hash } from 'node:crypto';
import { type Dirent, readdirSync, readFileSync, statSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';

/** One thing that is not as it should be, and where. */
export interface VerifyProblem {
  /** Which check found it: bytes and checksums, the signed tree, records against leaves, sealed bytes. */
  readonly check: 'frames' | 'tree' | 'records' | 'bodies';
  /** File, relative to the log's directory, with offset or record number. */
  readonly place: string;
  readonly what: string;
}

export interface ProblemList {
  add(check: VerifyProblem['check'], place: string, what: string): void;
  list(): readonly VerifyProblem[];
}

const problemsMax = 1_000;

export function createProblemList(): ProblemList {
  const problems: VerifyProblem[] = [];
  return {
    add: (check, place, what) => {
      if (problems.length < problemsMax) problems.push({ check, place, what });
    },
    list: () => problems,
  };
}

export function sha256(data: Uint8Array): Buffer {
  return hash('sha256', data, 'buffer');
}

/** A file's bytes, or null when there is none. One that cannot be read throws: it must not pass for one that was removed. */
export async function readOptional(path: string): Promise<Buffer | null> {
  try {
    return await readFile(path);
  } catch (error) {
    if (isAbsent(error)) return null;
    throw error;
  }
}

/** What a folder holds, nothing when there is none. One that cannot be read throws: it must not pass for an empty one. */
export async function listOptional(path: string): Promise<Dirent[]> {
  try {
    return await readdir(path, { withFileTypes: true });
  } catch (error) {
    if (isAbsent(error)) return [];
    throw error;
  }
}

/** As `readOptional`, while the thread waits: of a small file a promise costs ten times what the system does. */
export function readOptionalSync(path: string): Buffer | null {
  return unlessAbsent(() => readFileSync(path), null);
}

/** The names of what a folder holds, as `listOptional`, while the thread waits. */
export function listOptionalSync(path: string): readonly string[] {
  // Asked first: of most folders there is none, and an error costs more than the question.
  const isThere = unlessAbsent(() => statSync(path, { throwIfNoEntry: false }) !== undefined, false);
  return isThere ? unlessAbsent(() => readdirSync(path), []) : [];
}

function unlessAbsent<T>(read: () => T, absent: T): T {
  try {
    return read();
  } catch (error) {
    if (isAbsent(error)) return absent;
    throw error;
  }
}

function isAbsent(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');
}
