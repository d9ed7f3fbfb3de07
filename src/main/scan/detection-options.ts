import { type Command, InvalidArgumentError, Option } from 'commander';
import type { TextSection } from '../../config/check.ts';
import type { Config, DetectionConfig } from '../../config/config.ts';
import { CliError, exitCodes } from '../output.ts';

/** What `scan` and `mask` say about detection. */
export interface DetectionOptions {
  readonly config?: string;
  readonly tier?: 'core' | 'extended';
  readonly country?: readonly string[];
}

/** Adds `--config`, `--tier` and `--country` to a command. */
export function addDetectionOptions(command: Command): Command {
  return command
    .option(
      '-c, --config <file>',
      'take detection (tier, countries, own patterns, allowed values) from this configuration',
    )
    .addOption(
      new Option('--tier <tier>', 'core: what is unmistakable (default); extended: national ids and more').choices([
        'core',
        'extended',
      ]),
    )
    .addOption(
      new Option(
        '--country <code>',
        'extended rules of this country only, such as DE; may be repeated; without --tier it means extended',
      ).argParser(country),
    );
}

function country(code: string, before: readonly string[] = []): readonly string[] {
  if (!/^[A-Za-z]{2}$/.test(code)) throw new InvalidArgumentError('It is a two-letter code such as DE.');
  return [...before, code.toUpperCase()];
}

/** What a configuration says about texts, with the options on top. */
export interface TextSections {
  readonly detection: DetectionConfig;
  /** Null: none is configured. */
  readonly maskingKey: string | null;
}

/** The `detection` section alone. Throws CliError with what is wrong. */
export async function detectionFrom(options: DetectionOptions): Promise<DetectionConfig> {
  if (options.config === undefined) return withOptions(noConfig, options);
  return withOptions((await load(options.config, ['detection'])).detection, options);
}

/** The `detection` and `masking` sections. Throws CliError with what is wrong. */
export async function sectionsFrom(options: DetectionOptions): Promise<TextSections> {
  if (options.config === undefined) return { detection: withOptions(noConfig, options), maskingKey: null };
  const { detection, masking } = await load(options.config, ['detection', 'masking']);
  return { detection: withOptions(detection, options), maskingKey: masking.key?.reveal() ?? null };
}

function withOptions(base: DetectionConfig, { tier, country }: DetectionOptions): DetectionConfig {
  return {
    ...base,
    tier: tier ?? (country === undefined ? base.tier : 'extended'),
    countries: country ?? base.countries,
  };
}

const noConfig: DetectionConfig = {
  tier: 'core',
  countries: null,
  custom: [],
  dictionaries: [],
  decode: { percent: true, html: true, base64: true },
  allow: [],
  allowPatterns: [],
  allowHashes: [],
  allowKey: null,
  presidio: null,
};

async function load<Section extends TextSection>(
  file: string,
  names: readonly Section[],
): Promise<Pick<Config, Section>> {
  // Loaded here: without a configuration nobody waits for what reads one.
  const [{ loadSections }, { formatProblems }] = await Promise.all([
    import('../../config/load.ts'),
    import('../../config/problem.ts'),
  ]);
  const loaded = loadSections(file, process.env, names);
  if (loaded.ok) return loaded.value;
  throw new CliError(`the configuration is not usable:\n${formatProblems(file, loaded.error)}`, exitCodes.usage);
}
