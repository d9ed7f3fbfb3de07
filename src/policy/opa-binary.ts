import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { err, ok, type Result } from '../lib/result.ts';

/** Why a policy tool did not do its work; `message` is for the person at the terminal, the compiler's words included. */
export interface PolicyToolError {
  readonly kind: 'opa_missing' | 'opa_failed' | 'bad_layout' | 'bad_data' | 'not_formatted';
  readonly message: string;
}

export interface OpaRun {
  readonly cwd: string;
  readonly args: readonly string[];
  readonly stdin?: string;
  /** Path of the binary; without it COUNTERSIGN_OPA, then PATH, then `.cache/bin/opa` of this checkout. */
  readonly opa?: string | undefined;
  /** Exit codes that still count as success; 0 always does. */
  readonly exitCodes?: readonly number[];
}

const runTimeoutMs = 120_000;
const outputBytesMax = 64 * 1024 * 1024;

/** Runs the opa command and returns its standard output. Only building and testing policies needs it; serving does not. */
export function runOpa(run: OpaRun): Promise<Result<string, PolicyToolError>> {
  const binary = run.opa ?? findOpa();
  if (binary === null) {
    const message =
      'the opa command is needed to build and test policies: put it on PATH, name it in COUNTERSIGN_OPA, or run ' +
      '`go install github.com/open-policy-agent/opa@v1.22.2`';
    return Promise.resolve(err({ kind: 'opa_missing', message }));
  }
  return new Promise((resolve) => {
    const options = { cwd: run.cwd, timeout: runTimeoutMs, maxBuffer: outputBytesMax };
    const child = execFile(binary, [...run.args], options, (failure, stdout, stderr) => {
      if (failure === null || run.exitCodes?.includes(Number(failure.code))) resolve(ok(stdout));
      else if (failure.code === 'ENOENT') {
        resolve(err({ kind: 'opa_missing', message: `there is no opa command at ${binary}` }));
      } else {
        const words = `${stderr}\n${stdout}`.trim() || failure.message;
        resolve(err({ kind: 'opa_failed', message: `opa ${run.args[0]}: ${words}` }));
      }
    });
    // A child that exits before it has read its input closes the pipe; the exit code tells why.
    child.stdin?.on('error', () => {});
    child.stdin?.end(run.stdin ?? '');
  });
}

/** COUNTERSIGN_OPA, then PATH, then `.cache/bin/opa` of this checkout; null when there is none. */
export function findOpa(): string | null {
  const named = process.env['COUNTERSIGN_OPA'];
  if (named) return named;
  const onPath = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  const checkout = new URL('../../.cache/bin/opa', import.meta.url).pathname;
  return [...onPath.map((folder) => join(folder, 'opa')), checkout].find(isExecutable) ?? null;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
