import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import type { LoadedConfig } from '../config/load.ts';
import { formatProblems } from '../config/problem.ts';
import { Fault } from '../lib/fault.ts';
import { CliError, exitCodes } from './output.ts';

/** `countersign serve --config FILE`: runs until SIGTERM or SIGINT, then lets exchanges in flight finish. */
export function addServeCommand(program: Command): void {
  program
    .command('serve')
    .description('run the service that Envoy asks')
    .requiredOption('-c, --config <file>', 'configuration file (YAML)')
    .option('--drain <seconds>', 'how long exchanges in flight may take at the end', '30')
    .action(async (options: { config: string; drain: string }) => {
      const drainS = Number(options.drain);
      if (!(drainS >= 0 && drainS <= 3600))
        throw new CliError('--drain takes seconds, from 0 to 3600.', exitCodes.usage);
      // Loaded here, so that no other command waits for all that a service is made of.
      const { loadConfig } = await import('../config/load.ts');
      const loaded = loadConfig(options.config, process.env);
      if (!loaded.ok) {
        throw new CliError(
          `the configuration is not usable:\n${formatProblems(options.config, loaded.error)}`,
          exitCodes.usage,
        );
      }
      await run(loaded.value, drainS, program.version() ?? '0');
    });
}

async function run(loaded: LoadedConfig, drainS: number, version: string): Promise<void> {
  const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
  const { startService } = await import('./compose.ts');
  try {
    const service = await startService(loaded, {
      version,
      protoFolder: join(root, 'proto'),
      drainMs: drainS * 1000,
    });
    await new Promise<void>((resolve) => {
      process.once('SIGTERM', () => resolve());
      process.once('SIGINT', () => resolve());
    });
    await service.stop();
  } catch (thrown) {
    const fault = Fault.from(thrown);
    throw new CliError(`the service could not start or stop in good order (${fault.code}): ${fault.message}`);
  }
}
