import { userInfo } from 'node:os';
import type { Command } from 'commander';
import { openFileLog } from '../audit/file-log.ts';
import { fileLogLimits } from '../audit/file-log-limits.ts';
import { nodeFs } from '../audit/fs-port.ts';
import type { AuditKeys } from '../audit/keys.ts';
import { layout } from '../audit/layout.ts';
import { acquireLock } from '../audit/lock.ts';
import { type Damage, findDamage, type Quarantined, quarantine, recordQuarantines } from '../audit/quarantine.ts';
import type { AuditConfig } from '../config/config.ts';
import { systemClock } from '../lib/clock.ts';
import { createPooledRandom, createUuidV7 } from '../lib/ids.ts';
import { limits } from '../lib/limits.ts';
import { noMetrics, silentLog } from '../telemetry/telemetry.ts';
import { openAuditKeys } from './audit-keys.ts';
import { configFrom } from './audit-sinks.ts';
import { CliError, exitCodes, printable, printJson, printLine } from './output.ts';

interface Options {
  readonly config: string;
  readonly quarantine?: boolean;
  readonly reason?: string;
  readonly json?: boolean;
}

const help = `
Without --quarantine nothing is changed: it says whether the service could start on this log, and why not. Exit codes: 0 it could, 1 the log
is damaged, 3 it is in use.

With --quarantine the damaged log is put aside whole, below quarantine/ in its folder, and the log goes on in a new shard, whose first records
say which one was put aside, by whom and why. Nothing is thrown away, and nothing damaged becomes sound: \`audit verify\` of the folder
that was put aside goes on to say what is wrong with it. A copy from a backup is better, where there is one of this very state.`;

/** `countersign audit repair`: for a log that does not start any more; the service must not run. */
export function addAuditRepairCommand(audit: Command): void {
  audit
    .command('repair')
    .description('what keeps a damaged log from starting, and a way on that loses nothing and is on record')
    .requiredOption('-c, --config <file>', 'configuration file (YAML) of the service')
    .option('--quarantine', 'put the damaged log aside and go on in a new shard')
    .option('--reason <text>', 'why; goes on record with your name on this machine')
    .option('--json', 'as JSON')
    .addHelpText('after', help)
    .action(async (options: Options) => {
      const reason = options.reason?.trim() ?? '';
      if (options.quarantine && reason === '') throw new CliError('--quarantine takes a --reason.', exitCodes.usage);
      if (reason.length > limits.reasonCharsMax)
        throw new CliError(`--reason takes ${limits.reasonCharsMax} characters.`, exitCodes.usage);
      const { audit: config } = await configFrom(options.config);
      const random = createPooledRandom();
      const keys = await openAuditKeys({ ...config, createKeyFile: false }, process.env, random);
      await repair(config, keys, options, reason);
    });
}

async function repair(config: AuditConfig, keys: AuditKeys, options: Options, reason: string): Promise<void> {
  const { directory, origin } = config;
  const deps = { directory, origin, fs: nodeFs, signingKey: keys.signingKey, nowMs: systemClock.nowMs };
  const lock = await acquireLock(layout.lock(directory), createPooledRandom(), fileLogLimits.lockStaleMs).catch(
    (thrown: unknown) => {
      const why = thrown instanceof Error ? thrown.message : String(thrown);
      throw new CliError(`${why}. Stop the service first.`, exitCodes.unreachable);
    },
  );
  let damage: Damage | null;
  let done: Quarantined | null = null;
  try {
    damage = findDamage(deps);
    if (damage !== null && options.quarantine) {
      done = await quarantine(deps, damage, { by: userInfo().username, reason });
    }
  } finally {
    lock.release();
  }
  const isRecorded = done !== null && (await putOnRecord(config, keys));
  if (options.json) printJson(json(damage, done, isRecorded));
  else printLine(printable(text(damage, done, isRecorded)));
  if (damage !== null && done === null) process.exitCode = exitCodes.no;
}

/** False when another process has opened the log by now: it puts it on record itself. */
async function putOnRecord(config: AuditConfig, keys: AuditKeys): Promise<boolean> {
  const random = createPooledRandom();
  try {
    const log = await openFileLog({
      directory: config.directory,
      origin: config.origin,
      keys,
      clock: systemClock,
      random,
      newId: createUuidV7(systemClock, random),
      observe: { log: silentLog, metrics: noMetrics },
      shard: config.shard,
      openFacts: { purpose: 'repair' },
    });
    await recordQuarantines(nodeFs, config.directory, log).finally(log.close);
    return true;
  } catch {
    return false;
  }
}

function json(damage: Damage | null, done: Quarantined | null, isRecorded: boolean) {
  return {
    sound: damage === null,
    log: damage?.log ?? null,
    damage: damage?.what ?? null,
    quarantined:
      done === null
        ? null
        : {
            folder: done.folder,
            next: done.next,
            records: done.records,
            problems: [...done.problems],
            holds: [...done.holds],
            recorded: isRecorded,
          },
  };
}

function text(damage: Damage | null, done: Quarantined | null, isRecorded: boolean): string {
  if (damage === null) return 'sound: the service can start on this log';
  const lines = [`log         ${damage.log}`, `DAMAGED     ${damage.what}`];
  if (done === null) {
    return [...lines, 'nothing was changed; --quarantine puts it aside and goes on (see --help)'].join('\n');
  }
  return [
    ...lines,
    ...done.problems.map((problem) => `PROBLEM     ${problem}`),
    `put aside   ${done.folder}, ${done.records} of its records can be read`,
    `goes on in  ${done.next}`,
    isRecorded ? 'on record   yes' : 'on record   not yet: the next start of the service does it',
    ...(done.holds.length === 0
      ? []
      : [`HOLDS       ${done.holds.join(', ')} stood in what was put aside: order them again before anything expires`]),
  ].join('\n');
}
