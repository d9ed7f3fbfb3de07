import { type BatchOperation, ClassicLevel } from 'classic-level';
import { Fault } from '../lib/fault.ts';
import { sha256Hex } from '../lib/hash.ts';
import { limits } from '../lib/limits.ts';
import { createTurns } from '../lib/turns.ts';
import { nodeFs } from './fs-port.ts';
import { readKept } from './kept.ts';
import { layout } from './layout.ts';
import { readRecords } from './read.ts';
import { fits, type IndexedRecord, type RecordIndex, type RecordQuery, rowOf, termsOf } from './record-index.ts';
import { placeOf, sequenceOfPlace, shardOfPlace, shardsIn } from './shards.ts';

type Operation = BatchOperation<ClassicLevel, string, string>;

/** What later records of an exchange take over from its first one. */
type Owner = Pick<IndexedRecord, 'tenant' | 'subject'>;

/**
 * The index in an embedded LevelDB, for one process, over all shards of a log. Keys: `r!<sequence>` row · `i!<id>` sequence · `t!<name>!<hash of value>!<sequence>`
 * · `x!<exchange>` tenant and subject · `next` what the log has next. Nothing is synced: what a crash takes away is read
 * again. It follows the published checkpoint, so it is about a second behind.
 */
export async function openLevelIndex(directory: string, log: string): Promise<RecordIndex> {
  // First of all: the database would make it readable for everybody, and begins to as soon as there is one.
  await guarded(() => nodeFs.makeDirectory(directory));
  const db = new ClassicLevel(directory);
  await guarded(() => db.open());
  // What writes. A turn that failed left no half batch behind, and `next` says from where it is read again.
  const inTurn = createTurns(null);

  const row = async (sequence: number): Promise<IndexedRecord | null> => {
    const value = await guarded(() => db.get(`r!${digits(sequence)}`));
    return value === undefined ? null : JSON.parse(value);
  };
  const next = async (): Promise<number> => Number((await guarded(() => db.get('next'))) ?? '0');

  async function catchUp(): Promise<number> {
    // Only what a checkpoint covers: no recovery takes that back.
    const shards = shardsIn(nodeFs, log).map(({ number, folder }) => {
      return { number, folder, covered: checkpointSize(nodeFs.read(layout.checkpoint(folder))) };
    });
    const last = shards.at(-1);
    let at = await next();
    if (at > placeOf(last?.number ?? 0, last?.covered ?? 0)) {
      await guarded(() => db.clear());
      at = 0;
    }
    const owners = createOwners(async (exchange) => {
      const value = await guarded(() => db.get(`x!${exchange}`));
      return value === undefined ? null : JSON.parse(value);
    });
    let operations: Operation[] = [];
    let records = 0;
    const flush = async (): Promise<void> => {
      if (operations.length === 0) return;
      const batch: Operation[] = [...operations, { type: 'put', key: 'next', value: String(at) }];
      operations = [];
      records = 0;
      await guarded(() => db.batch(batch));
    };
    if (at === 0) {
      for (const { folder } of shards) {
        for (const kept of await readKept(folder)) operations.push(...puts(rowOf(kept)));
      }
    }
    const indexed = at;
    for (const { number, folder, covered } of shards) {
      if (number < shardOfPlace(indexed)) continue;
      const from = number === shardOfPlace(indexed) ? sequenceOfPlace(indexed) : 0;
      for await (const record of readRecords(folder, { from })) {
        if (record.sequence >= covered) break;
        at = placeOf(number, record.sequence + 1);
        operations.push(...puts(await owners.complete(rowOf(record), operations)));
        records += 1;
        if (records >= batchRecords) await flush();
      }
    }
    await flush();
    return at;
  }

  /** The number of the first record that was put on record at or after a time; records are in order but for steps of the clock. */
  async function firstAt(ms: number): Promise<number> {
    let low = 0;
    let high = await next();
    while (low < high) {
      const middle = low + Math.floor((high - low) / 2);
      const [found] = await guarded(() => db.values({ gte: `r!${digits(middle)}`, lt: 'r!\uffff', limit: 1 }).all());
      const at: IndexedRecord | null = found === undefined ? null : JSON.parse(found);
      if (at === null || at.wallMs >= ms) high = middle;
      else low = at.sequence + 1;
    }
    return low;
  }

  async function find(query: RecordQuery): Promise<{ records: IndexedRecord[]; next: number | null }> {
    const found: IndexedRecord[] = [];
    let before = Math.min(query.before ?? Number.MAX_SAFE_INTEGER, await next());
    if (query.untilMs !== undefined) {
      // A clock that was set back may have put later records before this place: a little slack.
      before = Math.min(before, (await firstAt(query.untilMs)) + stepSlackRecords);
    }
    const prefix = prefixOf(query);
    const range = { gte: `${prefix}${digits(query.from ?? 0)}`, lt: `${prefix}${digits(Math.max(before, 0))}` };
    const keys = await guarded(() => db.keys({ ...range, reverse: true, limit: limits.auditScannedMax }).all());
    for (const key of keys) {
      const sequence = Number(key.slice(prefix.length));
      before = sequence;
      const candidate = await row(sequence);
      if (candidate !== null && fits(candidate, query)) found.push(candidate);
      if (found.length >= query.limit) return { records: found, next: sequence };
    }
    return { records: found, next: keys.length < limits.auditScannedMax ? null : before };
  }

  return {
    catchUp: () => inTurn(catchUp),
    find,
    byId: async (id) => {
      const sequence = await guarded(() => db.get(`i!${id}`));
      return sequence === undefined ? null : row(Number(sequence));
    },
    ofKinds: async (kinds) => {
      const rows: IndexedRecord[] = [];
      for (const kind of kinds) {
        const prefix = termPrefix('kind', kind);
        for (const key of await guarded(() => db.keys({ gte: prefix, lt: `${prefix}\uffff` }).all())) {
          const found = await row(Number(key.slice(prefix.length)));
          if (found !== null && found.kind === kind) rows.push(found);
        }
      }
      return rows.sort((a, b) => a.sequence - b.sequence);
    },
    forget: (first, last) =>
      inTurn(async () => {
        for (let at = first; at <= last; at += batchRecords) {
          const end = Math.min(at + batchRecords, last + 1);
          const values = await guarded(() => db.values({ gte: `r!${digits(at)}`, lt: `r!${digits(end)}` }).all());
          const rows: IndexedRecord[] = values.map((value) => JSON.parse(value));
          await guarded(() => db.batch(rows.filter(({ facts }) => facts === null).flatMap(dels)));
        }
      }),
    close: () => inTurn(() => guarded(() => db.close())),
  };
}

function checkpointSize(note: Buffer | null): number {
  return Number(/^[^\n]+\n(\d{1,15})\n/.exec(note?.toString() ?? '')?.[1] ?? '0');
}

const batchRecords = 256;
const stepSlackRecords = 1_024;
const ownersKeptMax = 10_000;

/** Fills in what only the first record of an exchange says. */
function createOwners(load: (exchange: string) => Promise<Owner | null>): {
  complete(row: IndexedRecord, operations: Operation[]): Promise<IndexedRecord>;
} {
  const known = new Map<string, Owner>();
  return {
    complete: async (row, operations) => {
      if (row.exchange === '') return row;
      if (row.tenant !== '') {
        const owner = { tenant: row.tenant, subject: row.subject };
        known.set(row.exchange, owner);
        if (known.size > ownersKeptMax) for (const oldest of known.keys()) if (known.delete(oldest)) break;
        if (row.kind === 'intent')
          operations.push({ type: 'put', key: `x!${row.exchange}`, value: JSON.stringify(owner) });
        return row;
      }
      const owner = known.get(row.exchange) ?? (await load(row.exchange));
      if (row.kind === 'outcome' || row.kind === 'aborted') known.delete(row.exchange);
      return owner === null ? row : { ...row, tenant: owner.tenant, subject: row.subject || owner.subject };
    },
  };
}

/** The rarest thing that was asked for decides where to look. */
function prefixOf(query: RecordQuery): string {
  const names = ['exchange', 'session', 'subject', 'entity', 'rule', 'model', 'kind'] as const;
  for (const name of names) {
    const value = query[name];
    if (value !== undefined) return termPrefix(name, value);
  }
  return 'r!';
}

function termPrefix(name: string, value: string): string {
  return `t!${name}!${sha256Hex(value).slice(0, 20)}!`;
}

function puts(row: IndexedRecord): Operation[] {
  const sequence = digits(row.sequence);
  return [
    { type: 'put', key: `r!${sequence}`, value: JSON.stringify(row) },
    { type: 'put', key: `i!${row.id}`, value: String(row.sequence) },
    ...termsOf(row).map(
      ([name, value]): Operation => ({ type: 'put', key: `${termPrefix(name, value)}${sequence}`, value: '' }),
    ),
  ];
}

function dels(row: IndexedRecord): Operation[] {
  const exchange: Operation[] = row.exchange === '' ? [] : [{ type: 'del', key: `x!${row.exchange}` }];
  return [...puts(row).map(({ key }): Operation => ({ type: 'del', key })), ...exchange];
}

function digits(sequence: number): string {
  return String(Math.min(sequence, Number.MAX_SAFE_INTEGER)).padStart(16, '0');
}

async function guarded<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (thrown) {
    throw new Fault('audit_unavailable', 'the index of the record cannot be used', thrown);
  }
}
