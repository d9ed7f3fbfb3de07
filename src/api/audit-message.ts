import type { StoredRecord } from '../audit/read.ts';
import type { RecordQuery } from '../audit/record-index.ts';
import type { VerifyReport } from '../audit/verify.ts';
import type { Filter, LogReport, Record as RecordMessage, VerifyResponse } from '../gen/countersign/audit/v1/audit.ts';

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
    log: originOf(record),
  };
}

/** Name of the log that a record is in. */
export function originOf({ manifest }: StoredRecord): string {
  const { origin } = manifest;
  return typeof origin === 'string' ? origin : '';
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

/** The reports on the logs that are read, this process's own first. */
export function verifyMessage(reports: readonly VerifyReport[]): VerifyResponse {
  const logs = reports.map(logMessage);
  const [own] = logs;
  if (own === undefined || logs.length === 1) return { ...(own ?? nothingVerified), logs: [] };
  const total = (of: (log: LogReport) => bigint): bigint => logs.reduce((sum, log) => sum + of(log), 0n);
  return {
    intact: logs.every(({ intact }) => intact),
    origin: own.origin,
    records: total(({ records }) => records),
    expired: total(({ expired }) => expired),
    checkpointed: total(({ checkpointed }) => checkpointed),
    root: own.root,
    problems: logs.flatMap(({ origin, problems }) =>
      problems.map((problem) => ({ ...problem, place: `${origin}: ${problem.place}` })),
    ),
    logs,
  };
}

const nothingVerified: LogReport = {
  intact: false,
  origin: '',
  records: 0n,
  expired: 0n,
  checkpointed: 0n,
  root: '',
  problems: [],
};

function logMessage(report: VerifyReport): LogReport {
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
