import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { isJsonObject, type JsonObject, type JsonValue } from '../lib/json.ts';
import { limits } from '../lib/limits.ts';
import { err, ok, type Result } from '../lib/result.ts';
import { type Bundle, bundleOf, createBundle, decodeBundle, encodeBundle, entrypoints } from './bundle.ts';
import type { Phase } from './decision.ts';
import { type PolicyToolError, runOpa } from './opa-binary.ts';
import { layoutProblems, type RegoModule, readMembers, readsText } from './rego-modules.ts';
import { readTar } from './tar.ts';

export interface PolicyFolder {
  /** A folder with main.rego, rules/, schemas/input.json and capabilities.json; lib/ and data/ may be there as well. */
  readonly root: string;
  /** Path of the opa command; see `OpaRun`. */
  readonly opa?: string;
  /** What is wrong with the data, each with its place, that only who reads it can know. Asked with `{ detection }` alone. */
  readonly dataProblems?: (data: JsonObject) => readonly string[];
}

export interface BuiltBundle {
  /** Absolute path of the bundle file. */
  readonly file: string;
  readonly revision: string;
  readonly readsText: boolean;
  readonly bytes: number;
}

/**
 * Checks a policy folder and compiles it into one bundle file, written whole or not at all. The same sources and the same
 * opa give the same bytes. Tests are left out; sources are kept for people.
 */
export async function buildBundle(
  options: PolicyFolder & { readonly out: string },
): Promise<Result<BuiltBundle, PolicyToolError>> {
  const modules = await compile(options);
  if (!modules.ok) return modules;
  const scratch = await mkdtemp(join(tmpdir(), 'countersign-policy-'));
  try {
    const compiled = join(scratch, 'bundle.tar.gz');
    const entries = Object.values(entrypoints).flatMap((entrypoint) => ['-e', entrypoint]);
    const args = ['build', '-t', 'wasm', ...entries, '--capabilities', 'capabilities.json', ...noTests, '-o', compiled];
    const built = await runOpa({ cwd: options.root, opa: options.opa, args: [...args, ...sourcePaths(options.root)] });
    if (!built.ok) return built;
    const raw = bundleOf(readTar(gunzipSync(await readFile(compiled))));
    const problems = options.dataProblems?.(raw.data) ?? [];
    if (problems.length > 0) return badData(problems);
    const rules = modules.value.filter((module) => !isTest(module));
    const bundle = createBundle({ ...raw, readsText: readsText(rules), reads: readMembers(rules) });
    const file = resolve(options.out);
    const bytes = encodeBundle(bundle);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(`${file}.new`, bytes);
    await rename(`${file}.new`, file);
    return ok({ file, revision: bundle.revision, readsText: bundle.readsText, bytes: bytes.length });
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Everything that can be known of a policy without running it: layout, strict compilation against schema and capabilities, format. */
export async function checkPolicies(
  options: PolicyFolder,
): Promise<Result<{ readonly files: number }, PolicyToolError>> {
  const modules = await compile(options);
  if (!modules.ok) return modules;
  const sound = await checkData(options);
  if (!sound.ok) return sound;
  const listed = await runOpa({
    cwd: options.root,
    opa: options.opa,
    args: ['fmt', '--list', ...modules.value.map((module) => module.path)],
  });
  if (!listed.ok) return listed;
  const unformatted = listed.value.trim();
  if (unformatted !== '') return err({ kind: 'not_formatted', message: `run \`opa fmt -w\` on:\n${unformatted}` });
  return ok({ files: modules.value.length });
}

export interface PolicyTestReport {
  readonly passed: number;
  /** `package.test "case" at file:row`. */
  readonly failed: readonly string[];
  /** Percent of the lines that tests reach; 0 while a test fails, because opa measures none then. */
  readonly coverage: number;
  /** `file:row` of lines that no test reaches. */
  readonly notCovered: readonly string[];
}

/** Runs the tests that stand beside the rules. Failing tests are a report, not an error. */
export async function testPolicies(options: PolicyFolder): Promise<Result<PolicyTestReport, PolicyToolError>> {
  const parts = partsOf(options);
  if (!parts.ok) return parts;
  const sound = await checkData(options);
  if (!sound.ok) return sound;
  const run = (...flags: readonly string[]): Promise<Result<string, PolicyToolError>> =>
    runOpa({
      cwd: options.root,
      opa: options.opa,
      args: ['test', '--format', 'json', '--timeout', testTimeout, ...flags, ...sourcePaths(options.root)],
      exitCodes: [2],
    });
  const tested = await run();
  if (!tested.ok) return tested;
  const results = testResults(parse(tested.value));
  if (results.failed.length > 0) return ok({ ...results, coverage: 0, notCovered: [] });
  const covered = await run('--coverage');
  if (!covered.ok) return covered;
  return ok({ ...results, ...coverageOf(parse(covered.value)) });
}

/** Asks the sources (not the bundle) by `opa eval`: null when the entry point is undefined for this input. */
export async function evalPolicy(
  options: PolicyFolder & { readonly phase: Phase; readonly input: JsonValue },
): Promise<Result<JsonValue, PolicyToolError>> {
  const parts = partsOf(options);
  if (!parts.ok) return parts;
  const query = `data.${entrypoints[options.phase].replace('/', '.')}`;
  const sources = sourcePaths(options.root).flatMap((path) => ['--data', path]);
  return await evaluate(options, ['--stdin-input', ...noTests, ...sources, query], options.input);
}

/** Reads a bundle file, or a folder that holds an unpacked one. Throws an Error that says what is wrong with it. */
export async function readBundle(path: string): Promise<Bundle> {
  const found = await stat(path);
  if (!found.isDirectory()) {
    if (found.size > limits.policyBundleBytesMax) throw new Error(`${path} is larger than a bundle may be`);
    return decodeBundle(await readFile(path));
  }
  const names = ['.manifest', 'data.json', 'policy.wasm'].filter((name) => existsSync(join(path, name)));
  return bundleOf(
    await Promise.all(names.map(async (name) => ({ path: name, bytes: await readFile(join(path, name)) }))),
  );
}

/** Of one test. opa's own 5 s fail sound tests on a busy machine. */
const testTimeout = '60s';
const noTests = ['--ignore', '*_test.rego'];

/** What every policy folder has. */
function partsOf({ root }: PolicyFolder): Result<null, PolicyToolError> {
  const missing = ['main.rego', 'schemas/input.json', 'capabilities.json'].find(
    (file) => !existsSync(join(root, file)),
  );
  if (missing === undefined) return ok(null);
  return err({ kind: 'bad_layout', message: `${root} is no policy folder: it has no ${missing}` });
}

async function compile(options: PolicyFolder): Promise<Result<readonly RegoModule[], PolicyToolError>> {
  const parts = partsOf(options);
  if (!parts.ok) return parts;
  const against = ['--schema', 'schemas/input.json', '--capabilities', 'capabilities.json'];
  const checked = await runOpa({
    cwd: options.root,
    opa: options.opa,
    args: ['check', '--strict', ...against, ...sourcePaths(options.root)],
  });
  if (!checked.ok) return checked;
  const modules = await parseModules(options);
  if (!modules.ok) return modules;
  const problems = layoutProblems(modules.value);
  return problems.length === 0 ? modules : err({ kind: 'bad_layout', message: problems.join('\n') });
}

/** The data as the bundle would have it, as far as somebody here knows what it means. */
async function checkData(options: PolicyFolder): Promise<Result<null, PolicyToolError>> {
  if (!options.dataProblems) return ok(null);
  const sources = sourcePaths(options.root).flatMap((path) => ['--data', path]);
  const given = await evaluate(options, ['--stdin-input', ...noTests, ...sources, 'data.detection'], null);
  if (!given.ok) return given;
  const problems = given.value === null ? [] : options.dataProblems({ detection: given.value });
  return problems.length === 0 ? ok(null) : badData(problems);
}

function badData(problems: readonly string[]): Result<never, PolicyToolError> {
  return err({ kind: 'bad_data', message: problems.join('\n') });
}

async function parseModules(options: PolicyFolder): Promise<Result<readonly RegoModule[], PolicyToolError>> {
  const top = ['main.rego', 'main_test.rego'].filter((path) => existsSync(join(options.root, path)));
  const paths = [...top, ...(await regoFiles(options.root, 'lib')), ...(await regoFiles(options.root, 'rules'))];
  const files = await Promise.all(
    paths.map(async (path) => ({ path, source: await readFile(join(options.root, path), 'utf8') })),
  );
  const query = '[{"path": file.path, "ast": rego.parse_module(file.path, file.source)} | some file in input]';
  const parsed = await evaluate(options, ['--stdin-input', query], files);
  if (!parsed.ok) return parsed;
  const modules: RegoModule[] = [];
  for (const entry of array(parsed.value)) {
    const ast = member(entry, 'ast');
    if (isJsonObject(ast)) modules.push({ path: String(member(entry, 'path')), ast });
  }
  return ok(modules);
}

async function regoFiles(root: string, folder: string): Promise<string[]> {
  if (!existsSync(join(root, folder))) return [];
  const names = await readdir(join(root, folder), { recursive: true });
  return names
    .filter((name) => name.endsWith('.rego'))
    .map((name) => `${folder}/${name.replaceAll('\\', '/')}`)
    .sort();
}

async function evaluate(
  options: PolicyFolder,
  args: readonly string[],
  input: JsonValue,
): Promise<Result<JsonValue, PolicyToolError>> {
  const printed = await runOpa({
    cwd: options.root,
    opa: options.opa,
    args: ['eval', '--format', 'json', ...args],
    stdin: JSON.stringify(input),
  });
  if (!printed.ok) return printed;
  const [result] = array(member(parse(printed.value), 'result'));
  const [expression] = array(member(result, 'expressions'));
  return ok(member(expression, 'value') ?? null);
}

/** What opa loads: only these, so that schemas, capabilities and test inputs never become `data`. */
function sourcePaths(root: string): string[] {
  return ['main.rego', 'main_test.rego', 'lib', 'rules', 'data'].filter((path) => existsSync(join(root, path)));
}

function isTest(module: RegoModule): boolean {
  return module.path.endsWith('_test.rego');
}

/** A table test (`test_x[name]`) counts once for each of its cases. */
function testResults(results: JsonValue): Pick<PolicyTestReport, 'passed' | 'failed'> {
  let passed = 0;
  const failed: string[] = [];
  for (const result of array(results)) {
    const at = member(result, 'location');
    const name = `${member(result, 'package')}.${member(result, 'name')}`;
    const place = `${member(at, 'file')}:${member(at, 'row')}`;
    const table = member(result, 'sub_results');
    const cases = isJsonObject(table) ? Object.entries(table) : [];
    for (const [label, outcome] of cases.length > 0 ? cases : [['', result] as const]) {
      if (member(outcome, 'fail') !== true && member(outcome, 'error') === undefined) passed += 1;
      else failed.push(`${name}${label === '' ? '' : ` "${label}"`} at ${place}`);
    }
  }
  return { passed, failed };
}

function coverageOf(report: JsonValue): Pick<PolicyTestReport, 'coverage' | 'notCovered'> {
  const files = member(report, 'files');
  const notCovered = new Set<string>();
  for (const [file, lines] of Object.entries(isJsonObject(files) ? files : {})) {
    for (const range of array(member(lines, 'not_covered'))) {
      notCovered.add(`${file}:${member(member(range, 'start'), 'row')}`);
    }
  }
  return { coverage: Number(member(report, 'coverage') ?? 0), notCovered: [...notCovered] };
}

function parse(text: string): JsonValue {
  return JSON.parse(text);
}

function array(value: JsonValue | undefined): readonly JsonValue[] {
  return Array.isArray(value) ? value : [];
}

function member(value: JsonValue | undefined, key: string): JsonValue | undefined {
  return isJsonObject(value) ? (value satisfies JsonObject)[key] : undefined;
}
