import type { Command } from 'commander';
import { formatProblems } from '../config/problem.ts';
import { exitCodes, printJson, printLine } from './output.ts';

/** `countersign check-config FILE`: everything that is wrong at once, each with its line and its remedy. */
export function addCheckConfigCommand(program: Command): void {
  program
    .command('check-config')
    .description('list every mistake in a configuration, with line and fix')
    .argument('<file>')
    .option('--json', 'as JSON')
    .action(async (file: string, options: { json?: boolean }) => {
      const { loadConfig } = await import('../config/load.ts');
      const loaded = loadConfig(file, process.env);
      const problems = loaded.ok ? loaded.value.warnings : loaded.error;
      if (options.json) {
        printJson({ ok: loaded.ok, problems: problems.map((problem) => ({ ...problem })) });
      } else {
        if (problems.length > 0) printLine(formatProblems(file, problems));
        printLine(loaded.ok ? `${file} is right` : `${problems.length} to mend`);
      }
      if (!loaded.ok) process.exitCode = exitCodes.usage;
    });
}
