import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { nodeFs } from '../../../src/audit/fs-port.ts';
import { rawPublicKey } from '../../../src/audit/keys.ts';
import { openLevelIndex } from '../../../src/audit/level-index.ts';
import { logsIn, readLogs } from '../../../src/audit/logs.ts';
import { verifierKey } from '../../../src/audit/note.ts';
import { readRecordAt } from '../../../src/audit/read.ts';
import { placeOf, shardAt } from '../../../src/audit/shards.ts';
import { readPosition } from '../../../src/audit/sinks/cursor.ts';
import { type ObjectStore, startSegmentShipper } from '../../../src/audit/sinks/segment-shipper.ts';
import type { Delivery, Sink, SinkEvent } from '../../../src/audit/sinks/sink.ts';
import { parseNoteKey, parseSignedCheckpoint } from '../../../src/audit/verify-note.ts';
import { verifyShards } from '../../../src/audit/verify-shards.ts';
import { createWitness } from '../../../src/audit/witness/witness.ts';
import { startWitnessServer } from '../../../src/audit/witness/witness-http.ts';
import { createWitnessKey } from '../../../src/audit/witness/witness-key.ts';
import { startWitnessing } from '../../../src/audit/witness/witnessing.ts';
import { testKeys, testOrigin } from '../../support/audit.ts';
import { eventually } from '../../support/eventually.ts';
import { createManualClock, type ManualClock } from '../../support/manual-clock.ts';
import { covered, dayMs, officer, openRetentionStack, type RetentionStack } from '../../support/retention.ts';
import { fastLimits, startTestShipper } from '../../support/sink-log.ts';

let directory = '';
let clock: ManualClock;
let open: RetentionStack | null = null;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'audit-around-'));
  clock = createManualClock(Date.UTC(2026, 0, 20));
});

afterEach(async () => {
  await open?.close();
  open = null;
  rmSync(directory, { recursive: true });
});

async function stack(options: Partial<Parameters<typeof openRetentionStack>[0]> = {}): Promise<RetentionStack> {
  await open?.close();
  const shard = { byMonth: true, recordsMax: null };
  open = await openRetentionStack({ directory, clock, shard, ...options });
  return open;
}

async function problems(): Promise<readonly string[]> {
  const reports = await verifyShards({ folders: await logsIn(directory), optionsOf: () => ({}) });
  return reports.flatMap((report) => [
    ...report.problems.map(({ what }) => `${report.origin}: ${what}`),
    ...report.overdue,
  ]);
}

const first = '000001-2026-01';
const second = '000002-2026-02';
const third = '000003-2026-03';

function shards(): string[] {
  return readdirSync(join(directory, 'shards'));
}

describe('the index over shards', () => {
  test('finds what lies in any of them, newest first, and whose outcome it is', async () => {
    const { log, exchange, index } = await stack();
    await exchange('e-1', 'alice');
    await log.append({
      kind: 'intent',
      exchange: 'e-2',
      session: 's-1',
      facts: { caller: { tenant: 'acme', pseudonym: 'bob' } },
      bodies: {},
    });
    clock.advance(20 * dayMs);
    await log.append({ kind: 'outcome', exchange: 'e-2', session: 's-1', facts: {}, bodies: {} });
    await exchange('e-3', 'alice');
    await covered(log);
    await index.catchUp();

    const { records } = await index.find({ session: 's-1', limit: 100 });
    expect(records.map(({ kind, exchange: id, shard }) => `${shard} ${kind} ${id}`)).toEqual([
      `${second} outcome e-3`,
      `${second} intent e-3`,
      `${second} outcome e-2`,
      `${first} intent e-2`,
      `${first} outcome e-1`,
      `${first} intent e-1`,
    ]);
    expect(records[2]).toMatchObject({ tenant: 'acme', subject: 'bob', sequence: placeOf(2, 1) });
    for (const row of records) {
      const record = await readRecordAt(shardAt(directory, row.shard ?? '').folder, row.segment, row.offset);
      expect(record?.id).toBe(row.id);
    }
    const page = await index.find({ session: 's-1', limit: 4 });
    expect((await index.find({ session: 's-1', limit: 4, before: page.next ?? 0 })).records.length).toBe(2);

    const again = await openLevelIndex(join(directory, 'index-2'), directory);
    await again.catchUp();
    expect((await again.find({ session: 's-1', limit: 100 })).records).toEqual(records);
    await again.close();
  });
});

describe('retention over shards', () => {
  test('what is past its time goes shard by shard, the log stays sound, and at last the shard itself', async () => {
    const kept = { bodiesMs: 10 * dayMs, metadataMs: 40 * dayMs, shardsMs: 30 * dayMs };
    const { exchange, retention } = await stack(kept);
    await exchange('e-1', 'alice');
    clock.advance(20 * dayMs);
    await exchange('e-2', 'alice');
    expect(await retention.expire()).toEqual({ epochs: 1, segments: 0, shards: 0 });
    expect(await problems()).toEqual([]);
    clock.advance(25 * dayMs);
    await exchange('e-3', 'alice');
    expect(await retention.expire()).toMatchObject({ segments: 1, shards: 0 });
    expect(await problems()).toEqual([]);
    clock.advance(20 * dayMs);
    await exchange('e-3b', 'alice');
    expect(await retention.expire()).toMatchObject({ segments: 2, shards: 0 });
    expect(readdirSync(join(directory, 'shards', first, 'segments'))).toEqual([]);
    expect(await problems()).toEqual([]);
    expect(shards()).toEqual([first, second, third]);
    clock.advance(31 * dayMs);
    await exchange('e-4', 'alice');
    expect(await retention.expire()).toMatchObject({ shards: 1 });
    expect(shards()).toEqual([second, third, '000004-2026-04']);
    expect(await problems()).toEqual([]);
    await stack(kept);
    expect(await problems()).toEqual([]);
  });

  test('a hold ordered in a shard keeps it, and what it covers in another', async () => {
    const kept = { bodiesMs: 1 * dayMs, metadataMs: 2 * dayMs, shardsMs: 1 * dayMs };
    const { exchange, retention, log } = await stack(kept);
    await exchange('e-1', 'alice', 's-held');
    clock.advance(20 * dayMs);
    await exchange('e-2', 'bob');
    const hold = await retention.hold({ session: 's-held' }, officer);
    await covered(log);
    clock.advance(90 * dayMs);
    await exchange('e-3', 'bob');
    await retention.expire();
    await covered(log);
    clock.advance(90 * dayMs);
    await exchange('e-4', 'bob');
    await retention.expire();
    expect(readdirSync(join(directory, 'shards', first, 'segments')).length).toBe(1);
    expect(shards().slice(0, 2)).toEqual([first, second]);
    expect(await problems()).toEqual([]);
    await retention.release(hold.id, officer);
    await covered(log);
    for (let round = 0; round < 3; round += 1) {
      await retention.expire();
      await covered(log);
      clock.advance(5 * dayMs);
      await exchange(`e-5-${round}`, 'bob');
    }
    expect(shards()).not.toContain(first);
    expect(await problems()).toEqual([]);
  });

  test('an erasure counts for all shards, and explains what is absent in those before', async () => {
    const { exchange, retention, log } = await stack();
    await exchange('e-1', 'alice');
    clock.advance(20 * dayMs);
    await exchange('e-2', 'bob');
    expect((await retention.erase('alice', officer)).ok).toBe(true);
    await covered(log);
    expect(await problems()).toEqual([]);
    const without = await verifyShards({ folders: [join(directory, 'shards', first)], optionsOf: () => ({}) });
    expect(without[0]?.problems.some(({ what }) => what.startsWith('the key of a data subject is missing'))).toBe(true);
  });

  test.each(['record expire', 'remove segment', 'forget rows', 'remove shard', 'keep explanations'])(
    'a crash before "%s" is mended by the next start',
    async (crash) => {
      const kept = { bodiesMs: 1 * dayMs, metadataMs: 2 * dayMs, shardsMs: 1 * dayMs };
      const { exchange } = await stack(kept);
      await exchange('e-1', 'alice');
      for (let round = 0; round < 2; round += 1) {
        clock.advance(40 * dayMs);
        let isCrashed = true;
        const {
          exchange: put,
          retention,
          log,
        } = await stack({
          ...kept,
          onStep: (step) => {
            if (step !== crash || isCrashed) return;
            isCrashed = true;
            throw new Error('crashed');
          },
        });
        await put(`e-2-${round}`, 'alice');
        isCrashed = false;
        await retention.expire().catch(() => undefined);
        await covered(log);
        await stack(kept);
        expect(await problems()).toEqual([]);
      }
      const left = await stack(kept);
      for (let round = 0; round < 3; round += 1) {
        await left.retention.expire();
        await covered(left.log);
        clock.advance(5 * dayMs);
      }
      expect(await problems()).toEqual([]);
      expect(shards()).not.toContain(first);
    },
  );
});

describe('sinks over shards', () => {
  const delivered: Delivery = { kind: 'settled', rejected: [], retry: [], afterMs: null };

  function collecting(): Sink & { readonly taken: SinkEvent[] } {
    const taken: SinkEvent[] = [];
    return {
      taken,
      deliver: async (events) => {
        taken.push(...events);
        return delivered;
      },
      close: async () => {},
    };
  }

  async function ids(): Promise<string[]> {
    const found: string[] = [];
    for await (const { id } of readLogs(await logsIn(directory))) found.push(id);
    return found;
  }

  test('a sink gets every record of each, and the last checkpoint of each, and goes on where it was', async () => {
    const state = join(directory, 'sinks');
    const { exchange, log } = await stack();
    const sink = collecting();
    const shipper = await startTestShipper(directory, state, sink);
    for (const days of [20, 20, 20]) {
      await exchange(`e-${clock.nowMs()}`, 'alice');
      clock.advance(days * dayMs);
    }
    await exchange('e-last', 'alice');
    await covered(log);
    await eventually('all records', async () =>
      sink.taken.filter(({ kind }) => kind !== 'checkpoint').length === (await ids()).length ? true : undefined,
    );
    await shipper.stop(60_000);
    const records = sink.taken.filter(({ kind }) => kind !== 'checkpoint');
    expect(records.map(({ id }) => id)).toEqual(await ids());
    const heads = sink.taken.filter(({ kind }) => kind === 'checkpoint').map(({ id }) => id);
    expect(new Set(heads).size).toBe(heads.length);
    expect(heads.map((id) => id.split('/').at(-2))).toEqual([first, second, third]);
    expect(readPosition(nodeFs, state, 'test')).toMatchObject({ shard: third });

    await exchange('e-more', 'alice');
    clock.advance(31 * dayMs);
    await exchange('e-more-2', 'alice');
    const again = collecting();
    const next = await startTestShipper(directory, state, again);
    await eventually('the rest', async () =>
      again.taken.some(({ sequence, origin }) => origin.endsWith('2026-04') && sequence === 2) ? true : undefined,
    );
    await next.stop(60_000);
    const more = again.taken.filter(({ kind }) => kind !== 'checkpoint').map(({ id }) => id);
    expect([...records.map(({ id }) => id), ...more]).toEqual(await ids());
    expect(next.status().lagRecords).toBe(0);
  });

  test('segments go under the name of their shard, the last one of an ended shard too', async () => {
    const { exchange, log } = await stack();
    const objects = new Set<string>();
    const store: ObjectStore = {
      put: async (key) => {
        objects.add(key);
        return 'stored';
      },
      close: async () => {},
    };
    const shipper = await startSegmentShipper({
      name: 'worm',
      log: directory,
      origin: testOrigin,
      state: join(directory, 'sinks'),
      store,
      limits: fastLimits,
      fs: nodeFs,
      random: (size) => Buffer.alloc(size),
      nowMs: clock.nowMs,
    });
    for (const name of ['e-1', 'e-2', 'e-3']) {
      await exchange(name, 'alice');
      clock.advance(20 * dayMs);
    }
    await covered(log);
    await eventually('both ended shards', () =>
      objects.has(`${testOrigin}/${second}/segments/0000000000000000.seg`) ? true : undefined,
    );
    await shipper.stop(60_000);
    for (const name of [first, second]) {
      const size = parseSignedCheckpoint(nodeFs.read(join(directory, 'shards', name, 'checkpoint'))?.toString() ?? '');
      if (typeof size === 'string') throw new Error(size);
      expect([...objects]).toContain(`${testOrigin}/${name}/segments/0000000000000000.seg`);
      expect([...objects]).toContain(`${testOrigin}/${name}/checkpoints/${String(size.size).padStart(16, '0')}`);
    }
  });
});

test('a witness of the log cosigns the end of each shard and goes on with the next', async () => {
  const key = createWitnessKey('witness.example/w1', Buffer.alloc(32, 9));
  const logKey = parseNoteKey(verifierKey(testOrigin, rawPublicKey(testKeys().signingKey)));
  const own = parseNoteKey(key.verifierKey);
  if (logKey === null || own === null) throw new Error('no key');
  const state = mkdtempSync(join(tmpdir(), 'witness-state-'));
  const witness = createWitness({ fs: nodeFs, directory: state, key, logs: [logKey], nowMs: clock.nowMs });
  const server = await startWitnessServer(witness, { host: '127.0.0.1', port: 0, onFailure: () => undefined });
  const { exchange, log } = await stack();
  await exchange('e-1', 'alice');
  const witnessing = startWitnessing({
    directory,
    witnesses: [{ name: 'w1', key: own, url: `http://127.0.0.1:${server.port}` }],
    fs: nodeFs,
    intervalMs: 5,
    deadlineMs: 2_000,
    nowMs: () => Number(clock.monoNs() / 1_000_000n),
    onAhead: () => undefined,
  });
  await eventually('a first cosignature', () => witnessing.latest() ?? undefined);
  clock.advance(20 * dayMs);
  await exchange('e-2', 'alice');
  await covered(log);
  await eventually('one of the next shard', () =>
    witnessing.latest()?.note.startsWith(`${testOrigin}/${second}\n`) ? true : undefined,
  );
  await witnessing.stop();
  await server.close();
  const trust = {
    logs: [logKey],
    witnesses: [{ name: 'w1', key: own, url: null }],
    quorum: { kind: 'witness' as const, witness: { name: 'w1', key: own, url: null } },
  };
  const reports = await verifyShards({ folders: await logsIn(directory), optionsOf: () => ({ trust }) });
  expect(reports.map(({ problems: found, witnessed }) => [found, witnessed?.hasQuorum])).toEqual([
    [[], true],
    [[], true],
  ]);
  expect(reports[0]?.witnessed?.size).toBe(reports[0]?.checkpointed);
  expect(existsSync(join(directory, 'checkpoint.witnessed'))).toBe(false);
  rmSync(state, { recursive: true });
});
