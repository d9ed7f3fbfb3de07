import type { Command } from 'commander';
import type { AuditKeys } from '../audit/keys.ts';
import { systemClock } from '../lib/clock.ts';
import { createPooledRandom } from '../lib/ids.ts';
import { limits } from '../lib/limits.ts';
import { CliError, exitCodes, printJson, printLine, table } from './output.ts';

const help = `
The keys stand in the file that masking.key_file names, each wrapped by the key that wraps the audit log's (audit.key_file, the
environment, or a key service). Running services read the file again when it changes. A session keeps the key that it began with.`;

/** `countersign keys …`: the keys of placeholders. */
export function addKeysCommands(program: Command): void {
  const keys = program.command('keys').description('make, rotate and list the keys of placeholders');

  keys
    .command('rotate')
    .description('add a new key, which new sessions are masked with from some time on')
    .requiredOption('-c, --config <file>', 'configuration file (YAML)')
    .option('--in <duration>', 'when its time begins; long enough for every replica to have read the file', '1m')
    .option('--keep <count>', 'how many keys stay in the file, the new one included', '4')
    .option('--json', 'as JSON')
    .addHelpText('after', help)
    .action(async (options: { config: string; in: string; keep: string; json?: boolean }) => {
      const { durationMs } = await import('../config/values.ts');
      const delayMs = durationMs(options.in);
      const keep = Number(options.keep);
      if (delayMs === null) throw new CliError('--in takes a duration such as 0s, 1m or 12h.', exitCodes.usage);
      if (!(Number.isInteger(keep) && keep >= 1 && keep <= limits.maskingKeysMax)) {
        throw new CliError(`--keep takes a number from 1 to ${limits.maskingKeysMax}.`, exitCodes.usage);
      }
      const { file, auditKeys } = await open(options.config);
      const { addKey, readKeyFile } = await import('./masking-keys.ts');
      // The first key has nobody to wait for.
      const fromMs = systemClock.nowMs() + (readKeyFile(file).length === 0 ? 0 : delayMs);
      const { id, from } = await addKey(file, auditKeys, createPooledRandom(), { fromMs, keep });
      if (options.json) printJson({ file, id, from });
      else printLine(`${file}\n${id} from ${from}`);
    });

  keys
    .command('list')
    .description('the keys in the file, and whether each can be opened')
    .requiredOption('-c, --config <file>', 'configuration file (YAML)')
    .option('--json', 'as JSON')
    .action(async (options: { config: string; json?: boolean }) => {
      const { file, auditKeys } = await open(options.config);
      const { readKeyFile, unwrapKey } = await import('./masking-keys.ts');
      const rows: { id: string; from: string; kek: string; opens: boolean }[] = [];
      for (const key of readKeyFile(file)) {
        const opens = await unwrapKey(key, auditKeys).then(
          () => true,
          () => false,
        );
        rows.push({ id: key.id, from: key.from, kek: key.kek, opens });
      }
      if (options.json) for (const row of rows) printJson(row);
      else if (rows.length === 0) printLine(`${file} has no keys yet: \`countersign keys rotate\` makes the first.`);
      else
        printLine(
          table(
            ['ID', 'FROM', 'KEK', 'OPENS'],
            rows.map(({ id, from, kek, opens }) => [id, from, kek, opens ? 'yes' : 'no']),
          ),
        );
      if (rows.length === 0 || rows.some(({ opens }) => !opens)) process.exitCode = exitCodes.no;
    });
}

async function open(config: string): Promise<{ readonly file: string; readonly auditKeys: AuditKeys }> {
  const [{ loadConfig }, { formatProblems }, { openAuditKeys }] = await Promise.all([
    import('../config/load.ts'),
    import('../config/problem.ts'),
    import('./audit-keys.ts'),
  ]);
  const loaded = loadConfig(config, process.env);
  if (!loaded.ok) {
    throw new CliError(`the configuration is not usable:\n${formatProblems(config, loaded.error)}`, exitCodes.usage);
  }
  const { masking, audit } = loaded.value.config;
  if (masking.keyFile === null) {
    throw new CliError('The configuration names no masking.key_file, so there is nothing to rotate.', exitCodes.usage);
  }
  return { file: masking.keyFile, auditKeys: await openAuditKeys(audit, process.env, createPooledRandom()) };
}
