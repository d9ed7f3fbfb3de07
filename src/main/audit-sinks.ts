import type { Command } from 'commander';
import { nodeFs } from '../audit/fs-port.ts';
import { shardAt } from '../audit/shards.ts';
import { readPosition } from '../audit/sinks/cursor.ts';
import { deadLetterPath } from '../audit/sinks/dead-letters.ts';
import { readLater, readPublished } from '../audit/sinks/log-tail.ts';
import type { Config } from '../config/config.ts';
import { formatProblems } from '../config/problem.ts';
import { createPooledRandom } from '../lib/ids.ts';
import { CliError, exitCodes, printJson, printLine, table } from './output.ts';
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
    .command('replay')
    .description('send records of a time range again, under the ids that they had; the cursor stays where it is')
    .requiredOption('-c, --config <file>', 'configuration file (YAML)')
    .requiredOption('--sink <name>', 'which sink')
    .option('--from <time>', 'first time, such as 2026-11-21T10:00:00Z; without it from the beginning')
    .option('--to <time>', 'time before which it ends; without it up to now')
    .action(async (options: { config: string; sink: string; from?: string; to?: string }) => {
      const { audit: config } = await configFrom(options.config);
      const spec = sinkSpecs(config).find(({ name }) => name === options.sink);
      if (spec === undefined) throw new CliError(`There is no sink "${options.sink}".`, exitCodes.usage);
      const from = options.from === undefined ? 0n : timeNs(options.from);
      const to = options.to === undefined ? BigInt(Date.now()) * 1_000_000n : timeNs(options.to);
      const { replayTo } = await import('./sink-replay.ts');
      const { openAuditKeys } = await import('./audit-keys.ts');
      const keys = spec.promptBytesMax === 0 ? null : await openAuditKeys(config, process.env, createPooledRandom());
      const counts = await replayTo(spec, { config, product: thisProduct(version()), from, to, keys });
      printLine(`${counts.delivered} events delivered, ${counts.dead} refused for good`);
      if (counts.dead > 0) process.exitCode = exitCodes.no;
    });
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
