import { type Command, Option } from 'commander';
import type { ConfiguredDetector } from './detector.ts';
import { CliError, exitCodes } from './output.ts';
import { byteCount, score } from './scan/arguments.ts';
import { addDetectionOptions, type DetectionOptions, detectionFrom } from './scan/detection-options.ts';
import type { Report } from './scan/report.ts';

interface ScanOptions extends DetectionOptions {
  readonly json?: boolean;
  readonly sarif?: boolean;
  readonly text?: boolean;
  readonly showValues?: boolean;
  readonly minScore: number;
  readonly exclude: readonly string[];
  readonly maxBytes: number;
  readonly stats?: boolean;
  readonly exitZero?: boolean;
}

const help = `
Without a path it reads JSON Lines from standard input and answers each line with one line, in order:
  in    {"id":"a1","text":"mail jane@example.com"}
  out   {"id":"a1","findings":[{"entity":"EMAIL_ADDRESS","detector":"email","start":5,"end":21,"score":0.9}]}
Offsets count UTF-16 code units, the end is exclusive. A line that cannot be read is answered with {"id","line","error"}.

With paths it reads files, and folders with all that is in them:
  countersign scan notes.md src/ --exclude node_modules --exclude '*.lock'
  countersign scan . --sarif > findings.sarif

Values are never printed unless you say --show-values.
Exit codes: 0 nothing found, 1 something found, 2 wrong usage or something could not be read.`;

/** `countersign scan`: the service's detection, on texts and files. */
export function addScanCommand(program: Command): void {
  const command = program
    .command('scan')
    .description('find what is sensitive in texts, files and folders')
    .argument('[paths...]', 'files and folders; none or - for standard input');
  addDetectionOptions(command)
    .option('--text', 'standard input is one plain text, not JSON Lines')
    .option('--json', 'files: a line of JSON for each')
    .addOption(new Option('--sarif', 'files: a SARIF 2.1.0 report').conflicts('json'))
    .option('--show-values', 'print the values that were found, too')
    .addOption(new Option('--min-score <score>', 'only findings at least so sure, 0 to 1').argParser(score).default(0))
    .addOption(
      new Option('--exclude <glob>', 'leave out files and folders like this; may be repeated')
        .argParser((glob: string, before: readonly string[]) => [...before, glob])
        .default([], 'none'),
    )
    .addOption(
      new Option('--max-bytes <bytes>', 'skip larger files').argParser(byteCount).default(16_777_216, '16 MiB'),
    )
    .option('--stats', 'say on standard error how much was read how fast, also when that is no terminal')
    .option('--exit-zero', 'exit with 0 also when something was found')
    .addHelpText('after', help)
    .action(async (paths: readonly string[], options: ScanOptions) => {
      const version = program.version() ?? '0';
      const isStandardInput = paths.length === 0 || (paths.length === 1 && paths[0] === '-');
      if (isStandardInput && process.stdin.isTTY) {
        throw new CliError('Name files or folders, or pipe texts in. --help has examples.', exitCodes.usage);
      }
      const isLines = isStandardInput && options.text !== true;
      if (isLines && options.sarif) throw new CliError('--sarif is for files, or for --text.', exitCodes.usage);
      const detection = await detectionFrom(options);
      const { detectorFrom } = await import('./detector.ts');
      const configured = detectorFrom(detection);
      const scan = isLines
        ? await scanLines(configured, options)
        : await scanFiles(configured, isStandardInput ? null : paths, options, version);
      process.exitCode = exitCodeOf(scan, options);
    });
}

interface Totals {
  readonly findings: number;
  /** Lines or files that could not be read. */
  readonly failed: number;
}

function exitCodeOf({ findings, failed }: Totals, { exitZero }: ScanOptions): number {
  if (failed > 0) return exitCodes.usage;
  return findings > 0 && !exitZero ? exitCodes.no : exitCodes.done;
}

async function scanLines({ detector }: ConfiguredDetector, options: ScanOptions): Promise<Totals> {
  const [{ answerLines, atLeast, findingsMember }, { scanText }, { createSink }, stats] = await Promise.all([
    import('./scan/scan-lines.ts'),
    import('./scan/scan-text.ts'),
    import('./scan/sink.ts'),
    import('./scan/stats.ts'),
  ]);
  const clock = stats.startStats(options.stats);
  const totals = await answerLines(
    process.stdin,
    createSink(process.stdout),
    (text, counts) => {
      const findings = atLeast(scanText(detector, text), options.minScore);
      counts.findings += findings.length;
      return findingsMember(text, findings, options.showValues === true);
    },
    stats.warn,
  );
  clock.print(`${totals.texts} texts`, totals.bytes, `${totals.findings} findings`);
  return { findings: totals.findings, failed: totals.bad };
}

/** `paths` null: standard input, as one text. */
async function scanFiles(
  { detector, kinds }: ConfiguredDetector,
  paths: readonly string[] | null,
  options: ScanOptions,
  version: string,
): Promise<Totals> {
  const [
    { readFiles, readText },
    { globMatcher },
    { scanText },
    { createJsonReport, createTextReport, locate },
    { createSarifReport },
    sinks,
    stats,
  ] = await Promise.all([
    import('./scan/files.ts'),
    import('./scan/glob.ts'),
    import('./scan/scan-text.ts'),
    import('./scan/report.ts'),
    import('./scan/sarif.ts'),
    import('./scan/sink.ts'),
    import('./scan/stats.ts'),
  ]);
  const sink = sinks.createSink(process.stdout);
  const report: Report = options.sarif
    ? createSarifReport(sink, { version, kinds })
    : options.json
      ? createJsonReport(sink)
      : createTextReport(sink, stats.warn);
  const clock = stats.startStats(options.stats);
  const isExcluded = globMatcher(options.exclude);
  const files =
    paths === null
      ? [await readText(process.stdin, options.maxBytes)]
      : readFiles(paths, { bytesMax: options.maxBytes, isExcluded });
  const totals = { files: 0, bytes: 0, findings: 0, failed: 0, skipped: 0 };
  for (const file of files) {
    if (sink.isClosed()) break;
    if (file.kind !== 'text') {
      if (file.kind === 'failed') totals.failed += 1;
      else totals.skipped += 1;
      await report.note(file.path, file.why, file.kind === 'failed');
      continue;
    }
    const found = scanText(detector, file.text).filter((finding) => finding.score >= options.minScore);
    totals.files += 1;
    totals.bytes += file.bytes;
    totals.findings += found.length;
    await report.file(locate(file.path, file.text, found, options.showValues === true));
  }
  await report.end();
  const left = totals.skipped === 0 ? '' : `, ${totals.skipped} skipped`;
  clock.print(`${totals.files} files${left}`, totals.bytes, `${totals.findings} findings`);
  return totals;
}
