import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readTar, writeTar } from '../../../src/policy/tar.ts';

const file = fc.record({
  path: fc.stringMatching(/^[a-z]{1,8}(\/[a-z]{1,8}){0,3}\.[a-z]{1,4}$/),
  bytes: fc.uint8Array({ maxLength: 1500 }),
});

test('what is written is read, sorted by path', () => {
  fc.assert(
    fc.property(fc.uniqueArray(file, { selector: (entry) => entry.path, maxLength: 8 }), (files) => {
      const sorted = [...files].sort((a, b) => (a.path < b.path ? -1 : 1));
      expect(readTar(writeTar(files)).map(({ path, bytes }) => ({ path, bytes: [...bytes] }))).toEqual(
        sorted.map(({ path, bytes }) => ({ path, bytes: [...bytes] })),
      );
    }),
  );
});

test('the tar command reads what is written', () => {
  const archive = writeTar([
    { path: 'data.json', bytes: Buffer.from('{}') },
    { path: 'rules/a/a.rego', bytes: Buffer.from('package a\n') },
  ]);
  expect(
    execFileSync('tar', ['-tf', '-'], { input: archive, encoding: 'utf8', stdio: ['pipe', 'pipe', 'ignore'] }),
  ).toBe('/data.json\n/rules/a/a.rego\n');
});

test.each([
  {
    name: 'a flipped bit in a header',
    damage: (archive: Buffer) => archive.writeUInt8(0x41, 3),
    want: /header checksum/,
  },
  { name: 'a size that is no number', damage: (archive: Buffer) => archive.write('zzz', 124), want: /header checksum/ },
])('damage is noticed: $name', ({ damage, want }) => {
  const archive = writeTar([{ path: 'data.json', bytes: Buffer.from('{}') }]);
  damage(archive);
  expect(() => readTar(archive)).toThrow(want);
});

test('an archive cut short is noticed', () => {
  const archive = writeTar([{ path: 'data.json', bytes: Buffer.alloc(2000) }]);
  expect(() => readTar(archive.subarray(0, 1024))).toThrow(/cut short/);
});

test('a path that leaves its folder is refused', () => {
  expect(() => readTar(writeTar([{ path: 'a/../../b', bytes: Buffer.alloc(1) }]))).toThrow(/leaves its folder/);
});

test('a path that does not fit is refused', () => {
  expect(() => writeTar([{ path: 'x'.repeat(100), bytes: Buffer.alloc(1) }])).toThrow(/path too long/);
});
