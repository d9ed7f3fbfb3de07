import { existsSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import type { Command } from 'commander';
import { layout } from '../audit/layout.ts';
import { logsIn } from '../audit/logs.ts';
import type { StoredRecord } from '../audit/read.ts';
import { baseOrigin, homeOf } from '../audit/shards.ts';
import type { Config } from '../config/config.ts';
import { Fault } from '../lib/fault.ts';
import type { JsonObject } from '../lib/json.ts';
import { configFrom, timeNs } from './audit-sinks.ts';
import { CliError, cliErrorOf, exitCodes, printable, printJson, printLine, table } from './output.ts';
import type { Replayed } from './replay.ts';
import { type BytesAgain, bytesJson, bytesText } from './replay-bytes.ts';

const help = `
Opens what is sealed, so it needs the keys of the configuration, and puts an \`access\` entry with your reason on record
first. That takes the log's lock: while the service runs, replay over a copy of its folder (--folder).

Under the recorded policy it also masks again, and compares that with what was sent on to the model or the caller, byte for
byte. Placeholders, hashes and surrogates need the key that wrote them (masking.key, masking.key_file); where it is not in the
configuration they are compared by their form and by which are equal. A difference is told by its place, never by what stands there.

Exit codes: 0 the same, 1 different (a decision, or what was sent on), 2 wrong usage, 3 it cannot be decided again (no key, no original, no policy, nothing that fits).`;

interface Options {
  readonly config: string;
  readonly reason: string;
  readonly folder?: string;
  readonly policy?: string;
  readonly since?: string;
  readonly until?: string;
  readonly json?: boolean;
}

/** `countersign audit replay`: decisions taken again, under the policy of then or under another; under that of then, bodies written again, too. */
export function addAuditReplayCommand(audit: Command): void {
  audit
    .command('replay')
    .description(
      'decide and mask again from what is sealed, requests and answers: as recorded, or what another policy would decide',
    )
    .argument('[id]', 'id of an exchange or record; without it all of a time range')
    .requiredOption('-c, --config <file>', 'configuration file (YAML)')
    .requiredOption('--reason <text>', 'why sealed texts are opened; goes on record')
    .option('--folder <folder>', 'a copy of the log, or of several, instead of audit.directory or audit.read_from')
    .option('--policy <bundle>', 'another policy bundle: show what it would decide otherwise')
    .option('--since <time>', 'on record from then on, such as 2026-11-21T10:00:00Z')
    .option('--until <time>', 'on record before then')
    .option('--json', 'one JSON document a line')
    .addHelpText('after', help)
    .action(async (id: string | undefined, options: Options) => {
      if (id === undefined && options.policy === undefined && options.since === undefined) {
        throw new CliError(
          'Name an exchange or record, or a time range by --since, or give --policy.',
          exitCodes.usage,
        );
      }
      const loaded = await configFrom(options.config);
      const logs = await logsIn(options.folder ?? loaded.audit.readFrom ?? loaded.audit.directory);
      const folder = options.folder === undefined ? loaded.audit.directory : ownOf(logs, loaded.audit.origin);
      if (options.folder !== undefined) freeCopy(folder, loaded.audit.directory);
      const config: Config = { ...loaded, audit: { ...loaded.audit, directory: folder } };
      const { decideRecords } = await import('./replay-records.ts');
      const since = options.since === undefined ? null : timeNs(options.since);
      const until = options.until === undefined ? null : timeNs(options.until);
      const rows: Row[] = [];
      let missing = 0;
      const results = decideRecords(config, {
        reason: options.reason,
        policyFile: options.policy ?? null,
        logs,
        fits: (record: StoredRecord) =>
          (id === undefined || record.id === id || record.exchange === id) &&
          (since === null || record.wallNs >= since) &&
          (until === null || record.wallNs < until),
      });
      for await (const { record, result } of orUnreachable(results)) {
        if (result instanceof Fault) {
          missing += 1;
          process.stderr.write(`countersign: record ${record.id}: ${printable(result.message)}\n`);
          continue;
        }
        rows.push({ record, result });
        if (options.json) printJson(rowJson(record, result));
      }
      if (rows.length === 0 && missing === 0) throw new CliError('Nothing on record fits.', exitCodes.unreachable);
      if (!options.json) {
        if (id !== undefined) printVerdicts(rows);
        printRows(rows, missing);
      }
      const isDifferent = rows.some(({ result }) => differs(result));
      process.exitCode = isDifferent ? exitCodes.no : missing > 0 ? exitCodes.unreachable : exitCodes.done;
    });
}

/** What keeps anything from being decided again is no difference: a script must not take it for one. */
async function* orUnreachable<T>(results: AsyncIterable<T>): AsyncGenerator<T> {
  try {
    yield* results;
  } catch (thrown) {
    const { message } = cliErrorOf(thrown);
    const hint = message.includes('/lock is held') ? '; replay over a copy of its folder (--folder)' : '';
    throw new CliError(`${message}${hint}`, exitCodes.unreachable);
  }
}

/** Of copied logs the one that the configuration names: what is opened goes on record there. */
function ownOf(logs: readonly string[], origin: string): string {
  const nameOf = (log: string): string => readFileSync(layout.verifierKey(log), 'utf8').split('+')[0] ?? '';
  const own = logs.find((log) => baseOrigin(nameOf(log)) === origin);
  if (own !== undefined) return homeOf(own);
  throw new CliError(`There is no copy of the log ${origin}: that access would go on record nowhere.`, exitCodes.usage);
}

/** A copy brings the lock of a running writer along: its own, byte for byte, which holds nothing here. */
function freeCopy(copy: string, original: string): void {
  const [there, here] = [layout.lock(copy), layout.lock(original)];
  if (!existsSync(there) || !existsSync(here) || realpathSync(there) === realpathSync(here)) return;
  if (readFileSync(there, 'utf8') === readFileSync(here, 'utf8')) rmSync(there);
}

interface Row {
  readonly record: StoredRecord;
  readonly result: Replayed;
}

function rowJson({ id, exchange, session, wallNs }: StoredRecord, result: Replayed): JsonObject {
  return {
    record: id,
    phase: result.phase,
    exchange,
    session,
    time: new Date(Number(wallNs / 1_000_000n)).toISOString(),
    same: !differs(result),
    decision: result.differs.length === 0 ? 'same' : 'different',
    differs: result.differs,
    sent: result.sent && bytesJson(result.sent),
    recorded: result.recorded,
    again: result.again,
    caveats: result.caveats,
  };
}

function differs({ differs: members, sent }: Replayed): boolean {
  return members.length > 0 || sent?.result === 'different';
}

/** What became of each half of an exchange, one by one. */
function printVerdicts(rows: readonly Row[]): void {
  for (const { result } of rows) {
    const decision = result.differs.length === 0 ? 'same' : `different (${result.differs.join(', ')})`;
    printLine(`${result.phase}: decision: ${decision}`);
    if (result.sent !== null) printLine(printable(`${result.phase}: sent: ${bytesText(result.sent)}`));
  }
}

function printRows(rows: readonly Row[], missing: number): void {
  const flipped = rows.filter(({ result }) => result.differs.length > 0);
  const cells = rows
    .filter(({ result }) => differs(result))
    .map(({ record, result }) => [
      new Date(Number(record.wallNs / 1_000_000n)).toISOString(),
      record.exchange,
      result.phase,
      `${String(result.recorded['action'])} -> ${String(result.again['action'])}`,
      `${rulesOf(result.recorded)} -> ${rulesOf(result.again)}`,
      result.differs.join(', ') || '-',
      result.sent === null ? '-' : bytesText(result.sent),
      result.caveats.join('; ') || '-',
    ]);
  if (cells.length > 0) {
    printLine(printable(table(['TIME', 'EXCHANGE', 'PHASE', 'ACTION', 'RULES', 'DIFFERS', 'SENT', 'CAVEATS'], cells)));
  }
  const unsure = rows.filter(({ result }) => result.caveats.length > 0).length;
  const note = unsure > 0 ? `, ${unsure} with caveats` : '';
  printLine(
    `${rows.length} decided again: ${rows.length - flipped.length} the same, ${flipped.length} different${note}; ${missing} could not be`,
  );
  const sent = rows.flatMap(({ result }) => result.sent ?? []);
  if (sent.length > 0) printLine(sentSummary(sent));
}

function sentSummary(sent: readonly BytesAgain[]): string {
  const count = (result: BytesAgain['result']): number => sent.filter((each) => each.result === result).length;
  const byForm = sent.filter((each) => each.result === 'same' && each.by === 'form').length;
  const note = byForm > 0 ? ` (${byForm} by the form of placeholders)` : '';
  return `sent: ${count('same')} the same${note}, ${count('different')} different, ${count('not comparable')} not comparable`;
}

function rulesOf(decision: JsonObject): string {
  const rules = decision['rules'];
  return Array.isArray(rules) && rules.length > 0 ? rules.join(',') : 'none';
}
