import { type Command, Option } from 'commander';
import type { Detector } from '../detect/finding.ts';
import { Fault } from '../lib/fault.ts';
import type { RandomBytes } from '../lib/ids.ts';
import type { Minter } from '../mask/placeholder.ts';
import { type MaskPlan, partialKeepDefault } from '../mask/plan.ts';
import type { EpochKey, PlaceholderKey } from '../mask/session-keys.ts';
import { CliError, exitCodes } from './output.ts';
import { byteCount } from './scan/arguments.ts';
import { type Choice, choosable, chosenPlan, keepCount, readChoice } from './scan/choice.ts';
import {
  addDetectionOptions,
  type DetectionOptions,
  type MaskingKeys,
  sectionsFrom,
} from './scan/detection-options.ts';

interface MaskOptions extends DetectionOptions {
  readonly method: Choice['method'];
  readonly entity: readonly Choice[];
  readonly keep: number;
  readonly scope: string;
  readonly tenant: string;
  readonly text?: boolean;
  readonly jsonl?: boolean;
  readonly maxBytes: number;
  readonly stats?: boolean;
}

const help = `
Prints the text with every finding replaced:
  $ echo 'mail jane@example.com, card 4111 1111 1111 1111' | countersign mask --entity CREDIT_CARD=partial
  mail EMAIL_ADDRESS_REDACTED, card CREDIT_CARD_ENDING_1111

JSON Lines in, JSON Lines out: {"id":"a1","text":"…"} becomes {"id":"a1","text":"…"}. Standard input is taken for JSON Lines when its
first line is such an object, else for one plain text; --jsonl and --text say it. Plain text is masked as it flows. Files are printed
one after the other.

Methods: label EMAIL_ADDRESS_REDACTED, token EMAIL_ADDRESS_7QK3M9XW2A (equal for equal values), surrogate u-7qk3m9xw2a@example.com
(a made-up value of the same form), partial CREDIT_CARD_ENDING_1111, hash (keyed), drop (nothing stays), keep (left as it is).
Tokens, surrogates and hashes are keyed as the service's are: with the keys of masking.key_file (wrapped by what section audit says) or with
masking.key of --config, and with --tenant, so that a hash is the one that the service writes. Without a key, with one of this run, so
that they mean nothing outside of it.
Exit codes: 0 done, 2 wrong usage or something could not be read.`;

/** `countersign mask`: the service's masking, on texts and files. */
export function addMaskCommand(program: Command): void {
  const command = program
    .command('mask')
    .description('print texts with everything sensitive replaced')
    .argument('[files...]', 'files; none or - for standard input');
  addDetectionOptions(command)
    .addOption(
      new Option('--method <method>', 'what stands in the place of a value').choices(choosable).default('label'),
    )
    .addOption(
      new Option(
        '--entity <glob=method>',
        "another method for some, such as 'SECRET_*=drop'; may be repeated, the last counts",
      )
        .argParser(readChoice)
        .default([], 'none'),
    )
    .addOption(
      new Option(
        '--keep <count>',
        'of partial: how many of the last characters stay, 1 to 8; ENTITY=partial:2 says it for some',
      )
        .argParser(keepCount)
        .default(partialKeepDefault),
    )
    .option('--scope <name>', 'within what equal values get equal tokens', 'countersign mask')
    .option('--tenant <name>', 'whose keys, where a configuration has some', 'default')
    .option('--text', 'standard input is one plain text')
    .addOption(new Option('--jsonl', 'standard input is JSON Lines').conflicts('text'))
    .addOption(
      new Option('--max-bytes <bytes>', 'refuse larger files').argParser(byteCount).default(16_777_216, '16 MiB'),
    )
    .option('--stats', 'say on standard error how much was read how fast, also when that is no terminal')
    .addHelpText('after', help)
    .action(async (paths: readonly string[], options: MaskOptions) => {
      const isStandardInput = paths.length === 0 || (paths.length === 1 && paths[0] === '-');
      if (isStandardInput && process.stdin.isTTY) {
        throw new CliError('Name files, or pipe text in. --help has examples.', exitCodes.usage);
      }
      const masking = await createMasking(options);
      const isWhole = isStandardInput ? await maskInput(masking, options) : await maskFiles(masking, paths, options);
      if (!isWhole) process.exitCode = exitCodes.usage;
    });
}

interface CliMasking {
  readonly detector: Detector;
  readonly minter: Minter;
  readonly plan: MaskPlan;
}

async function createMasking(options: MaskOptions): Promise<CliMasking> {
  const sections = await sectionsFrom(options);
  const [{ detectorFrom }, { createMinter }, keysOf] = await Promise.all([
    import('./detector.ts'),
    import('../mask/placeholder.ts'),
    placeholderKeys(sections.keys),
  ]);
  const { detector, entities } = detectorFrom(sections.detection);
  const { key, others } = keysOf(entities, options);
  const minter = createMinter({ key, otherKeys: others, scope: options.scope, entities });
  return { detector, minter, plan: chosenPlan(options.method, options.keep, options.entity) };
}

/** The keys that the service would have, or one of this run. */
async function placeholderKeys(
  keys: MaskingKeys | null,
): Promise<(entities: ReadonlySet<string>, options: Pick<MaskOptions, 'tenant' | 'scope'>) => PlaceholderKey> {
  const [{ derivedKeys }, { createSessionKeys }, { createPooledRandom }, { systemClock }] = await Promise.all([
    import('./keys.ts'),
    import('../mask/session-keys.ts'),
    import('../lib/ids.ts'),
    import('../lib/clock.ts'),
  ]);
  const random = createPooledRandom();
  const secret = keys?.kind === 'derived' ? keys.secret : null;
  const epochs =
    keys?.kind === 'file' ? await openEpochs(keys, random) : ([derivedKeys(secret, random).placeholder] as const);
  return (entities, { tenant, scope }) =>
    createSessionKeys({ clock: systemClock, entities }, epochs).of(tenant, scope, []);
}

async function openEpochs(
  { file, audit }: Extract<MaskingKeys, { kind: 'file' }>,
  random: RandomBytes,
): Promise<readonly [EpochKey, ...EpochKey[]]> {
  const [{ openAuditKeys }, { openKeyFile }] = await Promise.all([
    import('./audit-keys.ts'),
    import('./masking-keys.ts'),
  ]);
  try {
    return await openKeyFile(file, await openAuditKeys({ ...audit, createKeyFile: false }, process.env, random));
  } catch (thrown) {
    const { code, message } = Fault.from(thrown, 'key_unavailable');
    throw new CliError(`the keys cannot be opened (${code}): ${message}`, exitCodes.usage);
  }
}

/** False when a line could not be read. */
async function maskInput(masking: CliMasking, options: MaskOptions): Promise<boolean> {
  const [{ createSink }, { startStats, warn }, { peekLines }] = await Promise.all([
    import('./scan/sink.ts'),
    import('./scan/stats.ts'),
    import('./scan/peek.ts'),
  ]);
  const sink = createSink(process.stdout);
  const stats = startStats(options.stats);
  const { input, isLines } = await peekLines(process.stdin);
  if (options.jsonl || (isLines && !options.text)) {
    const [{ answerLines }, mask] = await Promise.all([import('./scan/scan-lines.ts'), wholeTextMasker(masking)]);
    const totals = await answerLines(
      input,
      sink,
      (text, counts) => {
        const masked = mask(text);
        counts.findings += masked.findings;
        return `"text":${JSON.stringify(masked.text)}`;
      },
      warn,
    );
    stats.print(`${totals.texts} texts`, totals.bytes, `${totals.findings} findings`);
    return totals.bad === 0;
  }
  const { createTextMasker } = await import('./scan/mask-stream.ts');
  const masker = createTextMasker(masking);
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  let bytes = 0;
  for await (const chunk of input) {
    bytes += chunk.length;
    await sink.write(masker.push(decoder.decode(chunk, { stream: true })));
    if (sink.isClosed()) return true;
  }
  await sink.write(masker.push(decoder.decode()) + masker.finish());
  stats.print('1 text', bytes, `${masker.total()} findings`);
  return true;
}

/** False when a file could not be read. Nothing is left out: what is no text is refused. */
async function maskFiles(masking: CliMasking, paths: readonly string[], options: MaskOptions): Promise<boolean> {
  const [{ readFiles }, { createSink }, { startStats, warn }, mask] = await Promise.all([
    import('./scan/files.ts'),
    import('./scan/sink.ts'),
    import('./scan/stats.ts'),
    wholeTextMasker(masking),
  ]);
  const sink = createSink(process.stdout);
  const stats = startStats(options.stats);
  const totals = { files: 0, bytes: 0, findings: 0, failed: 0 };
  for (const file of readFiles(paths, { bytesMax: options.maxBytes, isExcluded: null })) {
    if (file.kind !== 'text') {
      totals.failed += 1;
      warn(`error: ${file.path} ${file.why}`);
      continue;
    }
    const masked = mask(file.text);
    totals.files += 1;
    totals.bytes += file.bytes;
    totals.findings += masked.findings;
    await sink.write(masked.text);
    if (sink.isClosed()) break;
  }
  stats.print(`${totals.files} files`, totals.bytes, `${totals.findings} findings`);
  return totals.failed === 0;
}

type WholeTextMasker = (text: string) => { readonly text: string; readonly findings: number };

async function wholeTextMasker({ detector, minter, plan }: CliMasking): Promise<WholeTextMasker> {
  const [{ maskText }, { scanText }] = await Promise.all([
    import('../mask/mask-text.ts'),
    import('./scan/scan-text.ts'),
  ]);
  return (text) => {
    const masked = maskText(text, scanText(detector, text), 'user', plan, minter);
    return { text: masked.text, findings: masked.counts.reduce((sum, { count }) => sum + count, 0) };
  };
}
