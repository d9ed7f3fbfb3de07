import type { Command } from 'commander';
import { readLogs } from '../audit/logs.ts';
import type { StoredRecord } from '../audit/read.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../lib/json.ts';
import { folderHelp, logsOf, originOf, recordJson, recordLine } from './audit-records.ts';
import { timeNs, wholeNumber } from './audit-sinks.ts';
import { CliError, printable, printJson, printLine, table } from './output.ts';

interface SearchOptions {
  readonly kind?: string;
  readonly session?: string;
  readonly caller?: string;
  readonly group?: string;
  readonly rule?: string;
  readonly model?: string;
  readonly entity?: string;
  readonly action?: string;
  readonly code?: string;
  readonly ended?: string;
  readonly policy?: string;
  readonly approver?: string;
  readonly tenant?: string;
  readonly since?: string;
  readonly until?: string;
  readonly limit: string;
  readonly json?: boolean;
}

/** `countersign audit search|sessions`: from the log's folder; needs no running service and no key. */
export function addAuditSearchCommands(audit: Command): void {
  audit
    .command('search')
    .description(
      'records that fit all that is asked for, a line each, oldest first; nothing sealed is searched or shown',
    )
    .argument('<folder>', folderHelp)
    .option('--kind <kind>', 'intent, outcome, approval, policy, access …')
    .option('--session <id>', 'session')
    .option('--caller <pseudonym>', 'who asked, by the pseudonym on record')
    .option('--group <name>', 'a group of who asked')
    .option('--rule <id>', 'a rule that spoke')
    .option('--model <name>', 'model that was asked for')
    .option('--entity <kind>', 'kind of finding, such as CREDIT_CARD')
    .option('--action <word>', 'allow, hold or deny')
    .option('--code <code>', 'why it was refused, such as approval_pending')
    .option('--ended <word>', 'how it ended: complete, refused, cancelled, fault …')
    .option('--policy <revision>', 'policy that it was decided by, `sha256:` and its hash, or how that begins')
    .option('--approver <id>', 'who decided about its approval')
    .option('--tenant <name>', 'tenant of who asked')
    .option('--since <time>', 'on record from then on, such as 2026-11-21T10:00:00Z')
    .option('--until <time>', 'on record before then')
    .option('-n, --limit <n>', 'at most so many, the last ones', '1000')
    .option('--json', 'one JSON document a line')
    .action(async (folder: string, options: SearchOptions) => {
      const logs = await logsOf(folder);
      const limit = wholeNumber(options.limit);
      const fits = criteria(options);
      const found: StoredRecord[] = [];
      let count = 0;
      for await (const record of readLogs(logs)) {
        if (!fits(record)) continue;
        count += 1;
        found.push(record);
        if (found.length > limit) found.shift();
      }
      for (const record of found) {
        if (options.json) printJson(recordJson(record));
        else printLine(recordLine(record, logs));
      }
      if (count === 0) throw new CliError('Nothing on record fits.');
      if (count > limit) process.stderr.write(`countersign: the last ${limit} of ${count} that fit; see --limit\n`);
    });

  audit
    .command('sessions')
    .description('the sessions on record; or one of them, followed as a conversation')
    .argument('<folder>', folderHelp)
    .argument('[session]', 'id of a session')
    .option('-n, --limit <n>', 'at most so many, the last ones', '50')
    .option('--json', 'one JSON document a line')
    .action(async (folder: string, session: string | undefined, options: { limit: string; json?: boolean }) => {
      const logs = await logsOf(folder);
      if (session === undefined) await listSessions(logs, wholeNumber(options.limit), options.json ?? false);
      else await followSession(logs, session, options.json ?? false);
    });
}

function criteria(options: SearchOptions): (record: StoredRecord) => boolean {
  const { kind, session, caller, group, rule, model, entity, action, code, ended, policy, approver, tenant } = options;
  const since = options.since === undefined ? null : timeNs(options.since);
  const until = options.until === undefined ? null : timeNs(options.until);
  return ({ facts, ...record }) => {
    const decision = object(facts['decision']);
    const who = object(facts['caller']);
    const entities = [...objects(facts['findings']), ...objects(facts['masked'])].map((row) => row['entity']);
    return (
      (kind === undefined || record.kind === kind) &&
      (session === undefined || record.session === session) &&
      (caller === undefined || who['pseudonym'] === caller) &&
      (group === undefined || strings(who['groups']).includes(group)) &&
      (rule === undefined || strings(decision['rules'] ?? facts['rules']).includes(rule)) &&
      (model === undefined || facts['model'] === model) &&
      (entity === undefined || entities.includes(entity)) &&
      (action === undefined || decision['action'] === action) &&
      (code === undefined || facts['code'] === code) &&
      (ended === undefined || facts['ended'] === ended) &&
      (policy === undefined || text(object(facts['policy'])['revision'] ?? facts['revision']).startsWith(policy)) &&
      (approver === undefined || approvers(facts).includes(approver)) &&
      (tenant === undefined || (who['tenant'] ?? facts['tenant']) === tenant) &&
      (since === null || record.wallNs >= since) &&
      (until === null || record.wallNs < until)
    );
  };
}

function approvers(facts: JsonObject): readonly string[] {
  return [...decisionsOf(facts), ...decisionsOf(object(facts['approval']))].map(({ by }) => by);
}

interface SessionRow {
  readonly session: string;
  readonly first: bigint;
  last: bigint;
  exchanges: number;
  refused: number;
  masked: number;
  readonly approvals: Set<string>;
  caller: string;
  readonly models: Set<string>;
}

/** Sessions in memory at once; the ones that were quiet longest are forgotten first. */
const sessionsMax = 100_000;

/** Approvals of one session that are told apart. */
const approvalsMax = 1_000;

async function listSessions(logs: readonly string[], limit: number, isJson: boolean): Promise<void> {
  const rows = new Map<string, SessionRow>();
  for await (const record of readLogs(logs)) {
    if (record.session === '') continue;
    const row = rows.get(record.session) ?? emptyRow(record);
    rows.delete(record.session);
    rows.set(record.session, row);
    count(row, record);
    const [oldest] = rows.keys();
    if (rows.size > sessionsMax && oldest !== undefined) rows.delete(oldest);
  }
  const last = [...rows.values()].slice(-limit);
  if (isJson) {
    for (const row of last) {
      const { first, last: end, models, approvals, ...rest } = row;
      printJson({ ...rest, approvals: approvals.size, first: iso(first), last: iso(end), models: [...models] });
    }
    return;
  }
  const header = ['SESSION', 'FIRST', 'LAST', 'EXCHANGES', 'REFUSED', 'MASKED', 'APPROVALS', 'CALLER', 'MODELS'];
  const cells = last.map((row) => [
    row.session,
    iso(row.first),
    iso(row.last),
    ...[row.exchanges, row.refused, row.masked, row.approvals.size].map(String),
    row.caller || '-',
    [...row.models].join(', ') || '-',
  ]);
  printLine(last.length === 0 ? 'There is no session on record.' : printable(table(header, cells)));
}

function emptyRow(record: StoredRecord): SessionRow {
  const { session, wallNs } = record;
  return {
    session,
    first: wallNs,
    last: wallNs,
    exchanges: 0,
    refused: 0,
    masked: 0,
    approvals: new Set(),
    caller: '',
    models: new Set(),
  };
}

function count(row: SessionRow, { kind, facts, wallNs }: StoredRecord): void {
  row.last = wallNs;
  if (kind === 'intent' || (kind === 'outcome' && facts['final'] === true)) row.exchanges += 1;
  if (facts['ended'] === 'refused') row.refused += 1;
  const approval = text(kind === 'approval' ? facts['approval'] : object(facts['approval'])['id']);
  if (approval !== '' && row.approvals.size < approvalsMax) row.approvals.add(approval);
  row.masked += maskedCount(facts);
  const pseudonym = object(facts['caller'])['pseudonym'];
  if (typeof pseudonym === 'string') row.caller = pseudonym;
  const { model } = facts;
  if (typeof model === 'string' && row.models.size < 16) row.models.add(model);
}

/** Exchange by exchange, in order: what was asked, what became of it, what was masked, who decided. */
async function followSession(logs: readonly string[], session: string, isJson: boolean): Promise<void> {
  let hasAny = false;
  for await (const record of readLogs(logs)) {
    if (record.session !== session) continue;
    hasAny = true;
    if (isJson) printJson(recordJson(record));
    else for (const line of storyOf(record, logs.length > 1)) printLine(printable(line));
  }
  if (!hasAny) throw new CliError(`There is no session ${session} on record.`);
}

function storyOf(record: StoredRecord, isOneOfSeveral: boolean): string[] {
  const { facts, kind, bodies } = record;
  const decision = object(facts['decision']);
  const sealed = bodies.map(({ name, bytes }) => `${name} (${bytes} bytes)`).join(', ');
  const lines = [`${iso(record.wallNs)}  ${headline(record)}`];
  const add = (name: string, value: string): void => {
    if (value !== '') lines.push(`    ${name.padEnd(10)}${value}`);
  };
  if (kind === 'intent' || facts['final'] === true) {
    const who = object(facts['caller']);
    add(
      'caller',
      [text(who['pseudonym']), text(who['kind']), strings(who['groups']).join(', ')].filter(Boolean).join('  '),
    );
  }
  add('rules', strings(decision['rules']).join(', '));
  for (const reason of objects(decision['reasons']))
    add('reason', `${text(reason['rule'])}: ${text(reason['message'])}`);
  add('masked', objects(facts['masked']).map(maskedText).join(', '));
  const approval = object(facts['approval']);
  add('approval', [text(approval['id']), text(approval['state'])].filter(Boolean).join('  '));
  for (const { by, verdict, reason, at, groups } of [...decisionsOf(facts), ...decisionsOf(approval)]) {
    const why = reason === '' ? '' : `: ${reason}`;
    add(verdict, `by ${by} (${groups.join(', ')}) at ${at}${why}`);
  }
  add('sealed', sealed);
  add('record', `${record.sequence}  ${record.id}${isOneOfSeveral ? `  of ${originOf(record)}` : ''}`);
  return lines;
}

function headline({ kind, facts, exchange }: StoredRecord): string {
  const model = text(facts['model']);
  switch (kind) {
    case 'intent':
      return `asked ${model || text(facts['path'])}: ${maskedCount(facts) > 0 ? 'sent on, masked' : 'sent on'}  [${exchange}]`;
    case 'outcome': {
      if (facts['ended'] === 'refused') return `refused: ${text(facts['code'])}  [${exchange}]`;
      const status = typeof facts['status'] === 'number' ? `, status ${facts['status']}` : '';
      return `answered: ${text(facts['ended'])}${status}  [${exchange}]`;
    }
    case 'aborted':
      return `cut off: ${text(facts['cause'])}  [${exchange}]`;
    case 'approval':
      return `approval ${text(facts['approval'])}: ${text(facts['from']) || 'new'} -> ${text(facts['to'])}  [${exchange}]`;
    default:
      return `${kind}  ${text(facts['event'])}`.trimEnd();
  }
}

function maskedText(row: JsonObject): string {
  const method = typeof row['method'] === 'string' ? row['method'] : 'left as it was';
  return `${text(row['entity'])} x${Number(row['count'])} (${method})`;
}

function maskedCount(facts: JsonObject): number {
  return objects(facts['masked'])
    .filter((row) => row['method'] !== null)
    .reduce((sum, row) => sum + (typeof row['count'] === 'number' ? row['count'] : 0), 0);
}

function decisionsOf(facts: JsonObject) {
  return objects(facts['decisions']).map((decision) => ({
    by: text(object(decision['by'])['id']),
    groups: strings(decision['groups']),
    verdict: text(decision['verdict']),
    reason: text(decision['reason']),
    at: text(decision['at']),
  }));
}

function iso(ns: bigint): string {
  return new Date(Number(ns / 1_000_000n)).toISOString();
}

function object(value: JsonValue | undefined): JsonObject {
  return isJsonObject(value) ? value : {};
}

function objects(value: JsonValue | undefined): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter(isJsonObject) : [];
}

function strings(value: JsonValue | undefined): readonly string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

function text(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value : '';
}
