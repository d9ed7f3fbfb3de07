import type { JsonObject, JsonValue } from '../lib/json.ts';
import { isJsonObject } from '../lib/json.ts';
import type { StoredRecord } from './read.ts';
import { placeOf, shardOfFolder } from './shards.ts';

/** What the index knows of a record without reading it. */
export interface IndexedRecord {
  /** Its place among all records of the log: see `placeOf`. Without shards the same as its number. */
  readonly sequence: number;
  /** Name of the shard that it is in; absent: none. */
  readonly shard?: string;
  readonly id: string;
  readonly kind: string;
  readonly exchange: string;
  readonly session: string;
  /** Of the exchange it belongs to; empty for records that belong to none, or to nobody that is known. */
  readonly tenant: string;
  /** Pseudonym of the caller; empty likewise. */
  readonly subject: string;
  readonly models: readonly string[];
  readonly rules: readonly string[];
  readonly entities: readonly string[];
  readonly action: string;
  readonly wallMs: number;
  readonly segment: number;
  readonly offset: number;
  /** The facts, of records that say what was held or destroyed: they outlive their segment. */
  readonly facts: JsonObject | null;
}

/** All that is given must fit. Newest first. */
export interface RecordQuery {
  readonly tenant?: string;
  readonly exchange?: string;
  readonly session?: string;
  readonly subject?: string;
  readonly rule?: string;
  readonly model?: string;
  readonly entity?: string;
  readonly kind?: string;
  readonly fromMs?: number;
  /** Exclusive. */
  readonly untilMs?: number;
  /** Places: from this one, and only before that one. */
  readonly from?: number;
  readonly before?: number;
  /** What somebody of this tenant may know of: its records, and those of the log itself. Not of exchanges whose tenant nobody knows. */
  readonly visibleTo?: string;
  readonly limit: number;
}

export interface IndexPage {
  readonly records: readonly IndexedRecord[];
  /** `before` of the next page; null: that was all. A page may be short although there is more. */
  readonly next: number | null;
}

/**
 * Finds records by what they are about. Made from the log and from nothing else, so it may be thrown away at any time. Throws Fault
 * `audit_unavailable` when it cannot be read.
 */
export interface RecordIndex {
  /** Takes in what the log has by now. Returns the place of the record that comes next. */
  catchUp(): Promise<number>;
  find(query: RecordQuery): Promise<IndexPage>;
  byId(id: string): Promise<IndexedRecord | null>;
  /** All of these kinds, oldest first. Of few kinds there are few enough for that: see `explaining`. */
  ofKinds(kinds: readonly string[]): Promise<readonly IndexedRecord[]>;
  /** Forgets the records from `first` to `last`, but for those that explain what is absent. */
  forget(first: number, last: number): Promise<void>;
  close(): Promise<void>;
}

/** Records that say what was held or destroyed, and why it may be missing. */
export const explaining: ReadonlySet<string> = new Set(['hold', 'release', 'expire', 'erase', 'erase_deferred']);

/** A record's row, but for what only its exchange's intent knows. */
export function rowOf(record: StoredRecord): IndexedRecord {
  const { facts } = record;
  const caller = member(facts, 'caller');
  const decision = member(facts, 'decision');
  const found = [...list(facts['findings']), ...list(facts['masked'])];
  const shard = shardOfFolder(record.folder);
  return {
    sequence: placeOf(shard.number, record.sequence),
    ...(shard.name === '' ? {} : { shard: shard.name }),
    id: record.id,
    kind: record.kind,
    exchange: record.exchange,
    session: record.session,
    tenant: text(caller['tenant']) || text(facts['tenant']),
    subject: text(caller['pseudonym']) || text(facts['subject']),
    models: distinct([facts['model']]),
    rules: distinct([...array(decision['rules']), ...array(facts['rules'])]),
    entities: distinct(found.map((row) => row['entity'])),
    action: text(decision['action']),
    wallMs: Number(record.wallNs / 1_000_000n),
    segment: record.segment,
    offset: record.offset,
    facts: explaining.has(record.kind) ? facts : null,
  };
}

/** Whether a row is what was asked for, time and place included. */
export function fits(row: IndexedRecord, query: RecordQuery): boolean {
  const { tenant, exchange, session, subject, rule, model, entity, kind, fromMs, untilMs, from, before } = query;
  return (
    (tenant === undefined || row.tenant === tenant) &&
    (exchange === undefined || row.exchange === exchange) &&
    (session === undefined || row.session === session) &&
    (subject === undefined || row.subject === subject) &&
    (rule === undefined || row.rules.includes(rule)) &&
    (model === undefined || row.models.includes(model)) &&
    (entity === undefined || row.entities.includes(entity)) &&
    (kind === undefined || row.kind === kind) &&
    (fromMs === undefined || row.wallMs >= fromMs) &&
    (untilMs === undefined || row.wallMs < untilMs) &&
    (from === undefined || row.sequence >= from) &&
    (before === undefined || row.sequence < before) &&
    (query.visibleTo === undefined || isVisibleTo(query.visibleTo, row))
  );
}

/** Records of the tenant, and those of the log itself. Of an exchange whose tenant is not known nobody is told. */
export function isVisibleTo(tenant: string, row: IndexedRecord): boolean {
  return row.tenant === tenant || (row.tenant === '' && row.exchange === '');
}

/** Every (name, value) by which a row is found. */
export function termsOf(row: IndexedRecord): readonly (readonly [name: string, value: string])[] {
  return [
    ['kind', row.kind] as const,
    ['exchange', row.exchange] as const,
    ['session', row.session] as const,
    ['subject', row.subject] as const,
    ...row.rules.map((rule) => ['rule', rule] as const),
    ...row.models.map((model) => ['model', model] as const),
    ...row.entities.map((entity) => ['entity', entity] as const),
  ].filter(([, value]) => value !== '');
}

function member(object: JsonObject, name: string): JsonObject {
  const value = object[name];
  return isJsonObject(value) ? value : {};
}

function array(value: JsonValue | undefined): readonly JsonValue[] {
  return Array.isArray(value) ? value : [];
}

function list(value: JsonValue | undefined): JsonObject[] {
  return array(value).filter(isJsonObject);
}

function distinct(values: readonly (JsonValue | undefined)[]): string[] {
  return [...new Set(values.filter((value) => typeof value === 'string' && value !== ''))].map(String);
}

function text(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value : '';
}
