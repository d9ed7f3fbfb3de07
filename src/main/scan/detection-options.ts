import { type Command, InvalidArgumentError, Option } from 'commander';
import type { DetectionConfig } from '../../config/config.ts';
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

/** The `detection` section of the configuration, if one is named, with the options on top. Throws CliError with what is wrong. */
export async function detectionFrom(options: DetectionOptions): Promise<DetectionConfig> {
  const base = options.config === undefined ? noConfig : (await sections(options.config)).detection;
  const tier = options.tier ?? (options.country === undefined ? base.tier : 'extended');
  return { ...base, tier, countries: options.country ?? base.countries };
}

const noConfig: DetectionConfig = { tier: 'core', countries: null, custom: [], allow: [] };

async function sections(file: string): Promise<{ readonly detection: DetectionConfig }> {
  const [{ loadSections }, { formatProblems }] = await Promise.all([
    import('../../config/load.ts'),
    import('../../config/problem.ts'),
  ]);
  const loaded = loadSections(file, process.env, ['detection']);
  if (loaded.ok) return loaded.value;
  throw new CliError(`the configuration is not usable:\n${formatProblems(file, loaded.error)}`, exitCodes.usage);
}
