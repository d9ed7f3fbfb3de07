import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { leafIn } from '../../../src/audit/verify-bundles.ts';
import { leafHash, nodeHash } from '../../../src/audit/verify-merkle.ts';
import { createProblemList, sha256, type VerifyProblem } from '../../../src/audit/verify-problems.ts';
import { checkTree } from '../../../src/audit/verify-tree.ts';

// Full and partial tiles of the two lowest levels, and a third level.
const size = 256 * 256 + 300;
const directory = mkdtempSync(join(tmpdir(), 'verify-tree-'));
/** Of lengths that need one byte and two, and none. */
const leaves = Array.from({ length: size }, (_, i) => Buffer.alloc([40, 0, 113, 300][i % 4] ?? 0, `leaf ${i}`));
const hashes = leaves.map(leafHash);
let root: Buffer = Buffer.alloc(0);

beforeAll(() => {
  root = treeHead(hashes);
  for (let first = 0; first < size; first += 256) {
    const entries = leaves
      .slice(first, first + 256)
      .flatMap((leaf) => [Buffer.of(leaf.length >> 8, leaf.length), leaf]);
    write('entries', first / 256, Math.min(256, size - first), Buffer.concat(entries));
  }
  for (let level = 0, row = hashes; row.length > 0; level += 1) {
    const above: Buffer[] = [];
    for (let first = 0; first < row.length; first += 256) {
      const tile = row.slice(first, first + 256);
      write(level, first / 256, tile.length, Buffer.concat(tile));
      if (tile.length === 256) above.push(treeHead(tile));
    }
    row = above;
  }
});
afterAll(() => rmSync(directory, { recursive: true }));

/** RFC 6962 section 2.1, as it is written there. */
function treeHead(of: readonly Buffer[]): Buffer {
  const [only] = of;
  if (only === undefined) return sha256(Buffer.alloc(0));
  if (of.length === 1) return only;
  let split = 1;
  while (split * 2 < of.length) split *= 2;
  return nodeHash(treeHead(of.slice(0, split)), treeHead(of.slice(split)));
}

function write(level: number | 'entries', index: number, width: number, bytes: Buffer): void {
  const name = String(index).padStart(3, '0');
  const path = join(directory, 'tile', String(level), width < 256 ? `${name}.p/${width}` : name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, bytes);
}

function problemsOf(head: { readonly size: number; readonly root: Buffer }): readonly VerifyProblem[] {
  const problems = createProblemList();
  checkTree(directory, head, problems);
  return problems.list();
}

describe('the published tree', () => {
  test('has the root that RFC 6962 gives, at every shape of its right edge', () => {
    const tree = checkTree(directory, { size, root: Buffer.alloc(0) }, createProblemList());
    const sizes = [0, 1, 2, 3, 255, 256, 257, 511, 512, 769, 65_535, 65_536, 65_537, 65_792, size];
    const roots = tree.rootsAt(sizes);
    const want = new Map(sizes.map((of) => [of, treeHead(hashes.slice(0, of))]));
    expect(roots).toEqual(want);
    for (const of of [0, 257, 512, 65_536, size]) expect(tree.rootAt(of)).toEqual(want.get(of));
    expect(tree.rootAt(size + 1)).toBeNull();
  });

  test('is sound, and its leaves can be read while it is checked', () => {
    const problems = createProblemList();
    const tree = checkTree(directory, { size, root }, problems);
    expect(problems.list()).toEqual([]);
    for (const sequence of [size - 1, size - 44, 0, 1, 255, 65_536]) {
      const bundle = tree.bundle(Math.floor(sequence / 256));
      expect(bundle === null ? null : leafIn(bundle, sequence % 256)).toEqual(leaves[sequence]);
    }
    const last = tree.bundle(257);
    expect(last === null ? undefined : leafIn(last, 44)).toBeNull();
    expect(tree.bundle(258)).toBeNull();
  });

  test.each(['0/000', '0/255', '0/257.p/44', '1/000', '1/001.p/1', '2/000.p/1'])('tile %s is compared', (name) => {
    const path = join(directory, 'tile', name);
    const original = readFileSync(path);
    const changed = Buffer.from(original);
    changed.writeUInt8(changed.readUInt8(changed.length - 1) ^ 1, changed.length - 1);
    writeFileSync(path, changed);
    const problems = problemsOf({ size, root });
    writeFileSync(path, original);
    const what = 'the tile does not hold the hashes of its leaves';
    // The partial tile is looked at by itself as well.
    const beginning = 'the partial tile is not the beginning of the tile';
    const places = name.includes('.p/') ? [what, beginning] : [what];
    expect(problems).toEqual(places.map((each) => ({ check: 'tree', place: `tile/${name}`, what: each })));
  });

  test.each([
    { name: 'an entry longer than the rest', change: (bytes: Buffer) => bytes.subarray(0, bytes.length - 1) },
    { name: 'half a length', change: (bytes: Buffer) => Buffer.concat([bytes, Buffer.of(0)]) },
    { name: 'a leaf less', change: (bytes: Buffer) => bytes.subarray(0, bytes.length - 302) },
    { name: 'a leaf more', change: (bytes: Buffer) => Buffer.concat([bytes, Buffer.of(0, 1, 7)]) },
  ])('a bundle with $name ends the check', ({ change }) => {
    const path = join(directory, 'tile/entries/002');
    const original = readFileSync(path);
    writeFileSync(path, change(original));
    const problems = problemsOf({ size, root });
    const tree = checkTree(directory, { size, root: Buffer.alloc(0) }, createProblemList());
    const roots = tree.rootsAt([512, 513, size]);
    writeFileSync(path, original);
    const what = 'entries that the checkpoint covers are missing or malformed';
    expect(problems).toEqual([{ check: 'tree', place: 'tile/entries', what }]);
    expect(roots).toEqual(new Map([[512, treeHead(hashes.slice(0, 512))]]));
  });
});
