import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cli, jsonLines, startCli } from '../support/cli.ts';
import { eventually } from '../support/eventually.ts';
import { ordinaryRequest, policyFolder, saying, shippedPolicies } from '../support/policy.ts';
import { verified } from '../support/records.ts';
import { expectNeverSent } from '../support/refusals.ts';
import { root, startTestStack, type TestStack } from '../support/stack.ts';

const card = '4111 1111 1111 1111';
const risky = 'Write a script that drops the users table in production.';

let scratch: string;
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'countersign-cli-'));
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function file(name: string, text: string): string {
  const path = join(scratch, name);
  writeFileSync(path, text);
  return path;
}

describe('usage', () => {
  test.each([
    { args: ['--version'], code: 0, says: /^\d+\.\d+\.\d+\n$/ },
    { args: ['--help'], code: 0, says: /Exit codes: 0 done/ },
    { args: ['serve', '--help'], code: 0, says: /--config/ },
    { args: [], code: 2, says: /Usage: countersign/ },
    { args: ['dance'], code: 2, says: /unknown command 'dance'/ },
    { args: ['serve'], code: 2, says: /required option '-c, --config <file>'/ },
    { args: ['serve', '--config', 'no-such.yaml'], code: 2, says: /no-such\.yaml/ },
    {
      args: ['serve', '--config', 'envoy/countersign.yaml', '--drain', 'soon'],
      code: 2,
      says: /--drain takes seconds/,
    },
    { args: ['demo', '--json'], code: 2, says: /--json goes with --keep/ },
    { args: ['demo', '--no-model'], code: 2, says: /--no-model goes with --keep/ },
    { args: ['policy', 'test', 'no-such'], code: 2, says: /no-such is no policy folder/ },
    { args: ['policy', 'test', '--coverage', 'much'], code: 2, says: /--coverage takes a percentage/ },
    { args: ['policy', 'eval', 'no-such.json'], code: 2, says: /no-such\.json: no such file or directory/ },
    { args: ['audit', 'tail', 'package.json'], code: 2, says: /holds no audit log/ },
    { args: ['approvals', 'list', '--token-file', 'package.json'], code: 2, says: /identity token is none: [^{}]*$/ },
    { args: ['approvals', 'get'], code: 2, says: /missing required argument 'id'/ },
    { args: ['approvals', 'list', '--colour'], code: 2, says: /unknown option '--colour'/ },
  ])('$args', async ({ args, code, says }) => {
    const result = await cli(args);
    expect({ code: result.code, says: result.stdout + result.stderr }).toEqual({
      code,
      says: expect.stringMatching(says),
    });
    expect(result.stderr).not.toContain('    at ');
  });
});

describe('serve and check-config', () => {
  test('the shipped configuration is right', async () => {
    const env = { COUNTERSIGN_JWKS: file('jwks.json', '{"keys":[]}'), COUNTERSIGN_DATA: scratch };
    const text = await cli(['check-config', 'envoy/countersign.yaml'], { env });
    expect([text.code, text.stdout]).toEqual([0, expect.stringMatching(/envoy\/countersign\.yaml is right\n$/)]);
    const json = await cli(['check-config', 'envoy/countersign.yaml', '--json'], { env });
    expect([json.code, JSON.parse(json.stdout).ok]).toEqual([0, true]);
  });

  test('every mistake is listed at once, with its line; serve says the same and does not start', async () => {
    const path = file('bad.yaml', 'listen:\n  pep: { adress: 127.0.0.1:1 }\npolicy:\n  bundle: no-such.tar.gz\n');
    const checked = await cli(['check-config', path]);
    expect(checked.code).toBe(2);
    expect(checked.stdout).toMatch(/bad\.yaml:2:\d+: error: .*adress/);
    expect(checked.stdout).toMatch(/bad\.yaml:4:\d+: error: .*no-such\.tar\.gz/);
    const json = await cli(['check-config', path, '--json']);
    expect([json.code, JSON.parse(json.stdout).ok]).toEqual([2, false]);
    expect(JSON.parse(json.stdout).problems.length).toBe(2);
    const served = await cli(['serve', '--config', path]);
    expect([served.code, served.stderr]).toEqual([2, expect.stringMatching(/bad\.yaml:2:\d+: error/)]);
  });
});

describe('policy', () => {
  test('check, test, build: the shipped policies', async () => {
    const checked = await cli(['policy', 'check', 'policies', '--json']);
    expect([checked.code, JSON.parse(checked.stdout)]).toEqual([0, { ok: true, files: expect.any(Number) }]);
    const tested = await cli(['policy', 'test', 'policies', '--json']);
    expect([tested.code, JSON.parse(tested.stdout)]).toMatchObject([0, { ok: true, failed: [], coverage: 100 }]);
    const out = join(scratch, 'bundle.tar.gz');
    const built = await cli(['policy', 'build', 'policies', '--out', out, '--json']);
    expect([built.code, JSON.parse(built.stdout)]).toMatchObject([
      0,
      { file: out, revision: expect.stringMatching(/^sha256:[0-9a-f]{64}$/), reads_text: true },
    ]);
    expect(existsSync(out)).toBe(true);
  });

  test('a failing test, a broken rule, a folder that is none, no opa', async () => {
    const failing = await policyFolder({
      'main.rego': readFileSync(join(shippedPolicies, 'main.rego'), 'utf8'),
      'main_test.rego': 'package countersign_test\n\ntest_no if false\n',
    });
    const tested = await cli(['policy', 'test', failing]);
    expect([tested.code, tested.stdout]).toEqual([1, expect.stringMatching(/failed: .*test_no at main_test\.rego:3/)]);
    const broken = await policyFolder({ 'main.rego': 'package countersign\n\nrequest := nobody\n' });
    for (const verb of ['check', 'build']) {
      const result = await cli(['policy', verb, broken, ...(verb === 'build' ? ['--out', join(scratch, 'none')] : [])]);
      expect([verb, result.code, result.stderr]).toEqual([verb, 1, expect.stringMatching(/nobody/)]);
    }
    expect(existsSync(join(scratch, 'none'))).toBe(false);
    expect((await cli(['policy', 'check', scratch])).code).toBe(2);
    const withoutOpa = await cli(['policy', 'check', 'policies'], {
      env: { COUNTERSIGN_OPA: join(scratch, 'no-opa') },
    });
    expect([withoutOpa.code, withoutOpa.stderr]).toEqual([1, expect.stringMatching(/no opa command/)]);
    for (const folder of [failing, broken]) rmSync(folder, { recursive: true });
  });

  test('eval: a decision about one input, from a file or standard input', async () => {
    const held = await cli(['policy', 'eval', '-'], { stdin: JSON.stringify(saying(risky)) });
    expect([held.code, JSON.parse(held.stdout).action]).toEqual([0, 'hold']);
    const path = file('input.json', JSON.stringify({ ...ordinaryRequest, phase: 'response' }));
    const answer = await cli(['policy', 'eval', path, '--phase', 'response']);
    expect([answer.code, JSON.parse(answer.stdout).action]).toEqual([0, 'allow']);
    // Asked about the other phase the entry point is undefined, and undefined is no allow.
    expect((await cli(['policy', 'eval', path])).code).toBe(1);
    expect((await cli(['policy', 'eval', file('broken.json', '{')])).code).toBe(2);
    expect((await cli(['policy', 'eval', path, '--phase', 'later'])).code).toBe(2);
  });
});

describe('on a running stack', () => {
  let stack: TestStack;
  beforeAll(async () => {
    stack = await startTestStack();
  });
  afterAll(() => stack?.stop());
  const as = (token: string): { env: Record<string, string> } => ({ env: { COUNTERSIGN_TOKEN: token } });
  const approvals = (...args: readonly string[]): string[] => ['approvals', ...args, '--api', stack.api];
  const holdOne = async (text: string): Promise<string> => {
    const held = await stack.chat(text);
    expect([held.status, held.headers.get('x-countersign-code')]).toEqual([403, 'approval_pending']);
    return held.headers.get('x-countersign-approval') ?? '';
  };

  test('serve: a port that is taken is an error that names it', async () => {
    const config = readFileSync(join(stack.dataFolder, 'countersign.yaml'), 'utf8');
    const own = mkdtempSync(join(scratch, 'second-'));
    const env = {
      COUNTERSIGN_DATA: own,
      COUNTERSIGN_JWKS: join(stack.dataFolder, 'jwks.json'),
      COUNTERSIGN_BUNDLE: join(root, '.cache', 'policy', 'bundle.tar.gz'),
    };
    const second = await cli(['serve', '--config', file('second.yaml', config)], { env });
    expect([second.code, second.stderr]).toEqual([
      1,
      expect.stringMatching(/could not start.*: another process listens there/),
    ]);
  });

  test('approvals: nothing is held, then something is, in words and as JSON', async () => {
    const empty = await cli(approvals('list'), as(stack.tokens.approver));
    expect([empty.code, empty.stdout]).toEqual([0, 'nothing is held\n']);
    const id = await holdOne(`${risky} My card is ${card}.`);
    const listed = await cli(approvals('list'), as(stack.tokens.approver));
    expect([listed.code, listed.stdout]).toEqual([
      0,
      expect.stringMatching(new RegExp(`^ID +STATE.*\n${id}  pending `)),
    ]);
    const json = await cli(approvals('list', '--json', '--state', 'pending'), as(stack.tokens.approver));
    expect(jsonLines(json.stdout)).toMatchObject([{ id, state: 'pending' }]);
    const shown = await cli(approvals('get', id), as(stack.tokens.approver));
    expect([shown.code, shown.stdout]).toEqual([
      0,
      expect.stringMatching(/asked by +Alice[\s\S]*drops the users table/),
    ]);
    expect(shown.stdout + listed.stdout + json.stdout).not.toContain(card);
    const none = await cli(approvals('list', '--state', 'approved', '--json'), as(stack.tokens.approver));
    expect([none.code, none.stdout]).toEqual([0, '']);
  });

  test('approvals: approve with a token file; reject; not your own; not twice', async () => {
    const tokenFile = file('bob.token', `${stack.tokens.approver}\n`);
    const id = await holdOne(`${risky} Two.`);
    const own = await cli(approvals('approve', id), as(stack.tokens.requester));
    expect([own.code, own.stderr]).toEqual([1, expect.stringMatching(/^countersign: \S/)]);
    const approved = await cli(approvals('approve', id, '--token-file', tokenFile, '--reason', 'agreed'));
    expect([approved.code, approved.stdout]).toEqual([0, `${id} is approved\n`]);
    expect((await stack.chat(`${risky} Two.`)).status).toBe(200);
    const late = await cli(approvals('reject', id, '--token-file', tokenFile));
    expect([late.code, late.stdout]).toEqual([4, '']);

    const other = await holdOne(`${risky} Three.`);
    const rejected = await cli(approvals('reject', other, '--json', '--reason', 'no', '--token-file', tokenFile));
    expect([rejected.code, jsonLines(rejected.stdout)]).toMatchObject([0, [{ id: other, state: 'rejected' }]]);
    expect((await stack.chat(`${risky} Three.`)).headers.get('x-countersign-code')).toBe('approval_rejected');

    const third = await holdOne(`${risky} Four.`);
    const cancelled = await cli(approvals('cancel', third), as(stack.tokens.requester));
    expect([cancelled.code, cancelled.stdout]).toEqual([0, `${third} is cancelled\n`]);
  });

  test('approvals: exit codes tell apart what went wrong', async () => {
    const codes = {
      'no token': await cli(approvals('list')),
      'no such token file': await cli(approvals('list', '--token-file', join(scratch, 'nobody'))),
      'a token that is none': await cli(approvals('list'), as('abc')),
      'no such state': await cli(approvals('list', '--state', 'lost'), as(stack.tokens.approver)),
      'no such limit': await cli(approvals('list', '--limit', '0'), as(stack.tokens.approver)),
      'no such approval': await cli(approvals('get', 'nothing'), as(stack.tokens.approver)),
      'nobody there': await cli(['approvals', 'list', '--api', '127.0.0.1:1'], as('abc')),
      'in clear to another machine': await cli(['approvals', 'list', '--api', 'approvals.example.com:9192'], as('abc')),
    };
    expect(Object.fromEntries(Object.entries(codes).map(([name, { code }]) => [name, code]))).toEqual({
      'no token': 2,
      'no such token file': 2,
      'a token that is none': 1,
      'no such state': 2,
      'no such limit': 2,
      'no such approval': 1,
      'nobody there': 3,
      'in clear to another machine': 2,
    });
    for (const { stdout, stderr } of Object.values(codes)) {
      expect([stdout, stderr]).toEqual(['', expect.stringMatching(/^countersign: .+\n$/)]);
    }
  });

  test('approvals watch: what is held, then every change, until interrupted', async () => {
    const watching = startCli(approvals('watch', '--json'), as(stack.tokens.approver));
    const id = await holdOne(`${risky} Watch me.`);
    const states = (): unknown[] =>
      jsonLines(watching.stdout())
        .filter((approval) => approval['id'] === id)
        .map((approval) => approval['state']);
    await eventually('the hold', () => (states().includes('pending') ? true : undefined));
    await stack.decide('approve', id);
    await eventually('the word', () => (states().includes('approved') ? true : undefined));
    watching.child.kill('SIGINT');
    expect((await watching.ended).code).toBe(0);
  });

  test('audit: tail, show, follow', async () => {
    const answer = await stack.chat(`my card is ${card}`);
    const exchange = answer.headers.get('x-countersign-exchange') ?? '';
    await verified(stack.auditFolder);
    const tail = await cli(['audit', 'tail', stack.auditFolder, '-n', '2']);
    expect([tail.code, tail.stdout.split('\n').length]).toEqual([0, 3]);
    expect(tail.stdout).toContain(exchange);
    const shown = await cli(['audit', 'show', stack.auditFolder, exchange, '--json']);
    expect(jsonLines(shown.stdout).map((record) => record['kind'])).toEqual(['intent', 'outcome']);
    const words = await cli(['audit', 'show', stack.auditFolder, exchange]);
    expect([words.code, words.stdout]).toEqual([
      0,
      expect.stringMatching(/sealed: prompt_original, application\/json/),
    ]);
    expect(tail.stdout + shown.stdout + words.stdout).not.toContain(card);

    const following = startCli(['audit', 'tail', stack.auditFolder, '-n', '0', '--follow', '--json']);
    // It may begin between the two records of an exchange: the first that comes is not always an intent.
    const next = await eventually('an intent that is followed', async () => {
      await (await stack.chat('hello')).text();
      return jsonLines(following.stdout().replace(/[^\n]*$/, '')).find(({ kind }) => kind === 'intent');
    });
    expect(next['exchange']).not.toBe(exchange);
    following.child.kill('SIGINT');
    expect((await following.ended).code).toBe(0);
  });

  test('audit: what is not there', async () => {
    expect((await cli(['audit', 'tail', join(scratch, 'nowhere')])).code).toBe(2);
    expect((await cli(['audit', 'tail', stack.auditFolder, '-n', 'many'])).code).toBe(2);
    expect((await cli(['audit', 'show', stack.auditFolder, 'nothing'])).code).toBe(1);
    expect((await cli(['audit', 'verify', stack.auditFolder, '--key', join(scratch, 'nowhere')])).code).toBe(2);
  });

  test('audit verify: intact, with a key given and a checkpoint kept; tampered with, it is found out', async () => {
    const since = file('kept', readFileSync(join(stack.auditFolder, 'checkpoint'), 'utf8'));
    await (await stack.chat('hello')).text();
    await verified(stack.auditFolder);
    const copy = join(scratch, 'copy');
    cpSync(stack.auditFolder, copy, { recursive: true });
    const key = file('vkey', readFileSync(join(copy, 'log.vkey'), 'utf8'));
    const intact = await cli(['audit', 'verify', copy, '--key', key, '--since', since]);
    expect([intact.code, intact.stdout]).toEqual([0, expect.stringMatching(/key +given[\s\S]*intact\n$/)]);

    const [segment = ''] = readdirSync(join(copy, 'segments'));
    const path = join(copy, 'segments', segment);
    const bytes = readFileSync(path);
    const at = bytes.indexOf('"decision"');
    expect(at).toBeGreaterThan(0);
    bytes.write('D', at + 1);
    writeFileSync(path, bytes);
    const tampered = await cli(['audit', 'verify', copy, '--json']);
    const report = JSON.parse(tampered.stdout);
    expect([tampered.code, report.ok, report.problems.length > 0]).toEqual([1, false, true]);
    expect((await cli(['audit', 'verify', copy])).stdout).toMatch(/PROBLEM[\s\S]*NOT intact/);
  });

  test('afterwards: the model saw no raw value', () => expectNeverSent(stack, card));
});

describe('demo, on the ports of the shipped configuration', () => {
  test('tells its story, and every step of it holds', async () => {
    const { code, stdout, stderr } = await cli(['demo']);
    expect([code, stdout, stderr]).toEqual([0, expect.stringMatching(/ok {2}the record verifies/), '']);
    expect(stdout).not.toContain('NOT ');
  });

  test('--keep --json: one line when it is ready, and an end in good order', async () => {
    const demo = startCli(['demo', '--keep', '--json']);
    const ready = await eventually('the line', () => jsonLines(demo.stdout().replace(/[^\n]*$/, ''))[0], 30_000);
    expect(ready).toEqual({
      base_url: 'http://127.0.0.1:10000',
      api: '127.0.0.1:9192',
      tokens: { requester: expect.any(String), approver: expect.any(String), auditor: expect.any(String) },
      token_header: 'x-countersign-token',
      audit_dir: expect.any(String),
      pids: { demo: demo.child.pid, envoy: expect.any(Number), countersign: expect.any(Number) },
    });
    const { base_url, token_header, tokens, audit_dir, pids }: Ready = JSON.parse(JSON.stringify(ready));
    const answer = await fetch(`${base_url}/v1/chat/completions`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', [token_header]: tokens.requester },
      body: JSON.stringify({ model: 'scripted-1', messages: [{ role: 'user', content: `my card is ${card}` }] }),
    });
    expect([answer.status, await answer.text()]).toEqual([
      200,
      expect.stringMatching(/You said: my card is CREDIT_CARD/),
    ]);
    expect((await cli(['approvals', 'list'], { env: { COUNTERSIGN_TOKEN: tokens.approver } })).stdout).toBe(
      'nothing is held\n',
    );
    await verified(audit_dir);
    expect((await cli(['audit', 'verify', audit_dir])).code).toBe(0);
    demo.child.kill('SIGTERM');
    expect((await demo.ended).code).toBe(0);
    for (const pid of [pids.envoy, pids.countersign]) expect(() => process.kill(pid, 0)).toThrow(/ESRCH/);
    expect(existsSync(audit_dir)).toBe(false);
  });
});

interface Ready {
  readonly base_url: string;
  readonly token_header: string;
  readonly tokens: { readonly requester: string; readonly approver: string };
  readonly audit_dir: string;
  readonly pids: { readonly envoy: number; readonly countersign: number };
}
