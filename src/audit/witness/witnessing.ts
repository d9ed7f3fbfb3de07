import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault } from '../../lib/fault.ts';
import { type FsPort, nodeFs, replaceFile } from '../fs-port.ts';
import { shardsIn } from '../shards.ts';
import { pause, readPublished } from '../sinks/log-tail.ts';
import { parseSignedCheckpoint } from '../verify-note.ts';
import type { TrustedWitness } from '../verify-trust.ts';
import { type Asked, createWitnessClient, type WitnessClient } from './witness-client.ts';

export interface WitnessStatus {
  readonly witness: string;
  /** Seconds since its last cosignature; null: none yet in this run. */
  readonly lagSeconds: number | null;
  readonly failing: string | null;
}

export interface Witnessing {
  status(): readonly WitnessStatus[];
  /** Seconds since all that was published then had the cosignatures of enough witnesses; before it ever had, since the start. */
  quorumLagSeconds(): number;
  /** The latest checkpoint with enough cosignatures, as a note; null: none yet. */
  latest(): { readonly note: string; readonly size: number; readonly timeS: number } | null;
  stop(): Promise<void>;
}

export interface WitnessingOptions {
  /** The log's own folder. Of its shards the last one is witnessed, once the one before is to its end. */
  readonly directory: string;
  readonly witnesses: readonly TrustedWitness[];
  readonly fs: FsPort;
  readonly intervalMs: number;
  readonly deadlineMs: number;
  /** Only checkpoints that so many of them have cosigned are kept; default 1. */
  readonly quorum?: number;
  /** Milliseconds of a clock that never jumps. */
  readonly nowMs: () => number;
  /** A witness that knows more of this log than there is. */
  onAhead(witness: string, size: number): void;
}

/** The last checkpoint with the cosignatures of witnesses. The log's own writer never touches it. */
export function witnessedPath(directory: string): string {
  return join(directory, 'checkpoint.witnessed');
}

/** That checkpoint; null: there is none that can be read. */
export async function readWitnessed(directory: string): Promise<string | null> {
  const note = await readFile(witnessedPath(directory), 'utf8').catch(() => null);
  return note === null || typeof parseSignedCheckpoint(note) === 'string' ? null : note;
}

/**
 * Brings each published checkpoint to all witnesses, and puts it, with the cosignatures that verify, beside the log's own when
 * they are enough. A witness that is away or lies holds up nothing here: its lag tells, and that of the quorum.
 */
export function startWitnessing(options: WitnessingOptions): Witnessing {
  const { witnesses, nowMs, quorum = 1 } = options;
  const stop = new AbortController();
  let directory = lastTwoShards(options.directory)[0] ?? options.directory;
  let clients = clientsFor(directory);
  const states = new Map(
    witnesses.map(({ name }) => [name, { atMs: null as number | null, failing: null as string | null }]),
  );
  let latest: { note: string; size: number; timeS: number } | null = null;
  /** The checkpoint that all of them have cosigned. */
  let done = '';
  /** The last one that enough of them have cosigned, and when everything that was published had that. */
  let kept = '';
  let wholeAtMs = nowMs();

  function clientsFor(folder: string): { witness: TrustedWitness; client: WitnessClient }[] {
    return witnesses.map((witness) => ({ witness, client: createWitnessClient(folder, witness) }));
  }

  async function round(): Promise<void> {
    if (!(await isToMove())) return roundAt();
    const last = lastTwoShards(options.directory).at(-1) ?? directory;
    // What the shard ended with is cosigned before the next one is turned to.
    await roundAt();
    if ((await readPublished(directory))?.note !== kept) return;
    directory = last;
    clients = clientsFor(directory);
    await roundAt();
  }

  /** Whether a later shard has a published record, so that nothing more comes to this one. */
  async function isToMove(): Promise<boolean> {
    const last = lastTwoShards(options.directory).at(-1) ?? directory;
    return last !== directory && ((await readPublished(last))?.size ?? 0) > 0;
  }

  async function roundAt(): Promise<void> {
    const beganMs = nowMs();
    const published = await readPublished(directory);
    if (published === null || published.note === kept) wholeAtMs = beganMs;
    if (published === null || published.note === done) return;
    const answers = await Promise.all(
      clients.map(async ({ witness, client }) => {
        const answer = await withDeadline(stop.signal, options.deadlineMs, (signal) =>
          client.ask(published.note, signal),
        );
        note(witness.name, answer);
        return { name: witness.name, answer };
      }),
    );
    const cosigned = answers.flatMap(({ name, answer }) => (answer.kind === 'cosigned' ? [{ name, ...answer }] : []));
    if (cosigned.length < Math.max(1, quorum)) {
      for (const { name } of cosigned) states.set(name, { atMs: nowMs(), failing: null });
      return;
    }
    const whole = `${published.note}${cosigned.map(({ line }) => line).join('')}`;
    await replaceFile(options.fs, witnessedPath(directory), Buffer.from(whole));
    latest = { note: whole, size: published.size, timeS: Math.max(...cosigned.map(({ timeS }) => timeS)) };
    // Only now: what is not kept is of use to nobody.
    for (const { name } of cosigned) states.set(name, { atMs: nowMs(), failing: null });
    kept = published.note;
    wholeAtMs = beganMs;
    if (cosigned.length === clients.length) done = published.note;
  }

  function note(witness: string, answer: Asked): void {
    const state = states.get(witness);
    if (state === undefined) return;
    if (answer.kind === 'cosigned') return;
    if (answer.kind === 'ahead') {
      state.failing = `it has cosigned ${answer.size} records, which is more than there are`;
      options.onAhead(witness, answer.size);
    } else {
      state.failing = answer.reason;
    }
  }

  const running = (async () => {
    while (!stop.signal.aborted) {
      await round().catch((thrown: unknown) => {
        for (const state of states.values()) state.failing = `cannot be kept: ${Fault.from(thrown).message}`;
      });
      await pause(options.intervalMs, stop.signal);
    }
  })();

  return {
    status: () =>
      [...states].map(([witness, { atMs, failing }]) => ({
        witness,
        lagSeconds: atMs === null ? null : Math.max(0, (nowMs() - atMs) / 1000),
        failing,
      })),
    quorumLagSeconds: () => Math.max(0, (nowMs() - wholeAtMs) / 1000),
    latest: () => latest,
    stop: async () => {
      stop.abort();
      await running;
    },
  };
}

/** Folders of the last shards that may have to be witnessed: after a crash the end of one and the beginning of the next. */
function lastTwoShards(home: string): string[] {
  return shardsIn(nodeFs, home)
    .slice(-2)
    .map(({ folder }) => folder);
}

/**
 * Before a log is opened: whether a witness knows more of it than lies in the directory, which then was rolled back or is
 * a copy of another time. Null: none does, or none that can be reached says so.
 */
export async function findAhead(
  directory: string,
  witnesses: readonly TrustedWitness[],
  deadlineMs: number,
): Promise<{ readonly witness: string; readonly size: number } | null> {
  for (const folder of lastTwoShards(directory)) {
    const ahead = await findAheadOf(folder, witnesses, deadlineMs);
    if (ahead !== null) return ahead;
  }
  return null;
}

async function findAheadOf(
  directory: string,
  witnesses: readonly TrustedWitness[],
  deadlineMs: number,
): Promise<{ readonly witness: string; readonly size: number } | null> {
  const published = await readPublished(directory);
  if (published === null) return null;
  const never = new AbortController();
  const answers = await Promise.all(
    witnesses.map(async (witness) => {
      const client = createWitnessClient(directory, witness);
      const answer = await withDeadline(never.signal, deadlineMs, (signal) => client.ask(published.note, signal));
      return { witness: witness.name, answer };
    }),
  );
  for (const { witness, answer } of answers) if (answer.kind === 'ahead') return { witness, size: answer.size };
  return null;
}

/** Aborts what it does with `outer`, or when it takes longer. */
async function withDeadline<T>(outer: AbortSignal, ms: number, act: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  const timer = setTimeout(abort, ms);
  timer.unref();
  outer.addEventListener('abort', abort, { once: true });
  try {
    return await act(controller.signal);
  } finally {
    clearTimeout(timer);
    outer.removeEventListener('abort', abort);
  }
}
