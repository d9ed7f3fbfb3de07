import { mkdir } from 'node:fs/promises';
import { type BatchOperation, ClassicLevel } from 'classic-level';
import { Fault } from '../lib/fault.ts';
import { limits } from '../lib/limits.ts';
import { createTurns } from '../lib/turns.ts';
import type { Approval } from './approval.ts';
import { approvalFrom, object, parse } from './codec.ts';
import { createHints } from './hints.ts';
import { createRecordedStore, type RecordedStoreDeps, type RecordedStoreOptions } from './recorded-store.ts';
import { consume } from './state-machine.ts';
import type { ApprovalStore } from './store.ts';
import type { ApprovalTable, Keeping, Row, Unsettled } from './table.ts';

export interface LevelStoreOptions extends RecordedStoreOptions {
  /** Made when it is not there. */
  readonly directory: string;
}

/**
 * Approvals in an embedded LevelDB: durable (each write is synced), for one process. Throws Fault `approval_unavailable`
 * when another process has the directory open: replicas share approvals by Redis, never by a shared directory.
 */
export async function createLevelStore(options: LevelStoreOptions, deps: RecordedStoreDeps): Promise<ApprovalStore> {
  return createRecordedStore(await openLevelTable(options.directory), deps, options);
}

/** A row with what is needed to find its index entries again. */
interface Stored extends Row {
  readonly nextAtMs: number;
  /** Position of its last change; 0: it was not settled yet. */
  readonly changedAt: number;
  /** When each unsettled transition was written. */
  readonly writtenAtMs: Readonly<Record<string, number>>;
}

type Operation = BatchOperation<ClassicLevel, string, string>;

/**
 * Keys: `a!<id>` row · `d!<digest>` id of the latest row · `s!<state>!<id>` · `n!<next look>!<id>` ·
 * `u!<written at>!<id>!<version>` unsettled transition · `c!<position>!<id>` last change · `e!<exchange>` id ·
 * `k!<key>` claim · `x!<until>!<key>` its end. Each change is one synced batch, and changes run one at a time.
 */
export async function openLevelTable(directory: string): Promise<ApprovalTable> {
  let db: ClassicLevel;
  try {
    // First of all: the database would make it readable for everybody, and begins to as soon as there is one. Its files are as the
    // process's umask has them.
    await mkdir(directory, { recursive: true, mode: 0o700 });
    db = new ClassicLevel(directory);
    await db.open();
  } catch (thrown) {
    throw openFailure(directory, thrown);
  }
  const hints = createHints();
  const exclusively = createTurns({
    waitingMax: limits.storeCallsMax,
    overflow: () => new Fault('approval_unavailable', 'too many changes wait for the embedded store'),
  });

  const load = async (id: string): Promise<Stored | null> => {
    const value = await guarded(() => db.get(`a!${id}`));
    return value === undefined ? null : decodeStored(value);
  };
  const write = (operations: Operation[]) => guarded(() => db.batch(operations, { sync: true }));
  const latestId = (digest: string) => guarded(() => db.get(`d!${digest}`));
  const exchangeId = (exchange: string) => guarded(() => db.get(`e!${exchange}`));
  const lastChange = async (): Promise<number> => {
    const [last] = await guarded(() => db.keys({ gt: 'c!', lt: 'c!\uffff', reverse: true, limit: 1 }).all());
    return last === undefined ? 0 : changePosition(last);
  };
  const keys = (gt: string, lt: string, limit: number) => guarded(() => db.keys({ gt, lt, limit }).all());

  /** Row and index entries after a change, the old entries removed. */
  const replace = (old: Stored | null, row: Stored): Operation[] => {
    const { id, state } = row.approval;
    const operations: Operation[] = [];
    if (old !== null) {
      operations.push({ type: 'del', key: `s!${old.approval.state}!${id}` });
      operations.push({ type: 'del', key: nextKey(old.nextAtMs, id) });
      if (old.changedAt !== row.changedAt) operations.push({ type: 'del', key: changeKey(old.changedAt, id) });
    }
    if (row.changedAt > 0) operations.push({ type: 'put', key: changeKey(row.changedAt, id), value: '' });
    operations.push({
      type: 'put',
      key: `a!${id}`,
      value: JSON.stringify(row),
    });
    operations.push({ type: 'put', key: `s!${state}!${id}`, value: '' });
    operations.push({ type: 'put', key: nextKey(row.nextAtMs, id), value: '' });
    return operations;
  };
  const unsettledPut = (approval: Approval, before: Approval | null, atMs: number): Operation => {
    return {
      type: 'put',
      key: unsettledKey(atMs, approval),
      value: JSON.stringify({ approval, before }),
    };
  };

  const read = async (id: string): Promise<Row | null> => {
    const row = await load(id);
    return row === null ? null : { approval: row.approval, staged: row.staged };
  };

  return {
    read,
    latest: async (digest) => {
      const id = await latestId(digest);
      return id === undefined ? null : read(id);
    },
    insert: (approval, replaces, keeping, nowMs) =>
      exclusively(async () => {
        if (((await latestId(approval.digest)) ?? null) !== replaces) return false;
        const row = stored(approval, null, keeping, { [approval.version]: nowMs }, 0);
        await write([
          ...replace(null, row),
          { type: 'put', key: `d!${approval.digest}`, value: approval.id },
          { type: 'put', key: `e!${approval.held.exchange}`, value: approval.id },
          unsettledPut(approval, null, nowMs),
        ]);
        return true;
      }),
    stage: (after, nowMs) =>
      exclusively(async () => {
        const row = await load(after.id);
        if (row === null || row.staged !== null || row.approval.version !== after.version - 1) return false;
        const staged = {
          ...row,
          staged: after,
          writtenAtMs: { ...row.writtenAtMs, [after.version]: nowMs },
        };
        await write([...replace(row, staged), unsettledPut(after, row.approval, nowMs)]);
        return true;
      }),
    consume: (seen, keeping, nowMs) =>
      exclusively(async () => {
        const row = await load(seen.id);
        if (row === null || row.staged !== null) return null;
        const consumed = consume(row.approval, nowMs);
        if (!consumed.ok) return null;
        const after = consumed.value;
        const writtenAtMs = { ...row.writtenAtMs, [after.version]: nowMs };
        const next = after.state === 'approved' ? keeping : { ...keeping, nextAtMs: keeping.purgeAtMs };
        await write([
          ...replace(row, stored(after, null, next, writtenAtMs, row.changedAt)),
          unsettledPut(after, row.approval, nowMs),
        ]);
        return after;
      }),
    settle: async (after, keeping, nowMs) => {
      await exclusively(async () => {
        const row = await load(after.id);
        const atMs = row?.writtenAtMs[after.version];
        if (row === null || atMs === undefined) return;
        const { [after.version]: _settled, ...writtenAtMs } = row.writtenAtMs;
        const changedAt = Math.max((await lastChange()) + 1, nowMs);
        const promoted = row.staged !== null && row.staged.version === after.version;
        const settled = promoted
          ? stored(row.staged, null, keeping, writtenAtMs, changedAt)
          : { ...row, writtenAtMs, changedAt };
        await write([...replace(row, settled), { type: 'del', key: unsettledKey(atMs, after) }]);
      });
      hints.tell({ kind: 'changed', id: after.id });
    },
    unsettled: async (untilMs, _nowMs, count) => {
      const options = {
        gt: 'u!',
        lt: `u!${padded(untilMs + 1)}`,
        limit: count,
      };
      return (await guarded(() => db.values(options).all())).map(decodeUnsettled);
    },
    due: async (nowMs, count) => {
      const found = await keys('n!', `n!${padded(nowMs + 1)}`, count);
      return found.map((key) => key.slice(key.indexOf('!', 2) + 1));
    },
    remove: (approval) =>
      exclusively(async () => {
        const row = await load(approval.id);
        if (row === null || Object.keys(row.writtenAtMs).length > 0) return;
        const { id, digest, state } = row.approval;
        const operations: Operation[] = [
          { type: 'del', key: `a!${id}` },
          { type: 'del', key: `s!${state}!${id}` },
          { type: 'del', key: nextKey(row.nextAtMs, id) },
          { type: 'del', key: changeKey(row.changedAt, id) },
        ];
        const { exchange } = row.approval.held;
        if ((await exchangeId(exchange)) === id) operations.push({ type: 'del', key: `e!${exchange}` });
        if ((await latestId(digest)) === id) operations.push({ type: 'del', key: `d!${digest}` });
        await write(operations);
      }),
    scan: async (state, after, count) => {
      const prefix = state === null ? 'a!' : `s!${state}!`;
      const range = {
        gt: prefix,
        lt: after === null ? `${prefix}\uffff` : `${prefix}${after}`,
        reverse: true,
      };
      const ids = (await guarded(() => db.keys({ ...range, limit: count }).all())).map((key) =>
        key.slice(prefix.length),
      );
      const rows = await guarded(() => db.getMany(ids.map((id) => `a!${id}`)));
      return {
        approvals: rows.flatMap((value) => (value === undefined ? [] : [decodeStored(value).approval])),
        last: ids.length < count ? null : (ids.at(-1) ?? null),
      };
    },
    byExchange: async (exchange) => {
      const id = await exchangeId(exchange);
      return id === undefined ? null : read(id);
    },
    changes: async (after, count) => {
      const found = await keys(`c!${padded(after)}!\uffff`, 'c!\uffff', count);
      return found.map((key) => ({ at: changePosition(key), id: key.slice(key.indexOf('!', 2) + 1) }));
    },
    lastChange,
    count: async (state, from, to) => {
      const found = await guarded(() => db.keys({ gte: `s!${state}!${from}`, lt: `s!${state}!${to}` }).all());
      return found.length;
    },
    claim: (key, content, untilMs, nowMs) =>
      exclusively(async () => {
        const claimed = await guarded(() => db.get(`k!${key}`));
        if (claimed !== undefined) {
          const { until, content: bound } = object(parse(claimed), 'claim');
          if (Number(until) > nowMs) return String(bound);
          await write([{ type: 'del', key: `x!${padded(Number(until))}!${key}` }]);
        }
        await write([
          { type: 'put', key: `k!${key}`, value: JSON.stringify({ until: untilMs, content }) },
          { type: 'put', key: `x!${padded(untilMs)}!${key}`, value: '' },
        ]);
        return content;
      }),
    release: (key, content) =>
      exclusively(async () => {
        const claimed = await guarded(() => db.get(`k!${key}`));
        if (claimed === undefined) return;
        const { until, content: bound } = object(parse(claimed), 'claim');
        if (bound !== content) return;
        await write([
          { type: 'del', key: `k!${key}` },
          { type: 'del', key: `x!${padded(Number(until))}!${key}` },
        ]);
      }),
    forgetClaims: (nowMs, count) =>
      exclusively(async () => {
        const over = await keys('x!', `x!${padded(nowMs + 1)}`, count);
        if (over.length === 0) return;
        await write(
          over.flatMap((key): Operation[] => [
            { type: 'del', key },
            { type: 'del', key: `k!${key.slice(key.indexOf('!', 2) + 1)}` },
          ]),
        );
      }),
    subscribe: hints.subscribe,
    close: () => guarded(() => db.close()),
  };
}

function stored(
  approval: Approval,
  staged: Approval | null,
  keeping: Keeping,
  writtenAtMs: Readonly<Record<string, number>>,
  changedAt: number,
): Stored {
  return { approval, staged, nextAtMs: keeping.nextAtMs, writtenAtMs, changedAt };
}

function decodeStored(json: string): Stored {
  const from = object(parse(json), 'row');
  const { nextAtMs, writtenAtMs } = from;
  const written: Record<string, number> = {};
  for (const [version, atMs] of Object.entries(object(writtenAtMs, 'writtenAtMs'))) written[version] = Number(atMs);
  return {
    approval: approvalFrom(object(from['approval'], 'approval')),
    staged: from['staged'] === null ? null : approvalFrom(object(from['staged'], 'staged')),
    nextAtMs: Number(nextAtMs),
    // Rows from before changes had positions are as if not settled yet.
    changedAt: Number(from['changedAt'] ?? 0),
    writtenAtMs: written,
  };
}

function decodeUnsettled(json: string): Unsettled {
  const from = object(parse(json), 'unsettled');
  return {
    approval: approvalFrom(object(from['approval'], 'approval')),
    before: from['before'] === null ? null : approvalFrom(object(from['before'], 'before')),
  };
}

function nextKey(atMs: number, id: string): string {
  return `n!${padded(atMs)}!${id}`;
}

function changeKey(position: number, id: string): string {
  return `c!${padded(position)}!${id}`;
}

function changePosition(key: string): number {
  return Number(key.slice(2, key.indexOf('!', 2)));
}

function unsettledKey(atMs: number, approval: Approval): string {
  return `u!${padded(atMs)}!${approval.id}!${String(approval.version).padStart(10, '0')}`;
}

/** Decimal of fixed width, so that keys sort as numbers do. */
function padded(ms: number): string {
  return String(Math.max(0, ms)).padStart(16, '0');
}

async function guarded<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (thrown) {
    throw thrown instanceof Fault ? thrown : new Fault('approval_unavailable', 'the embedded store failed', thrown);
  }
}

function openFailure(directory: string, thrown: unknown): Fault {
  const cause = thrown instanceof Error ? thrown.cause : undefined;
  const locked = cause instanceof Error && 'code' in cause && cause.code === 'LEVEL_LOCKED';
  const why = locked
    ? 'is in use by another process: the embedded store serves one process, use Redis for several'
    : 'cannot be opened';
  return new Fault('approval_unavailable', `the approval store ${directory} ${why}`, thrown);
}
