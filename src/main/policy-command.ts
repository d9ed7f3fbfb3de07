import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { type JsonValue, jsonValueOf } from '../lib/json.ts';
import type { Result } from '../lib/result.ts';
import { buildBundle, checkPolicies, evalPolicy, type PolicyFolder, testPolicies } from '../policy/bundle-files.ts';
import type { PolicyToolError } from '../policy/opa-binary.ts';
import { CliError, exitCodes, printable, printJson, printLine } from './output.ts';

/** `countersign policy …`: from Rego to the bundle that the service loads. All of it needs the opa command. */
export function addPolicyCommands(program: Command): void {
  const policy = program.command('policy').description('check, test, build and try policies (needs opa)');

  policy
    .command('build')
    .description('compile a policy folder to the WebAssembly bundle that `policy.bundle` names')
    .argument('[folder]', 'folder with main.rego and rules/', 'policies')
    .option('--out <file>', 'bundle to write', '.cache/policy/bundle.tar.gz')
    .option('--json', 'as JSON')
    .action(async (root: string, options: { out: string; json?: boolean }) => {
      const built = orFail(await buildBundle({ root, out: options.out, dataProblems: await dataProblems() }));
      if (options.json) {
        const { file, revision, readsText, bytes } = built;
        printJson({ file, revision, reads_text: readsText, bytes });
      } else printLine(`${built.file}\n${built.revision}`);
    });

  policy
    .command('check')
    .description('layout, strict compilation against the input schema and the engine’s capabilities, format')
    .argument('[folder]', 'folder with main.rego and rules/', 'policies')
    .option('--json', 'as JSON')
    .action(async (root: string, options: { json?: boolean }) => {
      const { files } = orFail(await checkPolicies({ root, dataProblems: await dataProblems() }));
      if (options.json) printJson({ ok: true, files });
      else printLine(`${files} files are right`);
    });

  policy
    .command('test')
    .description('run the tests that stand beside the rules; anything but full coverage is a failure')
    .argument('[folder]', 'folder with main.rego and rules/', 'policies')
    .option('--coverage <percent>', 'least coverage that passes', '100')
    .option('--json', 'as JSON')
    .action(async (root: string, options: { coverage: string; json?: boolean }) => {
      const least = Number(options.coverage);
      if (!(least >= 0 && least <= 100)) throw new CliError('--coverage takes a percentage.', exitCodes.usage);
      const report = orFail(await testPolicies({ root, dataProblems: await dataProblems() }));
      const isEnough = report.coverage >= least;
      if (options.json) {
        const { passed, failed, coverage, notCovered } = report;
        printJson({ ok: failed.length === 0 && isEnough, passed, failed, coverage, not_covered: notCovered });
      } else {
        for (const name of report.failed) printLine(`failed: ${name}`);
        if (!isEnough) for (const place of report.notCovered) printLine(`no test reaches ${place}`);
        printLine(`${report.passed} tests passed, ${report.failed.length} failed, coverage ${report.coverage} %`);
      }
      if (report.failed.length > 0 || !isEnough) process.exitCode = exitCodes.no;
    });

  policy
    .command('eval')
    .description('decide about one input document, as the sources stand')
    .argument('<input>', 'JSON file with an input document; - for standard input')
    .option('--folder <folder>', 'folder with main.rego and rules/', 'policies')
    .option('--phase <phase>', 'request or response', 'request')
    .action(async (file: string, options: { folder: string; phase: string }) => {
      if (options.phase !== 'request' && options.phase !== 'response') {
        throw new CliError('--phase is request or response.', exitCodes.usage);
      }
      const result = orFail(await evalPolicy({ root: options.folder, phase: options.phase, input: readJson(file) }));
      if (result === null) throw new CliError('The policy is undefined for this input: that is a deny.');
      printLine(JSON.stringify(result, null, 2));
    });
}

/** Detection takes a moment to load, which `policy eval` need not wait for. */
async function dataProblems(): Promise<NonNullable<PolicyFolder['dataProblems']>> {
  const { policyDetectionProblems } = await import('./policy-detection.ts');
  return policyDetectionProblems;
}

function orFail<T>(result: Result<T, PolicyToolError>): T {
  if (result.ok) return result.value;
  throw new CliError(result.error.message, result.error.kind === 'bad_layout' ? exitCodes.usage : exitCodes.no);
}

function readJson(file: string): JsonValue {
  const text = readFileSync(file === '-' ? 0 : file, 'utf8');
  const value = jsonValueOf(text);
  if (value === undefined) throw new CliError(`${printable(file)} is no JSON document.`, exitCodes.usage);
  return value;
}
