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

const help = `
Opens what is sealed, so it needs the keys of the configuration, and puts an \`access\` entry with your reason on record
first. That takes the log's lock: while the service runs, replay over a copy of its folder (--folder).

Exit codes: 0 the same, 1 different, 2 wrong usage, 3 it cannot be decided again (no key, no original, no policy, nothing that fits).`;

interface Options {
  readonly config: string;
  readonly reason: string;
  readonly folder?: string;
  readonly policy?: string;
  readonly since?: string;
  readonly until?: string;
  readonly json?: boolean;
}

/** `countersign audit replay`: decisions taken again, under the policy of then or under another. */
export function addAuditReplayCommand(audit: Command): void {
  audit
    .command('replay')
    .description(
      'decide again about requests and answers from what is sealed: under the recorded policy, or what another would change',
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
      if (!options.json) printRows(rows, missing);
      const isDifferent = rows.some(({ result }) => result.differs.length > 0);
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
    same: result.differs.length === 0,
    differs: result.differs,
    recorded: result.recorded,
    again: result.again,
    caveats: result.caveats,
  };
}

function printRows(rows: readonly Row[], missing: number): void {
  const flipped = rows.filter(({ result }) => result.differs.length > 0);
  const cells = flipped.map(({ record, result }) => [
    new Date(Number(record.wallNs / 1_000_000n)).toISOString(),
    record.exchange,
    result.phase,
    `${String(result.recorded['action'])} -> ${String(result.again['action'])}`,
    `${rulesOf(result.recorded)} -> ${rulesOf(result.again)}`,
    result.differs.join(', '),
    result.caveats.join('; ') || '-',
  ]);
  if (cells.length > 0) {
    printLine(printable(table(['TIME', 'EXCHANGE', 'PHASE', 'ACTION', 'RULES', 'DIFFERS', 'CAVEATS'], cells)));
  }
  const unsure = rows.filter(({ result }) => result.caveats.length > 0).length;
  const note = unsure > 0 ? `, ${unsure} with caveats` : '';
  printLine(
    `${rows.length} decided again: ${rows.length - flipped.length} the same, ${flipped.length} different${note}; ${missing} could not be`,
  );
}

function rulesOf(decision: JsonObject): string {
  const rules = decision['rules'];
  return Array.isArray(rules) && rules.length > 0 ? rules.join(',') : 'none';
}
