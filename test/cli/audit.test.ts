import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { webhookSignature } from '../../src/audit/sinks/webhook-sink.ts';
import { type CliProcess, type CliResult, cli, jsonLines, startCli } from '../support/cli.ts';
import { eventually } from '../support/eventually.ts';
import { policyVariant } from '../support/policy-variant.ts';
import { type Receiver, startReceiver } from '../support/receiver.ts';
import { freePorts, root, startTestStack, type TestStack } from '../support/stack.ts';

const card = '4111 1111 1111 1111';
const secret = ['webhook', 'secret', 'of', 'the', 'test'].join('-');
const session = { headers: { 'x-session-id': 'session-e2e' } };

const noChat = `# METADATA
# title: No chat
# description: Refuses every chat.
package countersign.rules.no_chat

deny contains {"message": "no chat"} if input.resource.operation == "chat"
`;

let stack: TestStack;
let receiver: Receiver;
let witness: CliProcess;
let folder: string;
let exchange: string;

function inFolder(name: string): string {
  return join(stack.dataFolder, name);
}

/** With what the service's configuration refers to. */
function withConfig(
  args: readonly string[],
  { dataFolder = stack.dataFolder, file = 'countersign.yaml' } = {},
): Promise<CliResult> {
  return cli(['audit', ...args, '--config', inFolder(file)], {
    env: {
      COUNTERSIGN_DATA: dataFolder,
      COUNTERSIGN_BUNDLE: join(root, '.cache', 'policy', 'bundle.tar.gz'),
      COUNTERSIGN_JWKS: inFolder('jwks.json'),
      COUNTERSIGN_TEST_SECRET: secret,
    },
  });
}

beforeAll(async () => {
  receiver = await startReceiver(() => ({ status: 200 }));
  process.env['COUNTERSIGN_TEST_SECRET'] = secret;
  stack = await startTestStack({
    serviceConfig: (yaml) =>
      yaml.replace(
        /^audit:\n/m,
        `audit:
  sink_directory: \${env:COUNTERSIGN_DATA}/sinks
  sinks:
    - { name: hook, batch: { wait: 0s }, webhook: { url: "${receiver.url}", secret: "\${env:COUNTERSIGN_TEST_SECRET}" } }
    - { name: lines, format: ecs, prompt: masked, file: { path: "\${env:COUNTERSIGN_DATA}/ecs.jsonl" } }
`,
      ),
  });
  folder = inFolder('audit');
  const answer = await stack.chat(`my card is ${card}`, session);
  exchange = answer.headers.get('x-countersign-exchange') ?? '';
  await answer.text();
  await (await stack.chat('and what else?', session)).text();
});
afterAll(async () => {
  witness?.child.kill('SIGTERM');
  await stack?.stop();
  await receiver?.close();
});

describe('the record of a running service', () => {
  test('reaches its sinks, signed and without the card', async () => {
    const outcome = await eventually('the outcome at the webhook', () => {
      const events = receiver.requests.flatMap(({ body }) => JSON.parse(body));
      return events.find(
        ({ metadata, unmapped }) => metadata.correlation_uid === exchange && unmapped.audit.kind === 'outcome',
      );
    });
    expect(outcome).toMatchObject({ class_uid: 6003, action_id: 4, api: { service: { name: 'openai' } } });
    for (const { headers, body } of receiver.requests) {
      expect(body).not.toContain('4111');
      const [, seconds, signature] = /^t=(\d+),v1=(.+)$/.exec(String(headers['countersign-signature'])) ?? [];
      expect(signature).toBe(webhookSignature(secret, Number(seconds), body));
    }
    const lines = await eventually('the prompt in the file', () => {
      const text = existsSync(inFolder('ecs.jsonl')) ? readFileSync(inFolder('ecs.jsonl'), 'utf8') : '';
      return text.includes('my card is ') ? text : undefined;
    });
    expect(lines).toMatch(/"prompt":\[\{"role":"user","parts":\[\{"type":"text","content":"my card is CREDIT_CARD_/);
    expect(lines).not.toContain('4111');
    const ropa = JSON.parse((await withConfig(['ropa', '--json'])).stdout);
    expect(ropa.recipients).toEqual([
      { name: 'hook', format: 'ocsf', prompts: 'no prompts' },
      { name: 'lines', format: 'ecs', prompts: 'prompts as sent, masked' },
    ]);
    const listed = await withConfig(['sink', 'list', '--json']);
    expect(jsonLines(listed.stdout).map((row) => [Reflect.get(row, 'sink'), Reflect.get(row, 'dead_letters')])).toEqual(
      [
        ['hook', 0],
        ['lines', 0],
      ],
    );
    const metrics = await (await fetch(`${stack.http}/metrics`)).text();
    expect(metrics).toMatch(/countersign_audit_sink_lag_records\{sink="hook"\} \d+/);
  });

  test('can be sent again', async () => {
    const before = receiver.requests.length;
    const again = await withConfig(['sink', 'replay', '--sink', 'hook', '--from', '2026-01-01T00:00:00Z']);
    expect([again.code, again.stdout]).toEqual([
      0,
      expect.stringMatching(/^\d+ events delivered, 0 refused for good\n$/),
    ]);
    const ids = (from: number, to?: number): string[] =>
      receiver.requests
        .slice(from, to)
        .flatMap(({ body }) => JSON.parse(body).map(({ metadata }: never) => Reflect.get(metadata, 'uid')));
    expect(ids(before)).toEqual(expect.arrayContaining(ids(0, before).filter((id) => !id.startsWith('checkpoint'))));
  });

  test('shows what a receiver would not take, and sends that alone again', async () => {
    expect((await withConfig(['sink', 'dead'])).stdout).toBe('There are no dead letters.\n');
    const [{ metadata }] = JSON.parse(receiver.requests[0]?.body ?? '[]');
    const letter = { at: '2026-11-21T10:00:00.000Z', reason: 'HTTP 413', id: metadata.uid, sequence: 0, kind: 'open' };
    // The second line is what a crash leaves of one.
    writeFileSync(inFolder('sinks/hook.dead.jsonl'), `${JSON.stringify({ ...letter, document: null })}\n{"at":"20`);
    const listed = await withConfig(['sink', 'dead', '--sink', 'hook']);
    expect(listed.stdout).toMatch(
      /^SINK +AT +RECORD +KIND +ID +REASON\nhook +2026-11-21T10:00:00.000Z +0 +open +\S+ +HTTP 413\n$/,
    );
    expect(jsonLines((await withConfig(['sink', 'dead', '--json'])).stdout)).toEqual([
      { sink: 'hook', ...letter, document: null },
    ]);
    const before = receiver.requests.length;
    const again = await withConfig(['sink', 'replay', '--sink', 'hook', '--dead']);
    expect([again.code, again.stdout]).toEqual([0, '1 events delivered, 0 refused for good\n']);
    const resent = receiver.requests.slice(before).flatMap(({ body }) => JSON.parse(body));
    expect(resent.map((event) => event.metadata.uid)).toContain(metadata.uid);
    const none = await withConfig(['sink', 'dead', '--sink', 'nosuch']);
    expect([none.code, none.stderr]).toEqual([
      2,
      'countersign: There is no sink "nosuch"; audit.sinks has hook, lines.\n',
    ]);
  });

  test('is found, and a session followed', async () => {
    const found = await cli(['audit', 'search', folder, '--entity', 'CREDIT_CARD', '--kind', 'intent', '--json']);
    expect(jsonLines(found.stdout).map((row) => Reflect.get(row, 'exchange'))).toEqual([exchange]);
    expect((await cli(['audit', 'search', folder, '--code', 'no_such'])).code).toBe(1);
    expect((await cli(['audit', 'sessions', folder])).stdout).toMatch(/session-e2e .* 2 +0 +1 +0 /);
    const story = await cli(['audit', 'sessions', folder, 'session-e2e']);
    expect(story.stdout).toMatch(/asked scripted-1: sent on, masked/);
    expect(story.stdout).toMatch(/masked {4}CREDIT_CARD x1 \(token\)/);
    expect(story.stdout).toMatch(/answered: complete, status 200/);
  });

  test('is proved to somebody who has nothing but the key', async () => {
    const shown = await cli(['audit', 'show', folder, exchange, '--json']);
    const [intent] = jsonLines(shown.stdout);
    const id = String(Reflect.get(intent ?? {}, 'id'));
    const proof = inFolder('one.tlog-proof');
    await eventually('a proof', async () => {
      const made = await cli(['audit', 'prove', folder, id, '--out', proof]);
      return made.code === 0 ? true : undefined;
    });
    cpSync(join(folder, 'log.vkey'), inFolder('given.vkey'));
    const held = await cli(['audit', 'verify-proof', proof, '--key', inFolder('given.vkey')]);
    expect([held.code, held.stdout]).toEqual([0, expect.stringContaining('proved')]);
    writeFileSync(proof, readFileSync(proof, 'utf8').replace(/^index \d+/m, 'index 0'));
    expect((await cli(['audit', 'verify-proof', proof, '--key', inFolder('given.vkey')])).code).toBe(1);
    expect((await cli(['audit', 'verify-proof', proof])).code).toBe(2);

    const bundle = inFolder('evidence');
    const exported = await cli(['audit', 'export', folder, exchange, '--out', bundle]);
    expect([exported.code, exported.stdout]).toEqual([0, expect.stringMatching(/^\d+ records in /)]);
    expect(readFileSync(join(bundle, 'README.txt'), 'utf8')).toContain(
      'countersign audit verify-proof . --key log.vkey',
    );
    const checked = await cli(['audit', 'verify-proof', bundle, '--key', inFolder('given.vkey')]);
    expect([checked.code, checked.stdout]).toEqual([0, expect.stringMatching(/\n(\d+) of \1 proved\n$/)]);
    const [sealed = ''] = readdirSync(bundle).filter((name) => name.endsWith('.sealed'));
    writeFileSync(join(bundle, sealed), 'another');
    const altered = await cli(['audit', 'verify-proof', bundle, '--key', inFolder('given.vkey'), '--json']);
    expect(altered.code).toBe(1);
    expect(jsonLines(altered.stdout).flatMap((line) => Reflect.get(line, 'problems'))).toEqual([
      'the sealed bytes beside it are not those that the manifest commits to',
    ]);
    const nobody = await cli(['audit', 'verify-proof', inFolder('sinks'), '--key', inFolder('given.vkey')]);
    expect([nobody.code, nobody.stderr]).toEqual([2, expect.stringContaining('holds no proof')]);
  });

  test('is cosigned by a witness, which an auditor can ask for', async () => {
    const [port] = await freePorts(1);
    witness = startCli([
      ...['audit', 'witness', '--log', join(folder, 'log.vkey'), '--name', 'witness.example/w1'],
      ...['--key', inFolder('witness.key'), '--state', inFolder('witness'), '--listen', `127.0.0.1:${port}`],
    ]);
    const key = await eventually('the key of the witness', () => /verifier key {2}(\S+)\n/.exec(witness.stdout())?.[1]);
    await eventually('its address', () => (witness.stdout().includes('serves') ? true : undefined));
    const note = readFileSync(join(folder, 'checkpoint'), 'utf8');
    const answer = await fetch(`http://127.0.0.1:${port}/add-checkpoint`, { method: 'POST', body: `old 0\n\n${note}` });
    expect(answer.status).toBe(200);
    const copy = inFolder('copy');
    cpSync(folder, copy, { recursive: true });
    writeFileSync(join(copy, 'checkpoint.witnessed'), `${note}${await answer.text()}`);
    const trust = inFolder('trust.txt');
    writeFileSync(
      trust,
      `log ${readFileSync(join(folder, 'log.vkey'), 'utf8').trim()}\nwitness w1 ${key}\nquorum w1\n`,
    );
    const verified = await cli(['audit', 'verify', copy, '--trust', trust]);
    expect([verified.code, verified.stdout]).toEqual([0, expect.stringContaining('witness     w1 at ')]);
    expect((await cli(['audit', 'verify', folder, '--trust', trust])).code).toBe(1);
    for (const level of ['1', '2', '3']) expect((await cli(['audit', 'verify', copy, '--level', level])).code).toBe(0);
    const plain = await withConfig(['verify', copy, '--level', '5']);
    expect([plain.code, plain.stdout]).toEqual([
      0,
      expect.stringMatching(/plaintext {3}\d+ records opened, 0 without a key/),
    ]);
    expect((await cli(['audit', 'verify', copy, '--level', '9'])).code).toBe(2);
  });

  test('once damaged is put aside, and the log goes on', async () => {
    const copy = inFolder('damaged');
    cpSync(folder, join(copy, 'audit'), { recursive: true });
    cpSync(inFolder('audit-key.json'), join(copy, 'audit-key.json'));
    const held = await withConfig(['repair']);
    expect([held.code, held.stderr]).toEqual([3, expect.stringContaining('Stop the service first')]);
    rmSync(join(copy, 'audit', 'lock'));
    const path = join(copy, 'audit', 'segments', '0000000000000000.seg');
    const bytes = readFileSync(path);
    bytes[900] = (bytes[900] ?? 0) ^ 1;
    writeFileSync(path, bytes);
    const looked = await withConfig(['repair'], { dataFolder: copy });
    expect([looked.code, looked.stdout]).toEqual([1, expect.stringContaining('DAMAGED     the audit log is damaged')]);
    expect((await withConfig(['repair', '--quarantine'], { dataFolder: copy })).code).toBe(2);
    const repaired = await withConfig(['repair', '--quarantine', '--reason', 'a bad sector', '--json'], {
      dataFolder: copy,
    });
    const [done] = jsonLines(repaired.stdout);
    expect([repaired.code, Reflect.get(done ?? {}, 'quarantined')]).toEqual([
      0,
      expect.objectContaining({ next: expect.stringMatching(/\/000001-\d{4}-\d{2}$/), recorded: true }),
    ]);
    const verified = await cli(['audit', 'verify', join(copy, 'audit')]);
    expect([verified.code, verified.stdout]).toEqual([0, expect.stringContaining('\nQUARANTINED ')]);
    const aside = join(copy, 'audit', 'quarantine', '000000');
    expect((await cli(['audit', 'verify', aside])).code).toBe(1);
    expect((await cli(['audit', 'show', aside, exchange])).code).toBe(0);
  });

  test('decides again what was decided, and shows what another policy would change', async () => {
    const copy = inFolder('replayed');
    cpSync(folder, copy, { recursive: true });
    const same = await withConfig(['replay', exchange, '--folder', copy, '--reason', 'ticket 7', '--json']);
    expect([same.code, jsonLines(same.stdout)]).toEqual([
      0,
      ['request', 'response'].map((phase) =>
        expect.objectContaining({
          exchange,
          phase,
          same: true,
          decision: 'same',
          differs: [],
          // The service had a key of its own, which is gone.
          sent: { result: 'same', by: phase === 'request' ? 'form' : 'bytes' },
        }),
      ),
    ]);
    const one = await withConfig(['replay', exchange, '--folder', copy, '--reason', 'ticket 7']);
    expect([one.code, one.stdout.split('\n').slice(0, 4)]).toEqual([
      0,
      [
        'request: decision: same',
        'request: sent: same (placeholders by their form: no key here wrote them)',
        'response: decision: same',
        'response: sent: same',
      ],
    ]);
    const all = await withConfig([
      'replay',
      '--folder',
      copy,
      '--reason',
      'ticket 7',
      '--since',
      '2026-01-01T00:00:00Z',
    ]);
    expect([all.code, all.stdout]).toEqual([
      0,
      '4 decided again: 4 the same, 0 different; 0 could not be\n' +
        'sent: 4 the same (1 by the form of placeholders), 0 different, 0 not comparable\n',
    ]);
    // No difference, but nothing to compare: a script must tell the two apart.
    expect((await withConfig(['replay', 'nosuch', '--folder', copy, '--reason', 'ticket 7'])).code).toBe(3);
    const held = await withConfig(['replay', exchange, '--reason', 'ticket 7']);
    expect([held.code, held.stderr]).toEqual([3, expect.stringMatching(/held by another writer.*--folder/)]);

    const lenient = readFileSync(inFolder('countersign.yaml'), 'utf8').replace(
      /^detection:\n/m,
      `detection:\n  allow: ["${card}"]\n`,
    );
    writeFileSync(inFolder('lenient.yaml'), lenient);
    const other = await withConfig(['replay', exchange, '--folder', copy, '--reason', 'ticket 8'], {
      file: 'lenient.yaml',
    });
    expect([other.code, other.stdout]).toEqual([1, expect.stringContaining('request: decision: same\n')]);
    expect(other.stdout).toContain('request: sent: different at /messages/0/content, character 11\n');
    expect(other.stdout).toMatch(/ different at \S+, character 11 +the detectors are not those of then/);
    expect(other.stdout).toContain('sent: 1 the same, 1 different, 0 not comparable\n');
    expect(other.stdout).not.toContain('4111');

    const access = await cli(['audit', 'search', copy, '--kind', 'access', '--json']);
    expect(access.stdout).toContain('ticket 7');

    const strict = await policyVariant({ files: { 'rules/no_chat/no_chat.rego': noChat } });
    const flips = await withConfig(['replay', '--folder', copy, '--reason', 'what if', '--policy', strict.bundle]);
    expect(flips.stdout).toMatch(/ response +allow -> deny /);
    expect([flips.code, flips.stdout]).toEqual([1, expect.stringMatching(/4 decided again: 0 the same, 4 different/)]);
    strict.remove();
  });
});
