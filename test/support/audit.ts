import type { AuditEntry } from '../../src/audit/entry.ts';
import { type FileLog, type FileLogOptions, openFileLog } from '../../src/audit/file-log.ts';
import { type AuditKeys, createAuditKeys } from '../../src/audit/keys.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { createPooledRandom, createUuidV7 } from '../../src/lib/ids.ts';
import { noMetrics, silentLog } from '../../src/telemetry/telemetry.ts';

export const testOrigin = 'audit.example.com/test/gw-0';

/** Keys of a constant pattern: fixtures, not secrets. */
export function testKeys(): AuditKeys {
  return createAuditKeys({ kek: Buffer.alloc(32, 1), signingSeed: Buffer.alloc(32, 2) }, createPooledRandom());
}

export function openTestLog(directory: string, options: Partial<FileLogOptions> = {}): Promise<FileLog> {
  const random = createPooledRandom();
  return openFileLog({
    directory,
    origin: testOrigin,
    keys: testKeys(),
    clock: systemClock,
    random,
    newId: createUuidV7(systemClock, random),
    observe: { log: silentLog, metrics: noMetrics },
    ...options,
    limits: { freeBytesMin: 0, checkpointIntervalMs: 20, ...options.limits },
  });
}

export function intentEntry(exchange: string, prompt = `prompt of ${exchange}`): AuditEntry {
  return {
    kind: 'intent',
    exchange,
    session: 'session-1',
    facts: { decision: { action: 'allow' } },
    bodies: {
      prompt_original: { mediaType: 'application/json', bytes: Buffer.from(prompt) },
      caller: { mediaType: 'application/json', bytes: Buffer.from('{"id":"alice"}') },
    },
  };
}

export function outcomeEntry(exchange: string, answer = `answer to ${exchange}`): AuditEntry {
  return {
    kind: 'outcome',
    exchange,
    session: 'session-1',
    facts: { final: false },
    bodies: { output: { mediaType: 'text/event-stream', bytes: Buffer.from(answer) } },
  };
}

export function bareEntry(kind: AuditEntry['kind']): AuditEntry {
  return { kind, exchange: '', session: '', facts: {}, bodies: {} };
}
