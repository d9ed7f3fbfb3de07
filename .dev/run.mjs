#!/usr/bin/env node
// `node .dev/run.mjs check|test`: one command that proves a change. Runs every step, also after a failure, and ends with one line
// that says how many passed. `check` is all that needs no Envoy and is quick enough to run before each commit; `test` is everything.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bin = (name) => join(root, 'node_modules', '.bin', name);
const reports = join(root, '.cache', 'reports');
mkdirSync(reports, { recursive: true });

const countersign = (...args) => [process.execPath, [join(root, 'dist', 'main.js'), ...args]];
const vitest = (...projects) => ({ vitest: projects });

const checks = [
  ['format and lint', bin('biome'), ['check', '--error-on-warnings', '.']],
  ['types', bin('tsc'), ['--noEmit', '-p', root]],
  ['types of tests', bin('tsc'), ['--noEmit', '-p', join(root, 'test')]],
  ['dead code', bin('knip'), []],
  ['proto lint', bin('buf'), ['lint', root]],
  ['generated code is current', process.execPath, [join(root, '.dev', 'gen.mjs'), '--check']],
  ['policies: format, strict check, schema', ...countersign('policy', 'check', join(root, 'policies'))],
  ['policies: tests, coverage', ...countersign('policy', 'test', join(root, 'policies'))],
  ['unit, contract, parity', vitest('unit', 'contract', 'parity')],
];
const everything = [
  ...checks,
  ['command line', vitest('cli')],
  ['end to end on real Envoy', vitest('e2e')],
  ['faults', vitest('fault')],
];

const mode = process.argv[2] ?? 'check';
let passed = 0;
let failed = 0;
const broken = [];
for (const [name, command, args] of mode === 'test' ? everything : checks) {
  process.stdout.write(`\n=== ${name}\n`);
  const outcome = command.vitest ? runVitest(command.vitest) : runStep(command, args);
  passed += outcome.passed;
  failed += outcome.failed;
  if (outcome.failed > 0) broken.push(name, ...outcome.broken);
}
if (broken.length > 0) process.stdout.write(`\nfailed:\n${broken.map((line) => `- ${line}\n`).join('')}`);
process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
process.exit(failed === 0 ? 0 : 1);

function runStep(command, args) {
  const { status } = spawnSync(command, args, {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  return status === 0 ? { passed: 1, failed: 0, broken: [] } : { passed: 0, failed: 1, broken: [] };
}

/** A run that ends badly, or reports no test at all, is at least one failure whatever its report says. */
function runVitest(projects) {
  const report = join(reports, `${projects.join('-')}.json`);
  rmSync(report, { force: true });
  const { status } = spawnSync(
    bin('vitest'),
    [
      'run',
      '--config',
      join(root, 'test', 'vitest.config.ts'),
      ...projects.flatMap((name) => ['--project', name]),
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${report}`,
    ],
    { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] },
  );
  const outcome = { passed: 0, failed: 0, broken: [] };
  try {
    const { numPassedTests, numFailedTests, numPendingTests, testResults } = JSON.parse(readFileSync(report, 'utf8'));
    outcome.passed = numPassedTests;
    outcome.failed = numFailedTests + numPendingTests;
    outcome.broken = testResults.flatMap(({ name, assertionResults }) =>
      assertionResults
        .filter(({ status }) => status !== 'passed')
        .map(
          ({ fullName, failureMessages }) =>
            `${relative(root, name)}: ${fullName}\n  ${failureMessages.join('\n  ').slice(0, 2_000)}`,
        ),
    );
  } catch {}
  if ((status !== 0 || outcome.passed === 0) && outcome.failed === 0) outcome.failed = 1;
  return outcome;
}
