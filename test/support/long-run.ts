import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { layout } from '../../src/audit/layout.ts';
import { verifyLog } from '../../src/audit/verify.ts';
import type { StartWriter } from '../../src/audit/writer-protocol.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { bareEntry, openTestLog, testOrigin } from './audit.ts';
import { isWholeByTessera } from './tessera.ts';

export interface LongRunOptions {
  /** Folder of the logs. */
  readonly folder: string;
  /** Records of all logs together. */
  readonly leaves: number;
  /** Hours of the wall clock that each log lives through: as many keys and, at least, segments. */
  readonly hours: number;
  /** One after the other, each under a name and in a directory of its own, as when a replica begins anew. */
  readonly logs: number;
  /** How the writers run; without it each in its thread. */
  readonly startWriter?: StartWriter;
  onHour?(usage: Usage): void;
}

/** What the process holds at the end of an hour. */
export interface Usage {
  readonly openFiles: number;
  readonly rssBytes: number;
}

export interface LongRunLog {
  readonly directory: string;
  readonly records: number;
  readonly segments: number;
  readonly problems: readonly unknown[];
  readonly verifyMs: number;
  /** Tessera's word on the whole of it. */
  readonly isWhole: boolean;
}

const inFlightMax = 2_000;
const hourMs = 3_600_000;

/** Days of a log's life as fast as the disk takes them: only the wall clock is hurried. Then each log is verified, by us and by Tessera. */
export async function longRun(
  options: LongRunOptions,
): Promise<{ readonly usage: readonly Usage[]; readonly logs: readonly LongRunLog[] }> {
  const { folder, leaves, hours, logs } = options;
  const usage: Usage[] = [];
  let hour = 0;
  const wallMs = (): number => systemClock.nowMs() + hour * hourMs;
  const clock = { ...systemClock, nowMs: wallMs, nowNs: () => BigInt(wallMs()) * 1_000_000n };
  const directories: string[] = [];
  for (let index = 0; index < logs; index++) {
    const directory = join(folder, `log-${index}`);
    directories.push(directory);
    const log = await openTestLog(directory, {
      clock,
      origin: `${testOrigin}/${index}`,
      // That a busy disk is slow is no finding here.
      limits: { checkpointIntervalMs: 1_000, deadlineMs: 60_000 },
      ...(options.startWriter ? { startWriter: options.startWriter } : {}),
    });
    for (let each = 0; each < hours; each++) {
      const before = hour;
      for (let left = Math.ceil(leaves / logs / hours); left > 0; left -= inFlightMax) {
        const count = Math.min(left, inFlightMax);
        await Promise.all(Array.from({ length: count }, () => log.append(bareEntry('policy'))));
      }
      hour = before + 1;
      const now = { openFiles: openFiles(), rssBytes: process.memoryUsage().rss };
      usage.push(now);
      options.onHour?.(now);
    }
    await log.close();
  }
  const checked: LongRunLog[] = [];
  for (const directory of directories) {
    const startedMs = performance.now();
    const { checkpointed, root, problems } = await verifyLog({ directory });
    const verifyMs = performance.now() - startedMs;
    checked.push({
      directory,
      records: checkpointed,
      segments: readdirSync(layout.segments(directory)).length,
      problems,
      verifyMs,
      isWhole: isWholeByTessera(directory, checkpointed, root, 30_000 + Math.ceil(checkpointed / 20)),
    });
  }
  return { usage, logs: checked };
}

function openFiles(): number {
  return readdirSync('/proc/self/fd').length;
}
