import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { findRecords, lastRecords, readRecords, type StoredRecord } from '../audit/read.ts';
import { type VerifyReport, verifyLog } from '../audit/verify.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../lib/json.ts';
import { CliError, exitCodes, printable, printJson, printLine } from './output.ts';

/** `countersign audit …`: reads a log's folder; needs no running service and no key. */
export function addAuditCommands(program: Command): void {
  const audit = program.command('audit').description('Read and verify the record');

  audit
    .command('tail')
    .description('the last records, a line each; nothing sealed is shown')
    .argument('<folder>', 'folder of the log (audit.directory)')
    .option('-n, --lines <n>', 'how many', '20')
    .option('-f, --follow', 'wait for what comes, until interrupted')
    .option('--json', 'one JSON document a line')
    .action(async (folder: string, options: { lines: string; follow?: boolean; json?: boolean }) => {
      mustBeLog(folder);
      const count = Number(options.lines);
      if (!Number.isInteger(count) || count < 0) throw new CliError('--lines takes a whole number.', exitCodes.usage);
      const print = (record: StoredRecord): void =>
        options.json ? printJson(recordJson(record)) : printLine(recordLine(record));
      const last = await lastRecords(folder, Math.max(count, 1));
      for (const record of count === 0 ? [] : last) print(record);
      if (!options.follow) return;
      const stop = new AbortController();
      process.once('SIGINT', () => stop.abort());
      const from = (last.at(-1)?.sequence ?? -1) + 1;
      for await (const record of readRecords(folder, { from, follow: true, signal: stop.signal })) print(record);
    });

  audit
    .command('show')
    .description('everything on record about an exchange, a session or one record')
    .argument('<folder>', 'folder of the log (audit.directory)')
    .argument('<id>', 'id of an exchange (x-countersign-exchange), a session or a record')
    .option('--json', 'one JSON document a line')
    .action(async (folder: string, id: string, options: { json?: boolean }) => {
      mustBeLog(folder);
      const found = await findRecords(folder, id);
      if (found.length === 0) throw new CliError(`There is nothing on record about ${id}.`);
      for (const record of found) {
        if (options.json) printJson(recordJson(record));
        else
          printLine(`${recordLine(record)}\n${indented(JSON.stringify(record.facts, null, 2))}\n${bodyLines(record)}`);
      }
    });

  audit
    .command('verify')
    .description(
      'check every byte of a log offline: frames, records, Merkle tree, signature; exit code 1 when it was tampered with',
    )
    .argument('<folder>', 'folder of the log (audit.directory)')
    .option('--key <file>', 'verifier key that you were given; without it the log only proves to agree with itself')
    .option('--since <file>', 'a checkpoint kept from before: also prove that the log only grew')
    .option('--json', 'as JSON')
    .action(async (folder: string, options: { key?: string; since?: string; json?: boolean }) => {
      mustBeLog(folder);
      const report = await verifyLog({
        directory: folder,
        ...(options.key ? { verifierKey: readText(options.key) } : {}),
        ...(options.since ? { since: readText(options.since) } : {}),
      });
      if (options.json) printJson(reportJson(report));
      else printLine(reportText(report));
      if (report.problems.length > 0) process.exitCode = exitCodes.no;
    });
}

function mustBeLog(folder: string): void {
  if (!existsSync(join(folder, 'log.vkey')) && !existsSync(join(folder, 'checkpoint'))) {
    throw new CliError(`${folder} holds no audit log. Name the folder of \`audit.directory\`.`, exitCodes.usage);
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    throw new CliError(`${file} cannot be read.`, exitCodes.usage);
  }
}

function recordJson(record: StoredRecord): JsonObject {
  return {
    sequence: record.sequence,
    id: record.id,
    kind: record.kind,
    exchange: record.exchange,
    session: record.session,
    time: timeOf(record),
    facts: record.facts,
    bodies: record.bodies.map(({ name, mediaType, bytes }) => ({ name, media_type: mediaType, bytes })),
  };
}

function recordLine(record: StoredRecord): string {
  return printable(
    [
      timeOf(record),
      String(record.sequence).padStart(6),
      record.kind.padEnd(8),
      record.exchange || '-',
      summary(record.facts),
    ]
      .join('  ')
      .trimEnd(),
  );
}

/** The few facts that one reads first. */
function summary(facts: JsonObject): string {
  const decision = member(facts, 'decision');
  const words = [
    text(facts['dialect']),
    text(facts['model']),
    text(decision['action']),
    text(facts['ended']),
    text(facts['code']),
    facts['to'] === undefined ? '' : `${text(facts['from']) || 'new'} -> ${text(facts['to'])}`,
    text(facts['event']),
    list(facts['masked'])
      .map(
        (row) =>
          `${text(row['entity'])} x${text(row['count'])}${row['method'] === null ? '' : ` ${text(row['method'])}`}`,
      )
      .join(', '),
  ];
  return words.filter((word) => word !== '').join('  ');
}

function bodyLines(record: StoredRecord): string {
  return record.bodies
    .map(({ name, mediaType, bytes }) => `  sealed: ${name}, ${printable(mediaType)}, ${bytes} bytes`)
    .join('\n');
}

function timeOf(record: StoredRecord): string {
  return new Date(Number(record.wallNs / 1_000_000n)).toISOString();
}

function member(object: JsonObject, name: string): JsonObject {
  const value = object[name];
  return isJsonObject(value) ? value : {};
}

function list(value: JsonValue | undefined): JsonObject[] {
  return Array.isArray(value) ? value.filter(isJsonObject) : [];
}

function text(value: JsonValue | undefined): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}

function indented(lines: string): string {
  return lines.replace(/^/gm, '  ');
}

function reportJson(report: VerifyReport): JsonObject {
  return {
    ok: report.problems.length === 0,
    origin: report.origin,
    key: report.key,
    records: report.records,
    expired: report.expired,
    overdue: report.overdue,
    checkpointed: report.checkpointed,
    root: report.root,
    open_intents: report.openIntents,
    unfinished_bytes: report.unfinishedBytes,
    problems: report.problems.map((problem) => ({ ...problem })),
  };
}

function reportText(report: VerifyReport): string {
  const lines = [
    `log         ${report.origin}`,
    `records     ${report.records}, ${report.checkpointed} of them under the signed checkpoint`,
    `root        ${report.root}`,
    `key         ${report.key}`,
  ];
  if (report.expired > 0) lines.push(`expired     ${report.expired} records, as the record says`);
  for (const key of report.overdue)
    lines.push(`OVERDUE     ${key} is there, and the record says that it was destroyed`);
  if (report.openIntents > 0) lines.push(`open        ${report.openIntents} exchanges without an outcome yet`);
  if (report.unfinishedBytes > 0) lines.push(`unfinished  ${report.unfinishedBytes} bytes of a write under way`);
  for (const problem of report.problems) lines.push(`PROBLEM     ${problem.check}: ${problem.place}: ${problem.what}`);
  lines.push(report.problems.length === 0 ? 'intact' : `NOT intact: ${report.problems.length} problems`);
  return printable(lines.join('\n'));
}
