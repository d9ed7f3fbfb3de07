import { type Command, InvalidArgumentError, Option } from 'commander';
import type { TextSection } from '../../config/check.ts';
import type { Config, DetectionConfig } from '../../config/config.ts';
import { ruleCountries } from '../../detect/countries.ts';
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
  const known = code.toUpperCase();
  if (!ruleCountries.includes(known)) {
    throw new InvalidArgumentError(`There are rules for ${ruleCountries.join(', ')}.`);
  }
  return [...before, known];
}

/** What a configuration says about texts, with the options on top. */
export interface TextSections {
  readonly detection: DetectionConfig;
  /** Keys of placeholders, as the service has them; null: none are configured. */
  readonly keys: MaskingKeys | null;
}

export type MaskingKeys =
  | { readonly kind: 'derived'; readonly secret: string }
  /** Wrapped by the key-encryption key that `audit` says. */
  | { readonly kind: 'file'; readonly file: string; readonly audit: Config['audit'] };

/** The `detection` section alone. Throws CliError with what is wrong. */
export async function detectionFrom(options: DetectionOptions): Promise<DetectionConfig> {
  if (options.config === undefined) return withOptions(noConfig, options);
  return withOptions((await load(options.config, ['detection'])).detection, options);
}

/** The `detection` and `masking` sections. Throws CliError with what is wrong. */
export async function sectionsFrom(options: DetectionOptions): Promise<TextSections> {
  if (options.config === undefined) return { detection: withOptions(noConfig, options), keys: null };
  const { detection, masking } = await load(options.config, ['detection', 'masking']);
  return { detection: withOptions(detection, options), keys: await keysOf(options.config, masking) };
}

async function keysOf(config: string, { key, keyFile }: Config['masking']): Promise<MaskingKeys | null> {
  if (keyFile !== null) return { kind: 'file', file: keyFile, audit: (await load(config, ['audit'])).audit };
  return key === null ? null : { kind: 'derived', secret: key.reveal() };
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
