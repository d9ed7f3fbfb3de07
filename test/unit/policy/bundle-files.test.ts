import { mkdtemp, readFile, rename, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { policyDetectionProblems } from '../../../src/main/policy-detection.ts';
import { buildBundle, checkPolicies, evalPolicy, readBundle, testPolicies } from '../../../src/policy/bundle-files.ts';
import { createFileSource } from '../../../src/policy/file-source.ts';
import { policyFolder, regoAllow } from '../../support/policy.ts';

const main = `package countersign

request := ${regoAllow} if count(data.countersign.rules) > 0

response := request
`;

const rule = `package countersign.rules.nobody

deny contains {"message": "no"} if input.subject.id == "nobody"
`;

const good = { 'main.rego': main, 'rules/nobody/nobody.rego': rule };

async function outOf(root: string): Promise<string> {
  return join(await mkdtemp(join(root, 'out-')), 'bundle.tar.gz');
}

test('two builds of the same sources, in two places, give the same bytes', async () => {
  const files: Buffer[] = [];
  for (const root of [await policyFolder(good), await policyFolder(good)]) {
    const out = await outOf(root);
    const built = await buildBundle({ root, out });
    const bundle = await readBundle(out);
    expect(built).toEqual({
      ok: true,
      value: { file: out, revision: bundle.revision, readsText: false, bytes: (await readFile(out)).length },
    });
    files.push(await readFile(out));
  }
  expect(files[0]?.equals(files[1] ?? Buffer.alloc(0))).toBe(true);
});

test('tests, schemas and capabilities stay out of the bundle', async () => {
  const root = await policyFolder({
    ...good,
    'rules/nobody/nobody_test.rego': 'package countersign.rules.nobody_test\n\ntest_x if true\n',
    'data/data.json': '{"settings":{"a":1}}',
  });
  const out = await outOf(root);
  await buildBundle({ root, out });
  const bundle = await readBundle(out);
  expect(bundle.data).toEqual({ settings: { a: 1 } });
  expect(bundle.sources.map(({ path }) => path)).toEqual(['main.rego', 'rules/nobody/nobody.rego']);
});

describe('a policy that must not reach a request fails at build time', () => {
  const deny = (body: string): Record<string, string> => ({
    ...good,
    'rules/nobody/nobody.rego': `package countersign.rules.nobody\n\n${body}\n`,
  });
  test.each<{ name: string; files: Record<string, string>; want: RegExp }>([
    {
      name: 'a clock',
      files: deny('deny contains {"message": "late"} if time.now_ns() > 0'),
      want: /^opa_failed: .*undefined function time.now_ns/s,
    },
    {
      name: 'a network',
      files: deny(
        'deny contains {"message": "x"} if http.send({"method": "GET", "url": "http://x"}).status_code == 200',
      ),
      want: /^opa_failed: .*undefined function http.send/s,
    },
    {
      name: 'chance',
      files: deny('deny contains {"message": "x"} if rand.intn("x", 2) == 1'),
      want: /^opa_failed: .*undefined function rand.intn/s,
    },
    {
      name: 'a built-in that the engine lacks',
      files: deny('deny contains {"message": "x"} if semver.is_valid(input.resource.model)'),
      want: /^opa_failed: .*undefined function semver.is_valid/s,
    },
    {
      name: 'an input that does not exist',
      files: deny('deny contains {"message": "x"} if input.subjct.id == "x"'),
      want: /^opa_failed: .*undefined ref: input.subjct.id/s,
    },
    { name: 'a syntax error', files: deny('deny contains'), want: /^opa_failed: .*rego_parse_error/s },
    {
      name: 'a verdict where a set is meant',
      files: deny('deny := {"message": "x"} if input.subject.id == "x"'),
      want: /^bad_layout: rules\/nobody\/nobody.rego: write `deny contains … if …`/,
    },
    {
      name: 'a boolean where a set is meant',
      files: deny('hold if input.subject.id == "x"'),
      want: /^bad_layout: rules\/nobody\/nobody.rego: write `hold contains … if …`/,
    },
    {
      name: 'a package that nobody composes',
      files: { ...good, 'rules/other/other.rego': 'package countersign.rule.other\n\nx := 1\n' },
      want: /^bad_layout: rules\/other\/other.rego: the package must be countersign.rules.other, not countersign.rule.other/,
    },
    {
      name: 'a rule too deep',
      files: { ...good, 'rules/a/b/b.rego': 'package countersign.rules.a.b\n\nx := 1\n' },
      want: /^bad_layout: rules\/a\/b\/b.rego: a rule's files stand directly in rules\/<id>\//,
    },
    {
      name: 'no entry point for responses',
      files: { 'main.rego': `package countersign\n\nrequest := ${regoAllow}\n` },
      want: /^opa_failed: .*countersign\/response/s,
    },
  ])('$name', async ({ files, want }) => {
    const root = await policyFolder(files);
    const built = await buildBundle({ root, out: await outOf(root) });
    expect(built.ok ? 'built' : `${built.error.kind}: ${built.error.message}`).toMatch(want);
  });

  test('a folder that holds no policy', async () => {
    const root = await policyFolder({});
    expect(await buildBundle({ root, out: await outOf(root) })).toEqual({
      ok: false,
      error: { kind: 'bad_layout', message: `${root} is no policy folder: it has no main.rego` },
    });
  });

  test('without opa the message says where to get it', async () => {
    const root = await policyFolder(good);
    const built = await buildBundle({ root, out: await outOf(root), opa: join(root, 'no-such-opa') });
    expect(built).toEqual({
      ok: false,
      error: { kind: 'opa_missing', message: `there is no opa command at ${join(root, 'no-such-opa')}` },
    });
  });

  test('and what was built before stays', async () => {
    const root = await policyFolder(good);
    const out = await outOf(root);
    await buildBundle({ root, out });
    const before = await readFile(out);
    await writeFile(join(root, 'main.rego'), 'package countersign\n');
    expect((await buildBundle({ root, out })).ok).toBe(false);
    expect((await readFile(out)).equals(before)).toBe(true);
  });
});

test('check counts the files, and names those that opa fmt would change', async () => {
  expect(await checkPolicies({ root: await policyFolder(good) })).toEqual({ ok: true, value: { files: 2 } });
  const untidy = await policyFolder({ ...good, 'main.rego': main.replace('request :=', 'request  :=') });
  expect(await checkPolicies({ root: untidy })).toEqual({
    ok: false,
    error: { kind: 'not_formatted', message: 'run `opa fmt -w` on:\nmain.rego' },
  });
});

describe('test', () => {
  const tests = (wrong: string): Record<string, string> => ({
    ...good,
    'rules/nobody/nobody_test.rego': `package countersign.rules.nobody_test

import data.countersign.rules.nobody

test_deny[name] if {
	some name, want in {"right": set(), "other": ${wrong}}
	nobody.deny == want with input as {"subject": {"id": "alice"}}
}

test_alone if true
`,
  });

  test('names the cases that fail', async () => {
    expect(await testPolicies({ root: await policyFolder(tests('{"x"}')) })).toEqual({
      ok: true,
      value: {
        passed: 2,
        failed: ['data.countersign.rules.nobody_test.test_deny "other" at rules/nobody/nobody_test.rego:5'],
        coverage: 0,
        notCovered: [],
      },
    });
  });

  test('names the lines that no test reaches', async () => {
    const report = await testPolicies({ root: await policyFolder(tests('set()')) });
    expect(report).toEqual({
      ok: true,
      value: {
        passed: 3,
        failed: [],
        coverage: expect.any(Number),
        notCovered: ['main.rego:3', 'main.rego:5', 'rules/nobody/nobody.rego:3'],
      },
    });
    expect(report.ok && report.value.coverage).toBeLessThan(100);
  });
});

test('eval asks the sources; undefined is null', async () => {
  const root = await policyFolder({ 'main.rego': main.replace('count(data.countersign.rules)', 'input.n') });
  const ask = (n: number): ReturnType<typeof evalPolicy> => evalPolicy({ root, phase: 'request', input: { n } });
  expect(await ask(1)).toEqual({ ok: true, value: JSON.parse(regoAllow) });
  expect(await ask(0)).toEqual({ ok: true, value: null });
});

describe('a bundle on disk', () => {
  test('is read from its file and from an unpacked folder alike', async () => {
    const root = await policyFolder(good);
    const out = await outOf(root);
    await buildBundle({ root, out });
    const bundle = await readBundle(out);
    const folder = await mkdtemp(join(tmpdir(), 'countersign-test-'));
    await writeFile(join(folder, 'policy.wasm'), bundle.wasm);
    await writeFile(join(folder, 'data.json'), JSON.stringify(bundle.data));
    const { reads, readsText } = bundle;
    const manifest = { metadata: { countersign: { contract: 1, reads_text: readsText, reads } } };
    await writeFile(join(folder, '.manifest'), JSON.stringify(manifest));
    expect((await readBundle(folder)).revision).toBe(bundle.revision);
    expect(await createFileSource(folder).signature()).not.toBe('- - -');
  });

  test('is noticed when it is replaced', async () => {
    const root = await policyFolder(good);
    const path = join(root, 'bundle.tar.gz');
    const source = createFileSource(path);
    await expect(source.signature()).rejects.toThrow(/ENOENT/);
    await writeFile(path, 'one');
    const first = await source.signature();
    expect(await source.signature()).toBe(first);
    await writeFile(`${path}.new`, 'two');
    await rename(`${path}.new`, path);
    expect(await source.signature()).not.toBe(first);
    await expect(source.read()).rejects.toThrow(/incorrect header check/);
  });
});

test('data that whoever reads it finds wrong is refused by build, check and test, and nothing is written', async () => {
  const detection = { patterns: [{ id: 'case', entity: 'CASE_NUMBER', pattern: 'CASE-(' }, { id: 'Ä' }] };
  const root = await policyFolder({ ...good, 'data/detection/data.json': JSON.stringify(detection) });
  const out = await outOf(root);
  const options = { root, out, dataProblems: policyDetectionProblems };
  for (const run of [buildBundle, checkPolicies, testPolicies]) {
    const result = await run(options);
    expect(result.ok ? null : [result.error.kind, result.error.message.split('\n')]).toEqual([
      'bad_data',
      [
        expect.stringMatching(/^data\.detection\.patterns\[1\]\.id /),
        expect.stringMatching(/^data\.detection\.patterns\[1\]\.entity /),
        expect.stringMatching(/^data\.detection\.patterns\[1\]\.pattern /),
      ],
    ]);
  }
  await expect(readFile(out)).rejects.toThrow('ENOENT');
  await writeFile(join(root, 'data/detection/data.json'), JSON.stringify({ patterns: detection.patterns.slice(0, 1) }));
  const built = await buildBundle(options);
  expect(built.ok ? '' : built.error.message).toBe(
    'data.detection.patterns[0].pattern is not RE2 syntax: error parsing regexp: missing closing ): `CASE-(`',
  );
});
