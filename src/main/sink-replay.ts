import { randomUUID } from 'node:crypto';
import { nodeFs } from '../audit/fs-port.ts';
import type { AuditKeys } from '../audit/keys.ts';
import { readRecords, type StoredRecord } from '../audit/read.ts';
import { shardsIn } from '../audit/shards.ts';
import { backOffMs } from '../audit/sinks/back-off.ts';
import { createRenderer, type Product } from '../audit/sinks/format.ts';
import { readPublished } from '../audit/sinks/log-tail.ts';
import { deadlineOf, openSink } from '../audit/sinks/open-sink.ts';
import { sendAll } from '../audit/sinks/send.ts';
import { createSentPromptReader } from '../audit/sinks/sent-prompt.ts';
import type { SinkEvent } from '../audit/sinks/sink.ts';
import type { SinkSpec } from '../audit/sinks/sink-spec.ts';
import type { AuditConfig } from '../config/config.ts';
import { systemClock } from '../lib/clock.ts';
import { createPooledRandom } from '../lib/ids.ts';
import { CliError, exitCodes } from './output.ts';

export interface ReplayRange {
  readonly config: AuditConfig;
  readonly product: Product;
  /** Nanoseconds since the epoch, the end excluded. */
  readonly from: bigint;
  readonly to: bigint;
  /** Ids of the only events to send; null: all. */
  readonly only: ReadonlySet<string> | null;
  /** For a sink that is given the prompts that were sent; null: it is not. */
  readonly keys: Pick<AuditKeys, 'unwrap'> | null;
}

async function* publishedRecords(directory: string): AsyncGenerator<StoredRecord> {
  for (const { folder } of shardsIn(nodeFs, directory)) {
    const covered = (await readPublished(folder))?.size ?? 0;
    for await (const record of readRecords(folder)) {
      if (record.sequence >= covered) break;
      yield record;
    }
  }
}

/** Sends what was put on record within the range to a sink, until it has it; interrupted by SIGINT. */
export async function replayTo(spec: SinkSpec, range: ReplayRange): Promise<{ delivered: number; dead: number }> {
  const { config, product } = range;
  const opened = await openSink(spec, {
    product,
    nowMs: systemClock.nowMs,
    nowNs: systemClock.nowNs,
    channel: randomUUID(),
  });
  if (opened.kind === 'segments') {
    throw new CliError(
      `${spec.name} takes whole segments: remove its cursor to have them sent again.`,
      exitCodes.usage,
    );
  }
  const renderer = createRenderer(spec.format, spec.projection, product, config.origin);
  const readPrompt =
    range.keys === null ? null : createSentPromptReader(config.directory, spec.promptBytesMax, range.keys);
  const random = createPooledRandom();
  const stop = new AbortController();
  const interrupt = (): void => stop.abort();
  process.once('SIGINT', interrupt);
  const counts = { delivered: 0, dead: 0 };
  const send = async (events: readonly SinkEvent[]): Promise<void> => {
    const isDone = await sendAll(events, {
      sink: opened.sink,
      deadlineMs: deadlineOf(spec),
      signal: stop.signal,
      waitMs: (attempt, wishedMs) => backOffMs(attempt, wishedMs, random),
      onFailed: (reason) => process.stderr.write(`countersign: ${spec.name}: ${reason}; trying again\n`),
      onDelivered: (count) => {
        counts.delivered += count;
      },
      onDead: async (event, reason) => {
        counts.dead += 1;
        process.stderr.write(`countersign: ${spec.name}: ${event.id}: ${reason}\n`);
      },
    });
    if (!isDone) throw new CliError('interrupted; what was delivered stays delivered.');
  };
  try {
    let batch: SinkEvent[] = [];
    let bytes = 0;
    for await (const record of publishedRecords(config.directory)) {
      // Also those outside of the range: an outcome is told with what its intent said.
      const isMeant = record.wallNs >= range.from && record.wallNs < range.to;
      const events = renderer.record(record, isMeant ? await readPrompt?.(record) : null);
      if (!isMeant) continue;
      const meant = range.only === null ? events : events.filter(({ id }) => range.only?.has(id));
      batch.push(...meant);
      bytes += meant.reduce((sum, { json }) => sum + json.length, 0);
      if (batch.length < spec.batch.records && bytes < spec.batch.bytes) continue;
      await send(batch);
      batch = [];
      bytes = 0;
    }
    if (batch.length > 0) await send(batch);
    return counts;
  } finally {
    process.removeListener('SIGINT', interrupt);
    await opened.sink.close();
  }
}
