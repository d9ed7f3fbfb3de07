import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createAuditKeys } from '../../../src/audit/keys.ts';
import { createPooledRandom } from '../../../src/lib/ids.ts';
import { limits } from '../../../src/lib/limits.ts';
import { addKey, followKeyFile, openKeyFile, readKeyFile } from '../../../src/main/masking-keys.ts';
import type { EpochKey } from '../../../src/mask/session-keys.ts';
import { silentLog } from '../../../src/telemetry/telemetry.ts';
import { eventually } from '../../support/eventually.ts';

const random = createPooledRandom();
const keys = createAuditKeys({ kek: Buffer.alloc(32, 1), signingSeed: Buffer.alloc(32, 2) }, random);
const start = Date.UTC(2026, 0, 5, 12);

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'countersign-masking-keys-'));
  file = join(folder, 'inner', 'keys.json');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test('rotation adds a key, keeps the latest, and writes a file that only its owner reads', async () => {
  const ids: string[] = [];
  for (let i = 0; i < 5; i++) ids.push((await addKey(file, keys, random, { fromMs: start + i, keep: 3 })).id);
  const opened = await openKeyFile(file, keys);
  expect(opened.map(({ id, fromMs }) => [id, fromMs])).toEqual(ids.slice(2).map((id, i) => [id, start + 2 + i]));
  expect(new Set(opened.map(({ secret }) => Buffer.from(secret).toString('hex'))).size).toBe(3);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  for (const { secret } of opened)
    expect(readFileSync(file, 'utf8')).not.toContain(Buffer.from(secret).toString('base64'));
});

test('a key opens only as it was wrapped: not with another key, not under another name or time', async () => {
  await addKey(file, keys, random, { fromMs: start, keep: 4 });
  const strange = createAuditKeys({ kek: Buffer.alloc(32, 9), signingSeed: Buffer.alloc(32, 2) }, random);
  await expect(openKeyFile(file, strange)).rejects.toMatchObject({ code: 'key_unavailable' });
  const [key] = readKeyFile(file);
  for (const change of [{ id: 'other' }, { from: new Date(start - 1).toISOString() }, { wrapped: 'AAAA' }]) {
    writeFileSync(file, JSON.stringify({ keys: [{ ...key, ...change }] }));
    await expect(openKeyFile(file, keys)).rejects.toMatchObject({ code: 'key_unavailable' });
  }
});

test.each([
  { name: 'no JSON', text: '{', says: /is not JSON/ },
  { name: 'another file', text: '[]', says: /holds no list "keys"/ },
  { name: 'a key without a time', text: '{"keys":[{"id":"a","kek":"k","wrapped":""}]}', says: /without "from"/ },
  { name: 'a time that is none', text: '{"keys":[{"id":"a","kek":"k","wrapped":"","from":"soon"}]}', says: /no time/ },
  {
    name: 'a key twice',
    text: JSON.stringify({ keys: Array(2).fill({ id: 'a', kek: 'k', wrapped: '', from: '2026-01-01T00:00:00Z' }) }),
    says: /names a key twice/,
  },
  { name: 'too many', text: JSON.stringify({ keys: Array(limits.maskingKeysMax + 1).fill({}) }), says: /no list/ },
  { name: 'too large', text: ' '.repeat(limits.maskingKeyFileBytesMax + 1), says: /too large/ },
])('$name is refused', ({ text, says }) => {
  const path = join(folder, 'bad.json');
  writeFileSync(path, text);
  expect(() => readKeyFile(path)).toThrow(says);
});

test('a missing file holds no key, which keeps a service from starting', async () => {
  expect(readKeyFile(file)).toEqual([]);
  await expect(openKeyFile(file, keys)).rejects.toThrow(/countersign keys rotate/);
});

test('new keys are taken up while the service runs; a broken file changes nothing', async () => {
  const first = await addKey(file, keys, random, { fromMs: start, keep: 4 });
  const taken: string[][] = [];
  const refused: string[] = [];
  const log = { ...silentLog, error: (message: string) => void refused.push(message) };
  const ring = { replace: (epochs: readonly EpochKey[]) => void taken.push(epochs.map(({ id }) => id)) };
  const lifetime = new AbortController();
  followKeyFile(file, keys, { log, everyMs: 2 }, ring, lifetime.signal);
  const second = await addKey(file, keys, random, { fromMs: start + 1, keep: 4 });
  await eventually('the second key', () => taken[0]);
  expect(taken).toEqual([[first.id, second.id]]);
  writeFileSync(file, '{"keys":');
  await eventually('the refusal', () => refused[0]);
  expect(refused).toEqual(['masking keys refused, those before stay in use']);
  expect(taken.length).toBe(1);
  lifetime.abort();
});
