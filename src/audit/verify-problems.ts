import { hash } from 'node:crypto';
import { readFile } from 'node:fs/promises';

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

/** A file's bytes, or null when there is none. */
export async function readOptional(path: string): Promise<Buffer | null> {
  try {
    return await readFile(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return null;
    throw error;
  }
}
