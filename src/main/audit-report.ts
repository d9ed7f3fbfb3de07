import type { Command } from 'commander';
import { type Counts, type PeriodReport, reportPeriod } from '../audit/report.ts';
import { type VerifyReport, verifyLog } from '../audit/verify.ts';
import type { JsonObject } from '../lib/json.ts';
import { timeOf } from './audit-orders.ts';
import { mustBeLog } from './audit-records.ts';
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
    .argument('<folder>', 'folder of the log (audit.directory)')
    .option('--from <time>', 'recorded at or after, ISO 8601; default: the beginning')
    .option('--until <time>', 'recorded before, ISO 8601; default: now')
    .option('--json', 'as JSON')
    .action(async (folder: string, options: ReportOptions) => {
      mustBeLog(folder);
      const from = options.from === undefined ? new Date(0) : timeOf(options.from, '--from');
      const until = options.until === undefined ? new Date() : timeOf(options.until, '--until');
      const report = await reportPeriod(folder, from.getTime(), until.getTime());
      const check = await verifyLog({ directory: folder });
      const period = { from: from.toISOString(), until: until.toISOString() };
      if (options.json) printJson({ period, ...reportJson(report), log: checkJson(check) });
      else printLine(printable(reportText(period, report, check)));
      if (check.problems.length > 0) process.exitCode = exitCodes.no;
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
    ...Object.fromEntries(counted),
    accesses: report.accesses.map((access) => ({ ...access })),
    open_holds: report.openHolds,
  };
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
  check: VerifyReport,
): string {
  const sound = check.problems.length === 0 ? 'intact' : `NOT intact, ${check.problems.length} problems`;
  const head = [
    `Report on ${check.origin}`,
    `from ${period.from} until ${period.until}`,
    '',
    `${report.records} records of ${report.exchanges} exchanges by ${report.subjects} subjects`,
    `${report.tokens.in} tokens in, ${report.tokens.out} tokens out, as the providers say`,
    `The log is ${sound}: ${check.records} records, ${check.expired} expired, root ${check.root}`,
  ];
  const counted = sections
    .filter(([name]) => report[name].length > 0)
    .map(([name, title]) => `\n${countsText(title, report[name])}`);
  const rows = report.accesses.map(({ time, action, by, record, reason }) => [time, action, by, record || '-', reason]);
  const accesses = rows.length === 0 ? [] : [`\n${table(['ACCESS', 'ACTION', 'BY', 'RECORD', 'REASON'], rows)}`];
  const holds = report.openHolds.length === 0 ? [] : [`\nholds that are open: ${report.openHolds.join(', ')}`];
  return [...head, ...counted, ...accesses, ...holds].join('\n');
}

function countsText(title: string, counts: Counts): string {
  return table(
    [title.toUpperCase(), 'COUNT'],
    counts.map(([name, count]) => [name || '-', String(count)]),
  );
}
