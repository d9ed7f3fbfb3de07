import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { type BundleContents, bundleOf, createBundle, decodeBundle, encodeBundle } from '../../../src/policy/bundle.ts';
import { readTar, writeTar } from '../../../src/policy/tar.ts';

const contents: BundleContents = {
  wasm: Uint8Array.of(0, 0x61, 0x73, 0x6d),
  data: { settings: { capture: 'full' } },
  readsText: false,
  reads: ['subject'],
  sources: [{ path: 'main.rego', bytes: Buffer.from('package countersign\n') }],
};

test('a bundle survives its file, and equal bundles give equal bytes', () => {
  const bundle = createBundle(contents);
  const file = encodeBundle(bundle);
  const read = decodeBundle(file);
  expect({ ...read, wasm: [...read.wasm], sources: read.sources.map(({ path }) => path) }).toEqual({
    ...bundle,
    wasm: [...bundle.wasm],
    sources: ['main.rego'],
  });
  expect(encodeBundle(createBundle({ ...contents })).equals(file)).toBe(true);
});

describe('the revision addresses what can influence a decision', () => {
  const { revision } = createBundle(contents);
  test.each([
    { name: 'code', change: { wasm: Uint8Array.of(0, 0x61, 0x73, 0x6e) }, isSame: false },
    { name: 'data', change: { data: { settings: { capture: 'masked' } } }, isSame: false },
    { name: 'whether texts are read', change: { readsText: true }, isSame: false },
    { name: 'what else is read', change: { reads: null }, isSame: false },
    { name: 'not the sources', change: { sources: [] }, isSame: true },
  ])('$name', ({ change, isSame }) => {
    expect(createBundle({ ...contents, ...change }).revision === revision).toBe(isSame);
  });

  test('and looks like one', () => {
    expect(revision).toMatch(/^sha256:[0-9a-f]{64}$/);
  });
});

function altered(path: string, text: string): Buffer {
  const files = readTar(writeTar([...filesOf()].filter((file) => file.path !== path)));
  return gzipSync(writeTar([...files, { path, bytes: Buffer.from(text) }]));
}

function filesOf(): ReturnType<typeof readTar> {
  const bundle = createBundle(contents);
  const manifest = { revision: bundle.revision, metadata: { countersign: { contract: 1, reads_text: false } } };
  return [
    { path: '.manifest', bytes: Buffer.from(JSON.stringify(manifest)) },
    { path: 'data.json', bytes: Buffer.from(JSON.stringify(contents.data)) },
    { path: 'policy.wasm', bytes: contents.wasm },
  ];
}

test.each([
  { name: 'altered data', file: altered('data.json', '{"settings":{}}'), want: /says revision sha256:/ },
  { name: 'altered code', file: altered('policy.wasm', 'x'), want: /says revision sha256:/ },
  { name: 'data that is no JSON', file: altered('data.json', '{'), want: /data.json of the bundle is not JSON/ },
  {
    name: 'data that is no object',
    file: altered('data.json', '[]'),
    want: /data.json of the bundle is not a JSON object/,
  },
  {
    name: 'another contract',
    file: altered('.manifest', '{"metadata":{"countersign":{"contract":2}}}'),
    want: /the bundle speaks contract 2, this service speaks 1/,
  },
  { name: 'no code', file: gzipSync(writeTar([])), want: /no policy.wasm/ },
  { name: 'no archive', file: Buffer.from('hello'), want: /incorrect header check/ },
])('a bundle with $name is refused', ({ file, want }) => {
  expect(() => decodeBundle(file)).toThrow(want);
});

test('a bundle of opa alone is taken to read texts', () => {
  const bundle = bundleOf([
    { path: '.manifest', bytes: Buffer.from('{"revision":"","roots":[""]}') },
    { path: 'policy.wasm', bytes: contents.wasm },
  ]);
  expect(bundle).toEqual(createBundle({ wasm: contents.wasm, data: {}, readsText: true, reads: null, sources: [] }));
});
