import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { countEntries } from '../../../src/audit/counted-log.ts';
import type { AuditLog } from '../../../src/audit/entry.ts';
import type { FileLog } from '../../../src/audit/file-log.ts';
import { nodeFs } from '../../../src/audit/fs-port.ts';
import { rawPublicKey } from '../../../src/audit/keys.ts';
import { checkpointBody, signNote } from '../../../src/audit/note.ts';
import { reportPeriod } from '../../../src/audit/report.ts';
import { verifyLog } from '../../../src/audit/verify.ts';
import { parseNoteKey } from '../../../src/audit/verify-note.ts';
import { verifyShards } from '../../../src/audit/verify-shards.ts';
import { parseTrustPolicy } from '../../../src/audit/verify-trust.ts';
import { createWitness } from '../../../src/audit/witness/witness.ts';
import { createWitnessKey } from '../../../src/audit/witness/witness-key.ts';
import { Fault } from '../../../src/lib/fault.ts';
import type { JsonObject } from '../../../src/lib/json.ts';
import { countDecisions, startBeacons } from '../../../src/main/beacons.ts';
import { noMetrics, silentLog } from '../../../src/telemetry/telemetry.ts';
import { bareEntry, intentEntry, openTestLog, outcomeEntry, testKeys, testOrigin } from '../../support/audit.ts';
import { inlineWriter } from '../../support/audit-fs.ts';
import { createManualClock } from '../../support/manual-clock.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'audit-beacons-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

const open = (options: Parameters<typeof openTestLog>[1] = {}): Promise<FileLog> =>
  openTestLog(directory, { startWriter: inlineWriter(nodeFs), ...options });

function beaconsOf(
  log: AuditLog,
  entries: ReturnType<typeof countEntries>,
  witnessed: Parameters<typeof startBeacons>[0]['witnessed'] = () => null,
) {
  return startBeacons({
    log,
    entries: entries.counts,
    decisions: () => ({ allow: entries.counts().intents.asked, hold: 0, deny: 0, fault: 0 }),
    witnessed,
    observe: silentLog,
  });
}

describe('what a service counts', () => {
  test('goes on record with what became of it, and only when there is something new', async () => {
    const told: JsonObject[] = [];
    const log: AuditLog = {
      append: async (entry) => {
        if (entry.exchange === 'lost') throw new Fault('audit_unavailable', 'a full disk');
        if (entry.kind === 'beacon') told.push(entry.facts);
        return { id: '', sequence: 0n };
      },
    };
    const entries = countEntries(log);
    const { metrics, counts } = countDecisions(noMetrics);
    const beacons = startBeacons({
      log,
      entries: entries.counts,
      decisions: counts,
      witnessed: () => null,
      observe: silentLog,
    });
    await entries.log.append(bareEntry('approval'));
    await beacons.stop();
    expect(told).toEqual([]);
    metrics.decision('request', 'allow');
    metrics.decision('response', 'allow');
    metrics.decision('request', 'fault');
    await entries.log.append(intentEntry('x-1'));
    await expect(entries.log.append(intentEntry('lost'))).rejects.toThrow('a full disk');
    await entries.log.append(outcomeEntry('x-1'));
    await beacons.stop();
    await beacons.stop();
    expect(told).toEqual([
      {
        counters: {
          decisions: { allow: 1, hold: 0, deny: 0, fault: 1 },
          intents: { asked: 2, recorded: 1, rejected: 1 },
          outcomes: { asked: 1, recorded: 1, rejected: 0 },
        },
      },
    ]);
  });

  test('agrees with what a log holds, from shard to shard and from run to run', async () => {
    for (const run of [0, 1]) {
      const log = await open({ shard: { byMonth: false, recordsMax: 6 } });
      const entries = countEntries(log);
      const beacons = beaconsOf(log, entries);
      for (let i = 0; i < 8; i++) {
        await entries.log.append(intentEntry(`x-${run}-${i}`));
        await entries.log.append(outcomeEntry(`x-${run}-${i}`));
        if (i % 3 === 1) await beacons.stop();
      }
      await beacons.stop();
      await log.close();
    }
    const folders = nodeFs.list(join(directory, 'shards')).map((name) => join(directory, 'shards', name));
    const reports = await verifyShards({ folders, optionsOf: () => ({}) });
    expect(folders.length).toBeGreaterThan(3);
    expect(reports.flatMap(({ problems }) => problems)).toEqual([]);
    expect(reports.reduce((sum, { beacons }) => sum + (beacons?.count ?? 0), 0)).toBe(6);
    const { counted } = await reportPeriod([directory, ...folders], 0, Date.now() + 1);
    expect(counted).toEqual({ decided: 16, rejected: 0 });
  });

  test('is reported for the period that is asked for, over several runs', async () => {
    const beacon = (decided: number, rejected: number) => ({
      ...bareEntry('beacon'),
      facts: {
        counters: {
          decisions: { allow: decided, fault: 1 },
          intents: { asked: 0, recorded: 0, rejected },
          outcomes: { asked: 0, recorded: 0, rejected: 1 },
        },
      },
    });
    const clock = createManualClock(Date.UTC(2026, 10, 22, 12));
    const runs = [[beacon(1, 0), beacon(5, 2)], [beacon(10, 0)]];
    for (const entries of runs) {
      const log = await open({ clock });
      for (const entry of entries) {
        await log.append(entry);
        clock.advance(60_000);
      }
      await log.close();
    }
    const from = Date.UTC(2026, 10, 22, 12, 0, 30);
    expect((await reportPeriod([directory], from, from + 3_600_000)).counted).toEqual({ decided: 15, rejected: 3 });
    expect((await reportPeriod([directory], 0, from)).counted).toEqual({ decided: 2, rejected: 1 });
  });

  const tally = (asked: number, recorded: number) => ({ asked, recorded, rejected: 0 });
  const none = tally(0, 0);
  test.each([
    { name: 'as many', intents: tally(3, 3), want: [] },
    { name: 'some under way', intents: tally(5, 2), want: [] },
    {
      name: 'one that is not there',
      intents: tally(4, 4),
      want: ['it counts at least 4 intents since the one before it, and there are 3'],
    },
    {
      name: 'one that nobody asked for',
      intents: tally(2, 2),
      want: ['it counts at most 2 intents since the one before it, and there are 3'],
    },
  ])('does not agree with a log that holds others: $name', async ({ intents, want }) => {
    const log = await open();
    for (const id of ['x-1', 'x-2', 'x-3']) await log.append(intentEntry(id));
    await log.append({ ...bareEntry('beacon'), facts: { counters: { intents, outcomes: none } } });
    // The next one is measured by what this one said.
    await log.append(outcomeEntry('x-1'));
    const outcomes = tally(1, 1);
    await log.append({ ...bareEntry('beacon'), facts: { counters: { intents, outcomes } } });
    await log.close();
    const { problems } = await verifyLog({ directory });
    expect(problems.map(({ what }) => what)).toEqual(want);
  });
});

describe("a witness's word", () => {
  const key = createWitnessKey('witness.example.com/w1', Buffer.alloc(32, 9));

  async function cosigned(note: string, timeS: number): Promise<string> {
    const logKey = parseNoteKey(readFileSync(join(directory, 'log.vkey'), 'utf8').trim());
    if (logKey === null) throw new Error('no key');
    const state = mkdtempSync(join(tmpdir(), 'audit-beacons-witness-'));
    const witness = createWitness({ fs: nodeFs, directory: state, key, logs: [logKey], nowMs: () => timeS * 1000 });
    const answer = await witness.addCheckpoint(`old 0\n\n${note}`);
    rmSync(state, { recursive: true });
    return `${note}${answer.body}`;
  }

  async function logWithBeacon(checkpoint: (note: string) => Promise<string> | string): Promise<void> {
    const first = await open();
    await first.append(intentEntry('x-1'));
    await first.close();
    const note = readFileSync(join(directory, 'checkpoint'), 'utf8');
    const second = await open();
    await second.append({ ...bareEntry('beacon'), facts: { checkpoint: await checkpoint(note) } });
    await second.append(outcomeEntry('x-1'));
    await second.close();
  }

  test('is of the log in which it stands, and counts for who trusts the witness', async () => {
    await logWithBeacon((note) => cosigned(note, 1_700_000_000));
    const trust = parseTrustPolicy(
      `log ${readFileSync(join(directory, 'log.vkey'), 'utf8').trim()}\nwitness w1 ${key.verifierKey}\nquorum none\n`,
    );
    if (typeof trust === 'string') throw new Error(trust);
    const { problems, beacons } = await verifyLog({ directory, trust });
    expect({ problems, beacons }).toEqual({
      problems: [],
      beacons: { count: 1, vouched: 1, fromS: 1_700_000_000, untilS: 1_700_000_000 },
    });
    expect((await verifyLog({ directory })).beacons).toEqual({ count: 1, vouched: 0, fromS: null, untilS: null });
  });

  const signed = (size: number, root: Buffer, origin = testOrigin): string => {
    const { signingKey } = testKeys();
    return signNote(checkpointBody({ origin, size, root }), origin, signingKey, rawPublicKey(signingKey));
  };
  test.each([
    {
      name: 'another tree',
      note: () => signed(2, Buffer.alloc(32, 3)),
      want: 'the log is not the one whose checkpoint it brings',
    },
    {
      name: 'more than there was',
      note: () => signed(99, Buffer.alloc(32, 3)),
      want: 'its checkpoint covers 99 records, which is more than there were',
    },
    {
      name: 'another log',
      note: () => signed(1, Buffer.alloc(32, 3), 'audit.example.com/other'),
      want: 'its checkpoint is of another log: audit.example.com/other',
    },
    {
      name: 'no signature of the log',
      note: (note: string) => note.replace(/ \S+\n$/, ` ${Buffer.alloc(68).toString('base64')}\n`),
      want: 'its checkpoint is not signed by this log',
    },
    { name: 'nothing', note: () => 'x', want: 'of its checkpoint: it is not a signed checkpoint' },
  ])('about $name is told', async ({ note, want }) => {
    await logWithBeacon(note);
    const { problems } = await verifyLog({ directory });
    expect(problems.map(({ check, what }) => [check, what])).toEqual([['records', want]]);
  });
});
