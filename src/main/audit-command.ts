import type { Command } from 'commander';
import { findInLogs, followLogs, lastOfLogs } from '../audit/logs.ts';
import type { StoredRecord } from '../audit/read.ts';
import { addAuditOrderCommands } from './audit-orders.ts';
import { addAuditProofCommands } from './audit-prove.ts';
import { folderHelp, logsOf, recordJson, recordLine } from './audit-records.ts';
import { addAuditRepairCommand } from './audit-repair.ts';
import { addAuditReplayCommand } from './audit-replay.ts';
import { addAuditReportCommand } from './audit-report.ts';
import { addAuditRopaCommand } from './audit-ropa.ts';
import { addAuditSearchCommands } from './audit-search.ts';
import { addAuditSinkCommands } from './audit-sinks.ts';
import { addAuditVerifyCommand } from './audit-verify.ts';
import { addAuditVerifyProofCommand } from './audit-verify-proof.ts';
import { addAuditWitnessCommand } from './audit-witness.ts';
import { CliError, exitCodes, printable, printJson, printLine } from './output.ts';

/** `countersign audit …`: reads a log's folder; needs no running service and no key. */
export function addAuditCommands(program: Command): void {
  const audit = program.command('audit').description('read and verify the record');

  audit
    .command('tail')
    .description('the last records, a line each; nothing sealed is shown')
    .argument('<folder>', folderHelp)
    .option('-n, --lines <n>', 'how many', '20')
    .option('-f, --follow', 'wait for what comes, until interrupted')
    .option('--json', 'one JSON document a line')
    .action(async (folder: string, options: { lines: string; follow?: boolean; json?: boolean }) => {
      const logs = await logsOf(folder);
      const count = Number(options.lines);
      if (!Number.isInteger(count) || count < 0) throw new CliError('--lines takes a whole number.', exitCodes.usage);
      const print = (record: StoredRecord): void =>
        options.json ? printJson(recordJson(record)) : printLine(recordLine(record, logs));
      const last = await lastOfLogs(logs, Math.max(count, 1));
      for (const record of count === 0 ? [] : last.slice(-count)) print(record);
      if (!options.follow) return;
      const stop = new AbortController();
      process.once('SIGINT', () => stop.abort());
      const seen = new Map<string, number>();
      for (const { folder: log, sequence } of await lastOfEach(logs, last)) seen.set(log, sequence);
      for await (const record of followLogs(folder, seen, stop.signal)) print(record);
    });

  audit
    .command('show')
    .description('everything on record about an exchange, a session or one record')
    .argument('<folder>', folderHelp)
    .argument('<id>', 'id of an exchange (x-countersign-exchange), a session or a record')
    .option('--json', 'one JSON document a line')
    .action(async (folder: string, id: string, options: { json?: boolean }) => {
      const logs = await logsOf(folder);
      const found = await findInLogs(logs, id);
      if (found.length === 0) throw new CliError(`There is nothing on record about ${id}.`);
      for (const record of found) {
        if (options.json) printJson(recordJson(record));
        else
          printLine(
            `${recordLine(record, logs)}\n${indented(JSON.stringify(record.facts, null, 2))}\n${bodyLines(record)}`,
          );
      }
    });

  addAuditVerifyCommand(audit);
  addAuditProofCommands(audit);
  addAuditVerifyProofCommand(audit);
  addAuditReplayCommand(audit);
  addAuditSearchCommands(audit);
  addAuditSinkCommands(audit, () => program.version() ?? '0');
  addAuditWitnessCommand(audit);
  addAuditRepairCommand(audit);
  addAuditReportCommand(audit);
  addAuditRopaCommand(audit);
  addAuditOrderCommands(audit);
}

/** Of each log the last record that was seen: of `last`, which may hold none of a log that is quiet, or else its own. */
async function lastOfEach(logs: readonly string[], last: readonly StoredRecord[]): Promise<StoredRecord[]> {
  const seen = logs.map(
    async (log) => last.findLast(({ folder }) => folder === log) ?? (await lastOfLogs([log], 1)).at(0),
  );
  return (await Promise.all(seen)).filter((record) => record !== undefined);
}

function bodyLines(record: StoredRecord): string {
  return record.bodies
    .map(({ name, mediaType, bytes }) => `  sealed: ${name}, ${printable(mediaType)}, ${bytes} bytes`)
    .join('\n');
}

function indented(lines: string): string {
  return lines.replace(/^/gm, '  ');
}
