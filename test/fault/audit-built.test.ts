import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { verifyLog } from '../../src/audit/verify.ts';

const root = mkdtempSync(join(tmpdir(), 'audit-built-'));
afterAll(() => rmSync(root, { recursive: true }));

/** Uses the log as the built product does: plain JavaScript, no loader, the writer in its thread. */
const program = `
import { openFileLog } from './dist/audit/file-log.js';
import { keysFromFile } from './dist/audit/keys.js';
import { systemClock } from './dist/lib/clock.js';
import { createPooledRandom, createUuidV7 } from './dist/lib/ids.js';
import { noMetrics, silentLog } from './dist/telemetry/telemetry.js';
const random = createPooledRandom();
const log = await openFileLog({
  directory: 'log', origin: 'audit.example.com/built', keys: keysFromFile('audit.key', true, random),
  clock: systemClock, random, newId: createUuidV7(systemClock, random),
  observe: { log: silentLog, metrics: noMetrics }, limits: { freeBytesMin: 0 },
});
const { sequence } = await log.append({ kind: 'policy', exchange: '', session: '', facts: {}, bodies: {} });
await log.close();
console.log(String(sequence), log.health().checkpointed);
`;

test('the built product writes its log from a thread, too', async () => {
  execFileSync(resolve('node_modules/.bin/tsc'), ['-p', '.', '--outDir', join(root, 'dist')]);
  symlinkSync(resolve('node_modules'), join(root, 'node_modules'));
  writeFileSync(join(root, 'package.json'), '{"type":"module"}');
  writeFileSync(join(root, 'program.js'), program);
  const said = execFileSync(process.execPath, ['program.js'], { cwd: root, encoding: 'utf8' });
  expect(said.trim()).toBe('1 3');
  expect(await verifyLog({ directory: join(root, 'log') })).toMatchObject({ records: 3, problems: [] });
});
