import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { loadConfig } from '../../../src/config/load.ts';
import { sha256Hex } from '../../../src/lib/hash.ts';

const folder = mkdtempSync(join(tmpdir(), 'countersign-config-'));
afterAll(() => rmSync(folder, { recursive: true }));

function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

test('reads a file and what it refers to, relative to itself', () => {
  write('bundle.tar.gz', '');
  write('masking.key', `${'m'.repeat(32)}\n`);
  const text = `policy: { bundle: bundle.tar.gz }\nmasking: { key: '\${file:masking.key}' }\naudit: { key_file: key.json, create_key_file: true }\n`;
  const file = write('countersign.yaml', text);
  const loaded = loadConfig(file, {});
  expect(loaded.ok).toBe(true);
  if (!loaded.ok) return;
  const { config, digest, warnings } = loaded.value;
  expect({
    bundle: config.policy.bundle,
    key: config.masking.key?.reveal(),
    file: loaded.value.file,
    digest,
    warnings: warnings.map(({ setting }) => setting),
  }).toEqual({
    bundle: join(folder, 'bundle.tar.gz'),
    key: 'm'.repeat(32),
    file,
    digest: sha256Hex(text),
    warnings: ['audit.create_key_file'],
  });
});

test.each([
  { name: 'missing', path: () => join(folder, 'nowhere.yaml') },
  { name: 'a directory', path: () => folder },
  { name: 'too large', path: () => write('large.yaml', ' '.repeat(1_048_577)) },
])('a configuration that is $name is one problem', ({ path }) => {
  const loaded = loadConfig(path(), {});
  expect(loaded.ok ? [] : loaded.error.map(({ severity, setting, line }) => ({ severity, setting, line }))).toEqual([
    { severity: 'error', setting: '', line: 1 },
  ]);
});

test('a reference to a file that is too large for a secret is not read', () => {
  write('big.key', 'x'.repeat(65_537));
  const loaded = loadConfig(write('big.yaml', `policy: { bundle: . }\nmasking: { key: '\${file:big.key}' }\n`), {});
  expect(loaded.ok ? [] : loaded.error.map(({ setting, message }) => ({ setting, message }))).toEqual([
    { setting: 'masking.key', message: 'refers to big.key, which cannot be read' },
  ]);
});
