import type { Command } from 'commander';
import { readRecords } from '../audit/read.ts';
import { type VerifyLevel, type VerifyProblem, type VerifyReport, verifyLog } from '../audit/verify.ts';
import { Fault } from '../lib/fault.ts';
import { createPooledRandom } from '../lib/ids.ts';
import type { JsonObject } from '../lib/json.ts';
import { readText, trustFrom } from './audit-prove.ts';
import { mustBeLog } from './audit-records.ts';
import { configFrom } from './audit-sinks.ts';
import { CliError, exitCodes, printable, printJson, printLine } from './output.ts';

const help = `
Levels:
  1  frames and checksums of the segments
  2  the published tree: leaves, tiles, root, signature, witnesses; needs only what may be published
  3  both, and each record against its leaf, intents against outcomes
  4  and the sealed bytes against their hashes (the default)
  5  and the plaintext against its commitments; needs the keys of --config

Exit codes: 0 intact, 1 tampered with, 2 wrong usage, 3 it cannot be said: the log, its checkpoint or a key cannot be read.`;

interface Options {
  readonly key?: string;
  readonly trust?: string;
  readonly since?: string;
  readonly level: string;
  readonly config?: string;
  readonly json?: boolean;
}

/** `countersign audit verify`: offline, on a folder that may be a copy. */
export function addAuditVerifyCommand(audit: Command): void {
  audit
    .command('verify')
    .description(
      'check every byte of a log offline: frames, records, Merkle tree, signature; exit code 1 when it was tampered with',
    )
    .argument('<folder>', 'folder of the log (audit.directory), or a copy of it')
    .option('--key <file>', 'verifier key that you were given; without it the log only proves to agree with itself')
    .option('--trust <file>', 'a trust policy (C2SP tlog-policy) instead: logs, witnesses, quorum')
    .option('--since <file>', 'a checkpoint kept from before: also prove that the log only grew')
    .option('--level <n>', 'how deep, 1 to 5', '4')
    .option('-c, --config <file>', 'configuration with the keys, for level 5')
    .option('--json', 'as JSON')
    .addHelpText('after', help)
    .action(async (folder: string, options: Options) => {
      mustBeLog(folder);
      const level = levelOf(options);
      const report = await verifyLog({
        directory: folder,
        level: level === 5 ? 4 : level,
        ...(options.trust ? { trust: trustFrom(options) } : {}),
        ...(options.key ? { verifierKey: readText(options.key) } : {}),
        ...(options.since ? { since: readText(options.since) } : {}),
      }).catch((thrown: unknown) => {
        throw new CliError(`the log cannot be read: ${Fault.from(thrown).message}`, exitCodes.unreachable);
      });
      const plain = level === 5 ? await openAll(folder, options.config ?? '') : { opened: 0, locked: 0, problems: [] };
      const whole = { ...report, problems: [...report.problems, ...plain.problems] };
      if (options.json) printJson({ ...reportJson(whole), level, opened: plain.opened, locked: plain.locked });
      else {
        if (level === 5) printLine(`plaintext   ${plain.opened} records opened, ${plain.locked} without a key`);
        printLine(reportText(whole));
      }
      process.exitCode = exitCodeOf(whole, plain.locked);
    });
}

function levelOf({ level, config, key, trust }: Options): VerifyLevel | 5 {
  const known = ([1, 2, 3, 4, 5] as const).find((each) => String(each) === level);
  if (known === undefined) throw new CliError('--level takes 1, 2, 3, 4 or 5.', exitCodes.usage);
  if (known === 5 && config === undefined) throw new CliError('Level 5 needs --config for its keys.', exitCodes.usage);
  if (key !== undefined && trust !== undefined) throw new CliError('Give --key or --trust, not both.', exitCodes.usage);
  return known;
}

/** Nothing signed to hold on to, or keys that are not there, is no proof of anything. */
function exitCodeOf(report: VerifyReport, locked: number): number {
  const isMissing = ({ place, what }: VerifyProblem): boolean => place === 'checkpoint' && what === 'there is none';
  if (report.problems.some((problem) => !isMissing(problem))) return exitCodes.no;
  return report.problems.length > 0 || locked > 0 ? exitCodes.unreachable : exitCodes.done;
}

/** Opens every sealed body and compares it with its commitment. Nothing of it is shown or kept. */
async function openAll(
  folder: string,
  configFile: string,
): Promise<{ opened: number; locked: number; problems: readonly VerifyProblem[] }> {
  const { audit } = await configFrom(configFile);
  const [{ openAuditKeys }, { openBodies }] = await Promise.all([
    import('./audit-keys.ts'),
    import('../audit/read.ts'),
  ]);
  const keys = await openAuditKeys(audit, process.env, createPooledRandom());
  const problems: VerifyProblem[] = [];
  let opened = 0;
  let locked = 0;
  for await (const record of readRecords(folder)) {
    if (record.bodies.length === 0) continue;
    try {
      await openBodies(folder, record, keys);
      opened += 1;
    } catch (thrown) {
      const { message } = Fault.from(thrown);
      // A key that is gone may be gone rightly; a text that is not what was recorded never is.
      if (!message.includes('is not what was recorded')) locked += 1;
      else if (problems.length < 1_000)
        problems.push({ check: 'bodies', place: `record ${record.sequence}`, what: message });
    }
  }
  return { opened, locked, problems };
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
    witnessed:
      report.witnessed === null
        ? null
        : {
            quorum: report.witnessed.hasQuorum,
            size: report.witnessed.size,
            witnesses: report.witnessed.witnesses.map(({ name, timeS }) => ({ name, time: isoSeconds(timeS) })),
          },
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
  for (const { name, timeS } of report.witnessed?.witnesses ?? [])
    lines.push(`witness     ${name} at ${isoSeconds(timeS)}, over ${report.witnessed?.size ?? 0} records`);
  if (report.expired > 0) lines.push(`expired     ${report.expired} records, as the record says`);
  for (const key of report.overdue)
    lines.push(`OVERDUE     ${key} is there, and the record says that it was destroyed`);
  if (report.openIntents > 0) lines.push(`open        ${report.openIntents} exchanges without an outcome yet`);
  if (report.unfinishedBytes > 0) lines.push(`unfinished  ${report.unfinishedBytes} bytes of a write under way`);
  for (const problem of report.problems) lines.push(`PROBLEM     ${problem.check}: ${problem.place}: ${problem.what}`);
  lines.push(report.problems.length === 0 ? 'intact' : `NOT intact: ${report.problems.length} problems`);
  return printable(lines.join('\n'));
}

function isoSeconds(timeS: number): string {
  return new Date(timeS * 1000).toISOString();
}
