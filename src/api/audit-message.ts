import type { StoredRecord } from '../audit/read.ts';
import type { RecordQuery } from '../audit/record-index.ts';
import type { VerifyReport } from '../audit/verify.ts';
import type { Filter, Record as RecordMessage, VerifyResponse } from '../gen/countersign/audit/v1/audit.ts';

/** A record as the API shows it. */
export function recordMessage(record: StoredRecord): RecordMessage {
  return {
    sequence: BigInt(record.sequence),
    id: record.id,
    kind: record.kind,
    exchange: record.exchange,
    session: record.session,
    time: new Date(Number(record.wallNs / 1_000_000n)),
    facts: record.facts,
    bodies: record.bodies.map(({ name, mediaType, bytes }) => ({ name, mediaType, bytes: BigInt(bytes) })),
  };
}

/** What a filter asks for; empty texts ask for nothing. */
export function queryOf(filter: Filter | undefined): Omit<RecordQuery, 'limit'> {
  if (filter === undefined) return {};
  const { from, until } = filter;
  const names = ['session', 'subject', 'rule', 'model', 'entity', 'exchange', 'kind'] as const;
  const given = names.filter((name) => filter[name] !== '').map((name) => [name, filter[name]] as const);
  return {
    ...Object.fromEntries(given),
    ...(from === undefined ? {} : { fromMs: from.getTime() }),
    ...(until === undefined ? {} : { untilMs: until.getTime() }),
  };
}

export function verifyMessage(report: VerifyReport): VerifyResponse {
  return {
    intact: report.problems.length === 0,
    origin: report.origin,
    records: BigInt(report.records),
    expired: BigInt(report.expired),
    checkpointed: BigInt(report.checkpointed),
    root: report.root,
    problems: report.problems.map((problem) => ({ ...problem })),
  };
}
