#!/usr/bin/env node
// Generates src/gen from proto/. With --check it only says whether src/gen is what proto/ gives.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const buf = join(root, 'node_modules', '.bin', 'buf');

if (!process.argv.includes('--check')) {
  process.exit(generate(root));
}
const scratch = mkdtempSync(join(tmpdir(), 'countersign-gen-'));
try {
  if (generate(scratch) !== 0) process.exit(1);
  const want = tree(join(scratch, 'src', 'gen'));
  const have = tree(join(root, 'src', 'gen'));
  const stale = [...new Set([...want.keys(), ...have.keys()])].filter((path) => want.get(path) !== have.get(path));
  if (stale.length > 0) {
    process.stderr.write(`src/gen is not what proto/ gives: ${stale.join(', ')}\nRun: npm run gen\n`);
    process.exitCode = 1;
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

function generate(output) {
  return spawnSync(buf, ['generate', '--template', join('proto', 'buf.gen.yaml'), '--output', output], {
    cwd: root,
    stdio: 'inherit',
  }).status;
}

function tree(folder) {
  return new Map(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
      .map((path) => [path.slice(folder.length), readFileSync(path, 'utf8')]),
  );
}
