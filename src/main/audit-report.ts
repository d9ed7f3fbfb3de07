import type { Command } from 'commander';
import { type Counts, type PeriodReport, reportPeriod } from '../audit/report.ts';
import { baseOrigin } from '../audit/shards.ts';
import type { VerifyReport } from '../audit/verify.ts';
import { verifyShards } from '../audit/verify-shards.ts';
import type { JsonObject } from '../lib/json.ts';
import { timeOf } from './audit-orders.ts';
import { folderHelp, logsOf } from './audit-records.ts';
import { exitCodes, printable, printJson, printLine, table } from './output.ts';

interface ReportOptions {
  readonly from?: string;
  readonly until?: string;
  readonly json?: boolean;
}

/** `countersign audit report`: what a reviewer wants to see of a period, and whether the log behind it is sound. */
export function addAuditReportCommand(audit: Command): void {
  audit
    .command('report')
    .description(
      'what happened in a period: decisions, findings, groups, accesses, holds; and whether the log is sound',
    )
    .argument('<folder>', folderHelp)
    .option('--from <time>', 'recorded at or after, ISO 8601; default: the beginning')
    .option('--until <time>', 'recorded before, ISO 8601; default: now')
    .option('--json', 'as JSON')
    .action(async (folder: string, options: ReportOptions) => {
      const logs = await logsOf(folder);
      const from = options.from === undefined ? new Date(0) : timeOf(options.from, '--from');
      const until = options.until === undefined ? new Date() : timeOf(options.until, '--until');
      const report = await reportPeriod(logs, from.getTime(), until.getTime());
      const checks = await verifyShards({ folders: logs, optionsOf: () => ({}) });
      const period = { from: from.toISOString(), until: until.toISOString() };
      if (options.json) printJson({ period, ...reportJson(report), ...checksJson(checks) });
      else printLine(printable(reportText(period, report, checks)));
      if (checks.some(({ problems }) => problems.length > 0)) process.exitCode = exitCodes.no;
    });
}

const sections = [
  ['decisions', 'decision'],
  ['rules', 'rule'],
  ['entities', 'found in prompts'],
  ['groups', 'group of the caller'],
  ['models', 'model'],
  ['endings', 'how it ended'],
  ['approvals', 'approvals became'],
  ['retention', 'kept, destroyed, looked at'],
] as const;

function reportJson(report: PeriodReport): JsonObject {
  const counted = sections.map(([name]) => [name, Object.fromEntries(report[name])] as const);
  return {
    records: report.records,
    exchanges: report.exchanges,
    subjects: report.subjects,
    tokens: report.tokens,
    counted: { ...report.counted },
    ...Object.fromEntries(counted),
    accesses: report.accesses.map((access) => ({ ...access })),
    open_holds: report.openHolds,
  };
}

/** One log as `log`, several as `logs`. */
function checksJson(checks: readonly VerifyReport[]): JsonObject {
  const [only, ...others] = checks.map(checkJson);
  return only !== undefined && others.length === 0 ? { log: only } : { logs: checks.map(checkJson) };
}

function checkJson(check: VerifyReport): JsonObject {
  return {
    intact: check.problems.length === 0,
    origin: check.origin,
    records: check.records,
    expired: check.expired,
    checkpointed: check.checkpointed,
    root: check.root,
    problems: check.problems.length,
    overdue: check.overdue.length,
  };
}

function reportText(
  period: { readonly from: string; readonly until: string },
  report: PeriodReport,
  checks: readonly VerifyReport[],
): string {
  const head = [
    `Report on ${[...new Set(checks.map(({ origin }) => baseOrigin(origin)))].join(', ')}`,
    `${period.from === new Date(0).toISOString() ? 'from the beginning' : `from ${period.from}`} until ${period.until}`,
    '',
    `${counted(report.records, 'record')} of ${counted(report.exchanges, 'exchange')} by ${counted(report.subjects, 'subject')}`,
    `${report.tokens.in} tokens in, ${report.tokens.out} tokens out, as the providers say`,
    countedText(report),
    ...checks.map(soundness),
  ];
  const tables = sections
    .filter(([name]) => report[name].length > 0)
    .map(([name, title]) => `\n${countsText(title, report[name])}`);
  const rows = report.accesses.map(({ time, action, by, record, reason }) => [time, action, by, record || '-', reason]);
  const accesses = rows.length === 0 ? [] : [`\n${table(['ACCESS', 'ACTION', 'BY', 'RECORD', 'REASON'], rows)}`];
  const holds = report.openHolds.length === 0 ? [] : [`\nholds that are open: ${report.openHolds.join(', ')}`];
  return [...head, ...tables, ...accesses, ...holds].join('\n');
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** A log cannot show what was never written: what the services counted beside it can. */
function countedText({ counted: { decided, rejected } }: PeriodReport): string {
  const missing = rejected === 0 ? 'none of their records is missing' : `${rejected} of their records are missing`;
  return decided === 0
    ? 'the services counted nothing (no beacon)'
    : `${decided} requests decided, as the services counted: ${missing}`;
}

function soundness(
  { origin, problems, records, expired, root }: VerifyReport,
  _: number,
  all: readonly unknown[],
): string {
  const sound = problems.length === 0 ? 'intact' : `NOT intact, ${counted(problems.length, 'problem')}`;
  const which = all.length > 1 ? `The log ${origin}` : 'The log';
  return `${which} is ${sound}: ${counted(records, 'record')}, ${expired} expired, root ${root}`;
}

function countsText(title: string, counts: Counts): string {
  return table(
    [title.toUpperCase(), 'COUNT'],
    counts.map(([name, count]) => [name || '-', String(count)]),
  );
}
