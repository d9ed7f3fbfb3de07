import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createDetector } from '../../../src/detect/detector.ts';
import { readFiles } from '../../../src/main/scan/files.ts';
import { globMatcher } from '../../../src/main/scan/glob.ts';
import { type Line, lineBatches } from '../../../src/main/scan/lines.ts';
import { placesIn } from '../../../src/main/scan/positions.ts';
import { scanText } from '../../../src/main/scan/scan-text.ts';

async function linesOf(chunks: readonly Buffer[], bytesMax = 1_000): Promise<Line[]> {
  const lines: Line[] = [];
  for await (const batch of lineBatches(arriving(chunks), bytesMax)) lines.push(...batch);
  return lines;
}

async function* arriving(chunks: readonly Buffer[]): AsyncGenerator<Buffer> {
  yield* chunks;
}

describe('lines', () => {
  test('are the same however the bytes are cut', async () => {
    const text = fc.array(fc.oneof(fc.constant('\n'), fc.constant('é'), fc.constant('\u{1f511}'), fc.string()));
    await fc.assert(
      fc.asyncProperty(text, fc.array(fc.nat(20)), async (pieces, cuts) => {
        const bytes = Buffer.from(pieces.join(''));
        const chunks: Buffer[] = [];
        let at = 0;
        for (const cut of cuts) {
          chunks.push(bytes.subarray(at, at + cut));
          at += cut;
        }
        chunks.push(bytes.subarray(at));
        const expected = bytes.toString().split('\n');
        if (expected.at(-1) === '') expected.pop();
        expect(await linesOf(chunks)).toEqual(expected.map((line, index) => ({ number: index + 1, text: line })));
      }),
    );
  });

  test('a line that is too long or no UTF-8 is named, and what follows is read', async () => {
    const chunks = [Buffer.from('123456'), Buffer.from('789\nok\n'), Buffer.from([0xff, 0x0a]), Buffer.from('end')];
    expect(await linesOf(chunks, 8)).toEqual([
      { number: 1, text: null, problem: 'is longer than 8 bytes' },
      { number: 2, text: 'ok' },
      { number: 3, text: null, problem: 'is not UTF-8' },
      { number: 4, text: 'end' },
    ]);
  });
});

describe('scanText', () => {
  test('a text with more findings than one scanner bears: each is found once, where it stands', () => {
    const detector = createDetector({ tier: 'core' });
    const values = ['jane@example.com', '4111 1111 1111 1111', '536-22-8726'];
    let text = '';
    const expected: [number, number][] = [];
    for (let index = 0; index < 24_000; index++) {
      const value = values[index % values.length] ?? '';
      text += index % 7 === 0 ? 'some words about it: ' : ' ';
      expected.push([text.length, text.length + value.length]);
      text += `${value};`;
    }
    expect(scanText(detector, text).map(({ start, end }) => [start, end])).toEqual(expected);
  });
});

describe('globs', () => {
  test.each([
    { glob: 'node_modules', fits: ['node_modules', 'a/node_modules'], not: ['node_modules2', 'a/x'] },
    { glob: '*.lock', fits: ['yarn.lock', 'a/b/c.lock'], not: ['lock', 'a.lock/b'] },
    { glob: 'build/', fits: ['build', 'a/build'], not: ['rebuild'] },
    { glob: 'docs/*.md', fits: ['docs/a.md'], not: ['docs/b/a.md', 'x/docs/a.md'] },
    { glob: '**/gen/**', fits: ['gen/a', 'x/gen/y/z'], not: ['gen', 'regen/a'] },
    { glob: 'a?c+(1)', fits: ['abc+(1)'], not: ['ac+(1)', 'abcc(1)'] },
  ])('$glob', ({ glob, fits, not }) => {
    const isExcluded = globMatcher([glob]);
    expect(fits.filter((path) => !isExcluded(path))).toEqual([]);
    expect(not.filter(isExcluded)).toEqual([]);
  });
});

test('places count lines and UTF-16 units from 1', () => {
  const placeOf = placesIn('ab\n\u{1f511}x\r\n\nend');
  expect([0, 2, 3, 5, 8, 9, 11].map(placeOf)).toEqual([
    { line: 1, column: 1 },
    { line: 1, column: 3 },
    { line: 2, column: 1 },
    { line: 2, column: 3 },
    { line: 3, column: 1 },
    { line: 4, column: 1 },
    { line: 4, column: 3 },
  ]);
});

describe('files', () => {
  test('a pipe that is named is read to its end, and no further than any file', () => {
    const folder = mkdtempSync(join(tmpdir(), 'countersign-files-'));
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    for (const [length, want] of [
      [100_000, { kind: 'text', path: pipe, text: 'x'.repeat(100_000), bytes: 100_000 }],
      [100_001, { kind: 'failed', path: pipe, why: 'is longer than 100000 bytes (see --max-bytes)' }],
    ] as const) {
      spawn('sh', ['-c', `yes x | tr -d '\\n' | head -c ${length} > "$0"`, pipe], { stdio: 'ignore' }).unref();
      expect([...readFiles([pipe], { bytesMax: 100_000, isExcluded: null })]).toEqual([want]);
    }
    expect([...readFiles([folder], { bytesMax: 100_000, isExcluded: () => false })]).toEqual([
      { kind: 'skipped', path: pipe, why: 'is no file' },
    ]);
    rmSync(folder, { recursive: true });
  });
});
