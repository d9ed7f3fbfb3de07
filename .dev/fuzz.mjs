#!/usr/bin/env node
// `npm run fuzz -- [--minutes N] [file …]`: runs every property test and every parser on mutations of its corpus (test/unit/fuzz) again and
// again, each round with a seed of its own. The first counterexample ends it, with the command that shows it again. Without files: all tests
// of test/unit that state properties.
import { spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { values, positionals } = parseArgs({
  options: { minutes: { type: 'string', default: '10' } },
  allowPositionals: true,
});
const minutes = Number(values.minutes);
if (!(minutes > 0)) {
  process.stderr.write('--minutes must be a number above 0\n');
  process.exit(2);
}
const files = positionals.length > 0 ? positionals : propertyTests();
// A machine that is busy otherwise is no finding: no time limit of note.
const vitest = [
  ...['run', '--config', join('test', 'vitest.config.ts'), '--project', 'unit'],
  ...['--reporter=dot', '--testTimeout=600000', ...files],
];

const end = Date.now() + minutes * 60_000;
let rounds = 0;
while (Date.now() < end) {
  const seed = String(randomInt(2 ** 31));
  const env = { ...process.env, COUNTERSIGN_SEED: seed };
  const { status, stdout, stderr } = spawnSync(join(root, 'node_modules', '.bin', 'vitest'), vitest, {
    cwd: root,
    env,
  });
  if (status !== 0) {
    process.stdout.write(`${stdout}${stderr}\nfound: COUNTERSIGN_SEED=${seed} npx vitest ${vitest.join(' ')}\n`);
    process.exit(1);
  }
  rounds += 1;
  process.stdout.write(`round ${rounds}, seed ${seed}: nothing found in ${files.length} files\n`);
}

function propertyTests() {
  const all = readdirSync(join(root, 'test', 'unit'), { recursive: true }).filter((file) => file.endsWith('.test.ts'));
  return all
    .map((file) => join('test', 'unit', file))
    .filter((file) => /fast-check|support\/mutation/.test(readFileSync(join(root, file), 'utf8')));
}
