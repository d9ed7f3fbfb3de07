import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { checkEvidence, type Evidence, type EvidenceReport } from '../audit/verify-evidence.ts';
import type { JsonObject } from '../lib/json.ts';
import { readText, trustFrom } from './audit-prove.ts';
import { CliError, exitCodes, printable, printJson, printLine } from './output.ts';

interface Options {
  readonly key?: string;
  readonly trust?: string;
  readonly json?: boolean;
}

/** `countersign audit verify-proof`: needs nothing of the log. */
export function addAuditVerifyProofCommand(audit: Command): void {
  audit
    .command('verify-proof')
    .description('check proofs offline, and what lies beside them; exit code 1 when one does not hold')
    .argument('<file...>', 'proofs, or folders with them such as `audit export` makes')
    .option('--key <file>', "the log's verifier key, as you were given it")
    .option('--trust <file>', 'a trust policy (C2SP tlog-policy) instead: logs, witnesses, quorum')
    .option('--json', 'one JSON document a proof')
    .action((paths: readonly string[], options: Options) => {
      const policy = trustFrom(options);
      const files = paths.flatMap(proofsIn);
      const reports = checkEvidence(files.map(evidenceIn), policy);
      const [only] = reports;
      if (options.json) reports.forEach((report, i) => void printJson(reportJson(files[i] ?? '', report)));
      else if (reports.length === 1 && only !== undefined) printLine(printable(wholeText(files[0] ?? '', only)));
      else printLine(printable(manyText(files, reports)));
      if (reports.some(({ problems }) => problems.length > 0)) process.exitCode = exitCodes.no;
    });
}

const proofSuffix = '.tlog-proof';

function proofsIn(path: string): string[] {
  if (!(statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false)) return [path];
  const names = readdirSync(path, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith(proofSuffix));
  if (names.length === 0) throw new CliError(`${path} holds no proof (*${proofSuffix}).`, exitCodes.usage);
  return names.sort().map((name) => join(path, name));
}

/** As `audit export` lays it out: `<number>.manifest.json` and `<number>.sealed` beside `<number>.tlog-proof`. */
function evidenceIn(file: string): Evidence {
  const stem = file.endsWith(proofSuffix) ? file.slice(0, -proofSuffix.length) : null;
  const beside = (suffix: string): Buffer | null => (stem === null ? null : readIfThere(`${stem}${suffix}`));
  return { proof: readText(file), manifest: beside('.manifest.json'), sealed: beside('.sealed') };
}

function readIfThere(file: string): Buffer | null {
  return statSync(file, { throwIfNoEntry: false }) === undefined ? null : readFileSync(file);
}

function reportJson(file: string, { report, problems, writtenAfterS, existedBeforeS }: EvidenceReport): JsonObject {
  const { proof, manifest, witnesses } = report ?? {};
  return {
    file,
    ok: problems.length === 0,
    origin: proof?.checkpoint.origin ?? null,
    index: proof?.index ?? null,
    size: proof?.checkpoint.size ?? null,
    root: proof?.checkpoint.root.toString('base64') ?? null,
    witnesses: (witnesses ?? []).map(({ name, timeS }) => ({ name, time: iso(timeS) })),
    written_after: writtenAfterS === null ? null : iso(writtenAfterS),
    existed_before: existedBeforeS === null ? null : iso(existedBeforeS),
    manifest: manifest === undefined || manifest === null ? null : JSON.parse(JSON.stringify(manifest)),
    problems: [...problems],
  };
}

function wholeText(file: string, each: EvidenceReport): string {
  const { report, problems } = each;
  if (report === null) return `PROBLEM     ${file}: ${problems.join(', ')}\nNOT proved`;
  const { proof, witnesses } = report;
  return [
    `log         ${proof.checkpoint.origin}`,
    `record      ${proof.index} of ${proof.checkpoint.size}`,
    `manifest    ${proof.extra.toString()}`,
    ...witnesses.map(({ name, timeS }) => `witness     ${name}, ${iso(timeS)} by its own clock`),
    ...problems.map((problem) => `PROBLEM     ${problem}`),
    problems.length === 0
      ? ['proved', ...timesOf(each)].join(': ')
      : 'NOT proved: what is shown above is only what the file says',
  ].join('\n');
}

function manyText(files: readonly string[], reports: readonly EvidenceReport[]): string {
  const lines = reports.map((each, i) => {
    const { report, problems } = each;
    const kind: unknown = Reflect.get(report?.manifest ?? {}, 'kind');
    const words = [`record ${report?.proof.index ?? '?'}`, typeof kind === 'string' ? kind : '', ...timesOf(each)];
    const verdict = problems.length === 0 ? 'proved    ' : 'NOT proved';
    return [verdict, files[i] ?? '', ...words, ...problems].filter((word) => word !== '').join('  ');
  });
  const sound = reports.filter(({ problems }) => problems.length === 0).length;
  return [...lines, `${sound} of ${reports.length} proved`].join('\n');
}

/** Between which times of somebody else's clock it was written, as far as that is proved. */
function timesOf({ writtenAfterS, existedBeforeS }: EvidenceReport): string[] {
  const after = writtenAfterS === null ? [] : [`written after ${iso(writtenAfterS)}`];
  const before = existedBeforeS === null ? [] : [`existed before ${iso(existedBeforeS)}`];
  const both = [...after, ...before].join(', ');
  return both === '' ? [] : [both];
}

function iso(timeS: number): string {
  return new Date(timeS * 1000).toISOString();
}
