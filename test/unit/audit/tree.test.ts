import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { bundleEntry, createTreeEdge, edgeWidths, hashLeaf, tilePath } from '../../../src/audit/tree.ts';

/** The example of the Certificate Transparency reference implementation: eight leaves and the root of each prefix. */
const known = {
  leaves: ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f'],
  roots: [
    'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
    'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
    'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
    'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
    '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
    'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
    '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
  ],
};

describe('tree', () => {
  test('has the roots of the reference implementation', () => {
    const tree = createTreeEdge(0, []);
    const roots = [tree.root().toString('hex')];
    for (const leaf of known.leaves) {
      tree.push(hashLeaf(Buffer.from(leaf, 'hex')));
      roots.push(tree.root().toString('hex'));
    }
    expect(roots).toEqual(known.roots);
  });

  test.each([
    { level: 0, index: 1234067, width: 256, want: 'tile/0/x001/x234/067' },
    { level: 0, index: 1067, width: 112, want: 'tile/0/x001/067.p/112' },
    { level: 1, index: 0, width: 1, want: 'tile/1/000.p/1' },
    { level: 'entries' as const, index: 999, width: 256, want: 'tile/entries/999' },
    { level: 2, index: 1000, width: 256, want: 'tile/2/x001/000' },
  ])('path $want', ({ level, index, width, want }) => {
    expect(tilePath(level, index, width)).toBe(want);
  });

  test('an entry stands behind its big-endian length', () => {
    expect(bundleEntry(Buffer.from('abc'))).toEqual(Buffer.from('\0\x03abc', 'latin1'));
  });

  test('agrees with the definition at any size, through tiles of several levels, also when taken up again', () => {
    const leaves = Array.from({ length: 66_000 }, (_, i) => hashLeaf(Buffer.from(String(i))));
    fc.assert(
      fc.property(fc.oneof(fc.nat(1_500), fc.integer({ min: 65_280, max: 65_800 })), fc.nat(700), (size, more) => {
        const tree = createTreeEdge(0, []);
        for (const leaf of leaves.slice(0, size)) tree.push(leaf);
        const levels: Buffer[][] = edgeWidths(size).map(({ level }) => {
          const partial = tree.partials().find((tile) => tile.level === level);
          return chunks(partial?.bytes ?? Buffer.alloc(0));
        });
        const again = createTreeEdge(size, levels);
        for (const leaf of leaves.slice(size, size + more)) again.push(leaf);
        const end = Math.min(leaves.length, size + more);
        expect(again.size).toBe(end);
        expect(again.root().equals(definition(leaves.slice(0, end)))).toBe(true);
      }),
      { numRuns: 5 },
    );
  });

  test('hands out full tiles as they fill', () => {
    const tree = createTreeEdge(0, []);
    const filled: string[] = [];
    for (let i = 0; i < 65_536; i++) {
      for (const tile of tree.push(hashLeaf(Buffer.from(String(i))))) {
        if (tile.level > 0 || tile.index === 255) filled.push(`${tile.level}/${tile.index} ${tile.bytes.length}`);
      }
    }
    expect(filled).toEqual(['0/255 8192', '1/0 8192']);
    expect(tree.partials().map(({ level, index, bytes }) => [level, index, bytes.length])).toEqual([[2, 0, 32]]);
  });
});

/** RFC 6962 section 2.1, to the letter. */
function definition(leaves: readonly Buffer[]): Buffer {
  const [only] = leaves;
  if (only === undefined) return createHash('sha256').digest();
  if (leaves.length === 1) return only;
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  const node = createHash('sha256').update(Buffer.of(1));
  return node
    .update(definition(leaves.slice(0, split)))
    .update(definition(leaves.slice(split)))
    .digest();
}

function chunks(bytes: Buffer): Buffer[] {
  return Array.from({ length: bytes.length / 32 }, (_, i) => bytes.subarray(i * 32, (i + 1) * 32));
}
