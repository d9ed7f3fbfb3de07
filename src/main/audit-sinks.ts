import type { Command } from 'commander';
import { nodeFs } from '../audit/fs-port.ts';
import { shardAt } from '../audit/shards.ts';
import { readPosition } from '../audit/sinks/cursor.ts';
import { type DeadLetter, deadLetterPath, readDeadLetters } from '../audit/sinks/dead-letters.ts';
import { readLater, readPublished } from '../audit/sinks/log-tail.ts';
import type { SinkSpec } from '../audit/sinks/sink-spec.ts';
import type { AuditConfig, Config } from '../config/config.ts';
import { formatProblems } from '../config/problem.ts';
import { createPooledRandom } from '../lib/ids.ts';
import { CliError, exitCodes, printable, printJson, printLine, table } from './output.ts';
import { sinkSpecs, thisProduct } from './sinks.ts';

/** `countersign audit sink …`: where the sinks of a configuration stand, and sending again. */
export function addAuditSinkCommands(audit: Command, version: () => string): void {
  const sink = audit.command('sink').description('where copies of the record go');

  sink
    .command('list')
    .description('each sink, how far it has got and what it could not deliver')
    .requiredOption('-c, --config <file>', 'configuration file (YAML)')
    .option('--json', 'as JSON')
    .action(async (options: { config: string; json?: boolean }) => {
      const { audit: config } = await configFrom(options.config);
      const states = sinkSpecs(config).map(async ({ name, format, target }) => {
        const position = readPosition(nodeFs, config.sinkDirectory, name);
        const { shard = '', next } = position ?? { next: 0 };
        const published = (await readPublished(shardAt(config.directory, shard).folder))?.size ?? 0;
        const later = await readLater(config.directory, shard);
        return {
          sink: name,
          kind: target.kind,
          format: target.kind === 's3' ? 'segments' : format,
          shard,
          delivered: next,
          lag_records: Math.max(0, published - next) + later,
          checkpoint: position?.checkpoint ?? 0,
          dead_letters: position?.deadLetters ?? 0,
          dead_letter_file: deadLetterPath(config.sinkDirectory, name),
        };
      });
      const rows = await Promise.all(states);
      if (options.json) {
        for (const row of rows) printJson(row);
        return;
      }
      const header = ['SINK', 'KIND', 'FORMAT', 'SHARD', 'NEXT RECORD', 'LAG', 'LAST CHECKPOINT', 'DEAD LETTERS'];
      const cells = rows.map((row) =>
        [
          row.sink,
          row.kind,
          row.format,
          row.shard || '-',
          row.delivered,
          row.lag_records,
          row.checkpoint,
          row.dead_letters,
        ].map(String),
      );
      printLine(rows.length === 0 ? 'There is no sink in audit.sinks.' : table(header, cells));
    });

  sink
    .command('dead')
    .description('what receivers would not take, the last ones, and what they said; mend it, then `sink replay --dead`')
    .requiredOption('-c, --config <file>', 'configuration file (YAML)')
    .option('--sink <name>', 'of this sink alone')
    .option('-n, --limit <n>', 'at most so many of each sink', '50')
    .option('--json', 'one JSON document a line, with what was to be sent')
    .action(async (options: { config: string; sink?: string; limit: string; json?: boolean }) => {
      const { audit: config } = await configFrom(options.config);
      const limit = wholeNumber(options.limit);
      const names = options.sink === undefined ? sinkSpecs(config) : [sinkNamed(config, options.sink)];
      const rows: string[][] = [];
      for (const { name } of names) {
        const { last, count } = await lastLetters(config.sinkDirectory, name, limit);
        if (count > limit) process.stderr.write(`countersign: ${name}: the last ${limit} of ${count}; see --limit\n`);
        for (const { document, ...letter } of last) {
          if (options.json) printJson({ sink: name, ...letter, document });
          else rows.push([name, letter.at, String(letter.sequence), letter.kind, letter.id, letter.reason]);
        }
      }
      if (options.json) return;
      const header = ['SINK', 'AT', 'RECORD', 'KIND', 'ID', 'REASON'];
      printLine(rows.length === 0 ? 'There are no dead letters.' : printable(table(header, rows)));
    });

  sink
    .command('replay')
    .description('send records of a time range again, under the ids that they had; the cursor stays where it is')
    .requiredOption('-c, --config <file>', 'configuration file (YAML)')
    .requiredOption('--sink <name>', 'which sink')
    .option('--from <time>', 'first time, such as 2026-11-21T10:00:00Z; without it from the beginning')
    .option('--to <time>', 'time before which it ends; without it up to now')
    .option('--dead', 'only its dead letters, made anew from the record; their list stays until you remove it')
    .action(async (options: { config: string; sink: string; from?: string; to?: string; dead?: boolean }) => {
      const { audit: config } = await configFrom(options.config);
      const spec = sinkNamed(config, options.sink);
      const from = options.from === undefined ? 0n : timeNs(options.from);
      const to = options.to === undefined ? BigInt(Date.now()) * 1_000_000n : timeNs(options.to);
      const { replayTo } = await import('./sink-replay.ts');
      const { openAuditKeys } = await import('./audit-keys.ts');
      const keys = spec.promptBytesMax === 0 ? null : await openAuditKeys(config, process.env, createPooledRandom());
      const only = options.dead === true ? await deadIds(config.sinkDirectory, spec.name) : null;
      if (only?.size === 0) {
        printLine(`${spec.name} has no dead letters.`);
        return;
      }
      const counts = await replayTo(spec, { config, product: thisProduct(version()), from, to, only, keys });
      printLine(`${counts.delivered} events delivered, ${counts.dead} refused for good`);
      if (counts.dead > 0) process.exitCode = exitCodes.no;
    });
}

/** Throws a usage error that says which there are. */
function sinkNamed(config: AuditConfig, name: string): SinkSpec {
  const specs = sinkSpecs(config);
  const spec = specs.find((each) => each.name === name);
  if (spec !== undefined) return spec;
  const others = specs.map((each) => each.name).join(', ');
  throw new CliError(
    `There is no sink "${printable(name)}"; audit.sinks has ${others === '' ? 'none' : others}.`,
    exitCodes.usage,
  );
}

async function lastLetters(
  directory: string,
  sink: string,
  limit: number,
): Promise<{ readonly last: readonly DeadLetter[]; readonly count: number }> {
  const last: DeadLetter[] = [];
  let count = 0;
  for await (const letter of readDeadLetters(directory, sink)) {
    count += 1;
    last.push(letter);
    if (last.length > limit) last.shift();
  }
  return { last, count };
}

async function deadIds(directory: string, sink: string): Promise<ReadonlySet<string>> {
  const ids = new Set<string>();
  for await (const { id } of readDeadLetters(directory, sink)) ids.add(id);
  return ids;
}

/** What `--limit` may be. Throws a usage error on anything else. */
export function wholeNumber(text: string): number {
  const count = Number(text);
  if (!Number.isInteger(count) || count < 1 || count > 100_000) {
    throw new CliError('--limit takes a whole number from 1 to 100000.', exitCodes.usage);
  }
  return count;
}

/** Nanoseconds since the epoch of a time as people write it. */
export function timeNs(text: string): bigint {
  const ms = Date.parse(text);
  if (Number.isNaN(ms)) throw new CliError(`${text} is no time; write 2026-11-21T10:00:00Z.`, exitCodes.usage);
  return BigInt(ms) * 1_000_000n;
}

/** Loaded here, so that no other command waits for all that a configuration is made of. */
export async function configFrom(file: string): Promise<Config> {
  const { loadConfig } = await import('../config/load.ts');
  const loaded = loadConfig(file, process.env);
  if (loaded.ok) return loaded.value.config;
  const problems = formatProblems(file, loaded.error);
  throw new CliError(`the configuration is not usable:\n${problems}`, exitCodes.usage);
}
