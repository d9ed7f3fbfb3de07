import { join } from 'node:path';
import { Fault } from '../../lib/fault.ts';
import { type FsPort, replaceFile } from '../fs-port.ts';
import { pause, readPublished } from '../sinks/log-tail.ts';
import type { TrustedWitness } from '../verify-trust.ts';
import { type Asked, createWitnessClient } from './witness-client.ts';

export interface WitnessStatus {
  readonly witness: string;
  /** Seconds since its last cosignature; null: none yet in this run. */
  readonly lagSeconds: number | null;
  readonly failing: string | null;
}

export interface Witnessing {
  status(): readonly WitnessStatus[];
  /** The latest checkpoint with cosignatures, as a note; null: none yet. */
  latest(): { readonly note: string; readonly size: number; readonly timeS: number } | null;
  stop(): Promise<void>;
}

export interface WitnessingOptions {
  readonly directory: string;
  readonly witnesses: readonly TrustedWitness[];
  readonly fs: FsPort;
  readonly intervalMs: number;
  readonly deadlineMs: number;
  readonly nowMs: () => number;
  /** A witness that knows more of this log than there is. */
  onAhead(witness: string, size: number): void;
}

/** The last checkpoint with the cosignatures of witnesses. The log's own writer never touches it. */
export function witnessedPath(directory: string): string {
  return join(directory, 'checkpoint.witnessed');
}

/**
 * Brings each published checkpoint to all witnesses, and puts it, with the cosignatures that verify, beside the log's own.
 * A witness that is away or lies holds up nothing: its lag tells.
 */
export function startWitnessing(options: WitnessingOptions): Witnessing {
  const { directory, witnesses, nowMs } = options;
  const stop = new AbortController();
  const clients = witnesses.map((witness) => ({ witness, client: createWitnessClient(directory, witness) }));
  const states = new Map(
    witnesses.map(({ name }) => [name, { atMs: null as number | null, failing: null as string | null }]),
  );
  let latest: { note: string; size: number; timeS: number } | null = null;
  let done = '';

  async function round(): Promise<void> {
    const published = await readPublished(directory);
    if (published === null || published.note === done) return;
    const answers = await Promise.all(
      clients.map(async ({ witness, client }) => {
        const answer = await client.ask(published.note, deadline(stop.signal, options.deadlineMs));
        note(witness.name, answer);
        return { name: witness.name, answer };
      }),
    );
    const cosigned = answers.flatMap(({ name, answer }) => (answer.kind === 'cosigned' ? [{ name, ...answer }] : []));
    if (cosigned.length === 0) return;
    const whole = `${published.note}${cosigned.map(({ line }) => line).join('')}`;
    await replaceFile(options.fs, witnessedPath(directory), Buffer.from(whole));
    latest = { note: whole, size: published.size, timeS: Math.max(...cosigned.map(({ timeS }) => timeS)) };
    // Only now: what is not kept is of use to nobody.
    for (const { name } of cosigned) states.set(name, { atMs: nowMs(), failing: null });
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
    latest: () => latest,
    stop: async () => {
      stop.abort();
      await running;
    },
  };
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
  const published = await readPublished(directory);
  if (published === null) return null;
  const never = new AbortController();
  const answers = await Promise.all(
    witnesses.map(async (witness) => {
      const client = createWitnessClient(directory, witness);
      return { witness: witness.name, answer: await client.ask(published.note, deadline(never.signal, deadlineMs)) };
    }),
  );
  for (const { witness, answer } of answers) if (answer.kind === 'ahead') return { witness, size: answer.size };
  return null;
}

function deadline(signal: AbortSignal, ms: number): AbortSignal {
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), ms);
  timer.unref();
  signal.addEventListener('abort', () => controller.abort(), { once: true, signal: controller.signal });
  return controller.signal;
}
