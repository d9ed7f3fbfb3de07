#!/usr/bin/env node
// `node .dev/bench.mjs NAME [option …]`: runs test/bench/NAME.ts, compiled by the compiler that builds the product. A loader that strips
// types on the way in would be measured as well: it wraps every closure to keep its name.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const [name = '', ...options] = process.argv.slice(2);
if (!existsSync(join(root, 'test', 'bench', `${name}.ts`))) {
  process.stderr.write(
    `usage: node .dev/bench.mjs NAME [option …], with a NAME of test/bench/NAME.ts; '${name}' is none\n`,
  );
  process.exit(2);
}
const out = join(root, '.cache', 'bench');
rmSync(out, { recursive: true, force: true });
const compiled = spawnSync(
  join(root, 'node_modules', '.bin', 'tsc'),
  [
    ...['-p', join(root, 'test'), '--rootDir', root, '--outDir', out, '--noEmit', 'false', '--sourceMap', 'false'],
    ...['--allowImportingTsExtensions', 'false', '--rewriteRelativeImportExtensions', 'true'],
  ],
  { stdio: 'inherit' },
);
if (compiled.status !== 0) process.exit(compiled.status ?? 1);
cpSync(join(root, 'src', 'approval', 'lua'), join(out, 'src', 'approval', 'lua'), { recursive: true });
// What a benchmark names by its place in the checkout.
for (const each of ['policies', 'envoy', 'dist', '.cache', join('test', 'cases')])
  symlinkSync(join(root, each), join(out, each));
const { status } = spawnSync(process.execPath, [join(out, 'test', 'bench', `${name}.js`), ...options], {
  cwd: root,
  stdio: 'inherit',
});
process.exit(status ?? 1);
