import { join } from 'node:path';
import type { Command } from 'commander';
import type { VerifyLevel, VerifyProblem } from '../audit/verify.ts';
import type { BeaconReport } from '../audit/verify-beacons.ts';
import { parseNoteKey, parseSignedCheckpoint } from '../audit/verify-note.ts';
import { logOfShard } from '../audit/verify-place.ts';
import { type FolderReport, verifyShards } from '../audit/verify-shards.ts';
import { type CheckedTexts, checkTexts, type TextKeys } from '../audit/verify-texts.ts';
import { Fault } from '../lib/fault.ts';
import { createPooledRandom } from '../lib/ids.ts';
import type { JsonObject } from '../lib/json.ts';
import { readText, trustFrom } from './audit-prove.ts';
import { folderHelp, logsOf } from './audit-records.ts';
import { configFrom } from './audit-sinks.ts';
import { CliError, exitCodes, printable, printJson, printLine } from './output.ts';

const help = `
Levels:
  1  frames and checksums of the segments
  2  the published tree: leaves, tiles, root, signature, witnesses; needs only what may be published
  3  both, and each record against its leaf, intents against outcomes
  4  and the sealed bytes against their hashes (the default)
  5  and the plaintext against its commitments; needs the keys of --config, or an auditor's age identity

A folder above several logs: each of them is checked, and two logs of one name are told. --key and --since then take several files.

A log in shards: all of them are checked, and that none is missing: each names the next one and the last checkpoint of the one before.
A key of the log or of one of its shards is good for all of them. --elsewhere names one that was moved away.

Exit codes: 0 intact, 1 tampered with, 2 wrong usage, 3 it cannot be said: the log, its checkpoint or a key cannot be read.`;

interface Options {
  readonly key?: string[];
  readonly trust?: string;
  readonly since?: string[];
  readonly elsewhere?: string[];
  readonly level: string;
  readonly config?: string;
  readonly identity?: string;
  readonly json?: boolean;
}

/** `countersign audit verify`: offline, on a folder that may be a copy. */
export function addAuditVerifyCommand(audit: Command): void {
  audit
    .command('verify')
    .description(
      'check every byte of a log offline: frames, records, Merkle tree, signature; exit code 1 when it was tampered with',
    )
    .argument('<folder>', `${folderHelp}; a copy will do`)
    .option(
      '--key <file>',
      'verifier key that you were given; without it the log only proves to agree with itself',
      several,
    )
    .option('--trust <file>', 'a trust policy (C2SP tlog-policy) instead: logs, witnesses, quorum')
    .option('--since <file>', 'a checkpoint kept from before: also prove that the log only grew', several)
    .option('--elsewhere <name>', 'name of a shard that was moved elsewhere: it need not be here', several)
    .option('--level <n>', 'how deep, 1 to 5', '4')
    .option('-c, --config <file>', 'configuration with the keys, for level 5')
    .option('--identity <file>', 'for level 5 instead: an identity of `audit.age_recipients`, as age-keygen writes it')
    .option('--json', 'as JSON')
    .addHelpText('after', help)
    .action(async (folder: string, options: Options) => {
      const logs = await logsOf(folder);
      const level = levelOf(options);
      const expected = expectedOf(options, logs.length);
      const checked = await checkAll(logs, level, options, expected);
      const keys = level === 5 ? await textKeys(options) : null;
      const reports: CheckedLog[] = [];
      for (const report of checked) reports.push(await withTexts(report, keys));
      const whole = overall(reports, expected);
      if (options.json) printJson(wholeJson(reports, whole, level));
      else printLine(printable(wholeText(reports, whole, level)));
      process.exitCode = exitCodeOf(whole.problems, whole.locked);
    });
}

/** A log's report, with what opening its texts has shown. */
interface CheckedLog extends FolderReport {
  readonly texts: Omit<CheckedTexts, 'problems'>;
}

const noTexts: Omit<CheckedTexts, 'problems'> = { opened: 0, destroyed: 0, locked: 0, reasons: [] };

/** What the options say of each log by its name. */
interface Expected {
  readonly keys: ReadonlyMap<string, string>;
  readonly since: ReadonlyMap<string, string>;
  readonly logs: number;
}

function expectedOf({ key = [], since = [] }: Options, logs: number): Expected {
  const keys = key.map((file) => {
    const text = readText(file).trim();
    return [parseNoteKey(text)?.name ?? file, text] as const;
  });
  const heads = since.map((file) => {
    const note = readText(file);
    const head = parseSignedCheckpoint(note);
    return [typeof head === 'string' ? file : head.origin, note] as const;
  });
  return { keys: new Map(keys), since: new Map(heads), logs };
}

/** One log alone takes what is given; of several each takes what bears its name. */
function ofLog(given: ReadonlyMap<string, string>, origin: string, logs: number): string | undefined {
  return logs === 1 && given.size === 1 ? [...given.values()][0] : given.get(origin);
}

/** The key of a log or of any shard of it is good for all of them. */
function keyOfLog(keys: Expected['keys'], log: string): string | undefined {
  return [...keys].find(([name]) => logOfShard(name) === log)?.[1];
}

function checkAll(
  folders: readonly string[],
  level: VerifyLevel | 5,
  options: Options,
  expected: Expected,
): Promise<FolderReport[]> {
  const trust = options.trust ? { trust: trustFrom({ trust: options.trust }) } : {};
  return verifyShards({
    folders,
    elsewhere: new Set(options.elsewhere),
    optionsOf: (folder) => {
      const origin = nameBeside(folder);
      const key = ofLog(expected.keys, origin, expected.logs) ?? keyOfLog(expected.keys, logOfShard(origin));
      const since = ofLog(expected.since, origin, expected.logs);
      return {
        level: level === 5 ? 4 : level,
        ...trust,
        ...(key === undefined ? {} : { verifierKey: key }),
        ...(since === undefined ? {} : { since }),
      };
    },
  }).catch((thrown: unknown) => {
    throw new CliError(`the log cannot be read: ${Fault.from(thrown).message}`, exitCodes.unreachable);
  });
}

async function withTexts(report: FolderReport, keys: TextKeys | null): Promise<CheckedLog> {
  if (keys === null) return { ...report, texts: noTexts };
  const { problems, ...texts } = await checkTexts(report.folder, keys);
  return { ...report, texts, problems: [...report.problems, ...problems] };
}

async function textKeys({ config, identity }: Options): Promise<TextKeys> {
  if (identity !== undefined) {
    const identities = readText(identity);
    const { openAge } = await import('../audit/age.ts');
    return { kind: 'age', open: (file) => openAge(file, identities) };
  }
  const { audit } = await configFrom(config ?? '');
  const { openAuditKeys } = await import('./audit-keys.ts');
  const { unwrap } = await openAuditKeys(audit, process.env, createPooledRandom());
  return { kind: 'kek', unwrap };
}

/** The name that a log's folder gives itself: enough to choose what it is to be checked against. */
function nameBeside(folder: string): string {
  try {
    return parseNoteKey(readText(join(folder, 'log.vkey')).trim())?.name ?? '';
  } catch {
    return '';
  }
}

interface Overall {
  readonly problems: readonly VerifyProblem[];
  readonly locked: number;
}

/** What no log can show by itself: two of one name, and one that was expected and is not there. */
function overall(reports: readonly CheckedLog[], { keys, since }: Expected): Overall {
  const problems: VerifyProblem[] = [];
  const origins = reports.map(({ origin }) => origin);
  for (const origin of new Set(origins.filter((each, i) => each !== '' && origins.indexOf(each) !== i))) {
    const folders = reports.filter((report) => report.origin === origin).map(({ folder }) => folder);
    problems.push({ check: 'tree', place: folders.join(', '), what: `several logs have the name ${origin}` });
  }
  const isAlone = reports.length === 1;
  const isOfShards = (name: string): boolean =>
    keys.has(name) && origins.some((each) => each !== logOfShard(each) && logOfShard(each) === logOfShard(name));
  for (const name of new Set([...keys.keys(), ...since.keys()])) {
    if (isAlone && keys.size <= 1 && since.size <= 1) break;
    if (!origins.includes(name) && !isOfShards(name))
      problems.push({ check: 'tree', place: name, what: 'this log is not there' });
  }
  for (const { origin, folder, key } of reports) {
    if (keys.size > 0 && key !== 'given') {
      problems.push({ check: 'tree', place: origin || folder, what: 'no key was given for this log' });
    }
  }
  return {
    problems: [...reports.flatMap((report) => report.problems), ...problems],
    locked: reports.reduce((sum, { texts }) => sum + texts.locked, 0),
  };
}

/** An option that may be given more than once. */
function several(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}

function levelOf({ level, config, identity, key, trust }: Options): VerifyLevel | 5 {
  const known = ([1, 2, 3, 4, 5] as const).find((each) => String(each) === level);
  if (known === undefined) throw new CliError('--level takes 1, 2, 3, 4 or 5.', exitCodes.usage);
  if (known === 5 && (config === undefined) === (identity === undefined)) {
    throw new CliError('Level 5 needs keys: --config, or --identity.', exitCodes.usage);
  }
  if (key !== undefined && trust !== undefined) throw new CliError('Give --key or --trust, not both.', exitCodes.usage);
  return known;
}

/** Nothing signed to hold on to, or keys that are not there, is no proof of anything. */
function exitCodeOf(problems: readonly VerifyProblem[], locked: number): number {
  const isMissing = ({ place, what }: VerifyProblem): boolean => place === 'checkpoint' && what === 'there is none';
  if (problems.some((problem) => !isMissing(problem))) return exitCodes.no;
  return problems.length > 0 || locked > 0 ? exitCodes.unreachable : exitCodes.done;
}

/** One log as it always was; several each by itself, and what they have together. */
function wholeJson(reports: readonly CheckedLog[], whole: Overall, level: number): JsonObject {
  const [only, ...others] = reports.map((report) => ({
    ...reportJson(report),
    level,
    opened: report.texts.opened,
    destroyed: report.texts.destroyed,
    locked: report.texts.locked,
    locked_why: [...report.texts.reasons],
  }));
  const own = reports.reduce((sum, { problems }) => sum + problems.length, 0);
  const together = whole.problems.slice(own).map((problem) => ({ ...problem }));
  if (only !== undefined && others.length === 0) {
    return together.length === 0 ? only : { ...only, ok: false, problems: [...only.problems, ...together] };
  }
  return {
    ok: whole.problems.length === 0,
    records: reports.reduce((sum, { records }) => sum + records, 0),
    checkpointed: reports.reduce((sum, { checkpointed }) => sum + checkpointed, 0),
    level,
    problems: together,
    logs: reports.map((report, i) => ({ folder: report.folder, ...[only, ...others][i] })),
  };
}

function wholeText(reports: readonly CheckedLog[], whole: Overall, level: number): string {
  const isOne = reports.length === 1;
  const blocks = reports.map((report) => {
    const folder = isOne ? [] : [`folder      ${report.folder}`];
    return [...folder, ...(level === 5 ? textLines(report.texts) : []), ...reportLines(report)].join('\n');
  });
  const own = reports.reduce((sum, { problems }) => sum + problems.length, 0);
  const together = whole.problems.slice(own).map(problemLine);
  if (isOne && together.length === 0) return blocks.join('\n');
  const count = whole.problems.length;
  const records = reports.reduce((sum, report) => sum + report.records, 0);
  const verdict = count === 0 ? 'all intact' : `NOT intact: ${count} problems`;
  return [...blocks, [...together, `${reports.length} logs, ${records} records: ${verdict}`].join('\n')].join('\n\n');
}

function textLines({ opened, destroyed, locked, reasons }: CheckedLog['texts']): string[] {
  return [
    `plaintext   ${opened} records opened, ${locked} without a key${destroyed > 0 ? `, ${destroyed} whose key was destroyed` : ''}`,
    ...reasons.map((why) => `LOCKED      ${why}`),
  ];
}

function reportJson(report: FolderReport) {
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
    beacons:
      report.beacons === null
        ? null
        : {
            count: report.beacons.count,
            cosigned: report.beacons.vouched,
            from: report.beacons.fromS === null ? null : isoSeconds(report.beacons.fromS),
            until: report.beacons.untilS === null ? null : isoSeconds(report.beacons.untilS),
          },
    quarantined: [...report.quarantined],
    open_intents: report.openIntents,
    unfinished_bytes: report.unfinishedBytes,
    problems: report.problems.map((problem) => ({ ...problem })),
  };
}

function reportLines(report: FolderReport): string[] {
  const lines = [
    `log         ${report.origin}`,
    `records     ${report.records}, ${report.checkpointed} of them under the signed checkpoint`,
    `root        ${report.root}`,
    `key         ${report.key}`,
  ];
  for (const { name, timeS } of report.witnessed?.witnesses ?? [])
    lines.push(`witness     ${name} at ${isoSeconds(timeS)}, over ${report.witnessed?.size ?? 0} records`);
  if (report.beacons !== null && report.beacons.count > 0) lines.push(`beacons     ${beaconsText(report.beacons)}`);
  for (const log of report.quarantined)
    lines.push(`QUARANTINED ${log}: put aside as damaged, as the record says; check it by itself`);
  if (report.expired > 0) lines.push(`expired     ${report.expired} records, as the record says`);
  for (const key of report.overdue)
    lines.push(`OVERDUE     ${key} is there, and the record says that it was destroyed`);
  if (report.openIntents > 0) lines.push(`open        ${report.openIntents} exchanges without an outcome yet`);
  if (report.unfinishedBytes > 0) lines.push(`unfinished  ${report.unfinishedBytes} bytes of a write under way`);
  lines.push(...report.problems.map(problemLine));
  lines.push(report.problems.length === 0 ? 'intact' : `NOT intact: ${report.problems.length} problems`);
  return lines;
}

function beaconsText({ count, vouched, fromS, untilS }: BeaconReport): string {
  if (fromS === null || untilS === null) return `${count}, without the word of a witness that you trust`;
  const times = `from ${isoSeconds(fromS)} until ${isoSeconds(untilS)} by the witnesses' clocks`;
  return `${count}, ${vouched} of them cosigned, ${times}`;
}

function problemLine({ check, place, what }: VerifyProblem): string {
  return `PROBLEM     ${check}: ${place}: ${what}`;
}

function isoSeconds(timeS: number): string {
  return new Date(timeS * 1000).toISOString();
}
