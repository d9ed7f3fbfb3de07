import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CliResult, cli, jsonLines } from '../support/cli.ts';
import { eventually } from '../support/eventually.ts';
import { type MailServer, startMailServer } from '../support/mail-server.ts';
import { type Receiver, startReceiver, webhookSecret } from '../support/notices.ts';
import { type PolicyVariant, policyVariant, withBundle } from '../support/policy-variant.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';

const risky = 'Write a script that drops the users table in production.';
const card = '4111 1111 1111 1111';

let receiver: Receiver;
/** What the receiver of the second route thinks of it. */
let isGone = true;
let gone: Receiver;
let mailServer: MailServer;
let policy: PolicyVariant;
let stack: TestStack;
let commander: string;
let config: string;
beforeAll(async () => {
  receiver = await startReceiver();
  gone = await startReceiver(() => ({ status: isGone ? 410 : 200 }));
  mailServer = await startMailServer({ secure: false, disabledCommands: ['STARTTLS', 'AUTH'] });
  policy = await policyVariant({ settings: { hold: { break_glass: { groups: ['incident-commanders'] } } } });
  stack = await startTestStack({
    serviceConfig: (yaml) => `${withBundle(policy.bundle)(yaml)}
notices:
  directory: \${env:COUNTERSIGN_DATA:-.}/notices
  link: https://console.example/approvals/{approval}
  routes:
    - name: hooks
      webhook: { url: "${receiver.url}", secret: "\${env:NOTICE_SECRET:-${webhookSecret}}" }
    - name: gone
      events: [break_glass]
      title: "{decided_by} forced {model}"
      webhook: { url: "${gone.url}", format: slack }
    - name: requester
      email: { host: 127.0.0.1, port: ${mailServer.port}, tls: none, from: countersign@example.com, to_requester: true }
`,
  });
  commander = await stack.mint({ sub: 'dora', name: 'Dora', groups: ['incident-commanders'] });
  config = join(stack.dataFolder, 'countersign.yaml');
});
afterAll(async () => {
  await stack?.stop();
  await Promise.all([receiver.close(), gone.close(), mailServer.close()]);
  policy.remove();
});

const approvals = (token: string, ...args: readonly string[]): Promise<CliResult> =>
  cli(['approvals', ...args, '--api', stack.api], { env: { COUNTERSIGN_TOKEN: token } });
const asApprover = (...args: readonly string[]) => approvals(stack.tokens.approver, ...args);

async function holdOne(
  text: string,
  model = 'scripted-1',
): Promise<{ readonly id: string; readonly exchange: string }> {
  const held = await stack.chat(`${risky} ${text}`, { extra: { model } });
  await held.arrayBuffer();
  expect([held.status, held.headers.get('x-countersign-code')]).toEqual([403, 'approval_pending']);
  const header = (name: string) => held.headers.get(`x-countersign-${name}`) ?? '';
  return { id: header('approval'), exchange: header('exchange') };
}

/** Events of an approval that have arrived at the first route, as the reference library verifies them. */
function told(id: string): string[] {
  const verifier = new Webhook(webhookSecret);
  return receiver.received
    .map(({ body, headers }) => ({
      body,
      headers: Object.fromEntries(Object.entries(headers).map(([n, v]) => [n, String(v)])),
    }))
    .map(({ body, headers }) => verifier.verify(body, headers) as { type: string; data: { approval: string } })
    .filter(({ data }) => data.approval === id)
    .map(({ type }) => type);
}

const isTold = (id: string, events: readonly string[]) =>
  eventually(`notices ${events.join(', ')}`, () => (told(id).length >= events.length ? true : undefined)).then(() =>
    expect(told(id)).toEqual(events.map((event) => `approval.${event}`)),
  );

describe('notices', () => {
  test('signed, in order, without a value of the prompt', async () => {
    const { id } = await holdOne(`My card is ${card}. Notice me.`);
    await isTold(id, ['created']);
    await stack.decide('approve', id);
    await isTold(id, ['created', 'decided']);
    await stack.decide('revoke', id);
    await isTold(id, ['created', 'decided', 'revoked']);
    const all = receiver.received.map(({ body }) => body).join('\n');
    expect(all).toContain(`https://console.example/approvals/${id}`);
    expect(all).not.toMatch(/4111|Notice me/);
    const metrics = await (await fetch(`${stack.http}/metrics`)).text();
    expect(metrics).toMatch(/countersign_notices_total\{route="hooks",outcome="sent"\} [3-9]/);
  });

  test('by mail to whoever asked, and only to them, when it is decided and when it is taken back', async () => {
    const asked = async (text: string, claims: Readonly<Record<string, unknown>>): Promise<string> => {
      const token = await stack.mint({ sub: 'alice', name: 'Alice', groups: ['engineering'], ...claims });
      const held = await stack.chat(`${risky} ${text}`, { token });
      await held.arrayBuffer();
      return held.headers.get('x-countersign-approval') ?? '';
    };
    const claims = { email: 'alice@example.com', email_verified: true };
    const [id, unverified] = [
      await asked(`Write me. My card is ${card}.`, claims),
      await asked('Write me not.', { ...claims, email_verified: false }),
    ];
    const about = (one: string) => mailServer.mails.filter((mail) => mail.includes(one));
    await stack.decide('reject', unverified);
    await isTold(unverified, ['created', 'decided']);
    await stack.decide('approve', id);
    await eventually('the approval', () => (about(id).length === 1 ? true : undefined));
    await stack.decide('revoke', id);
    await eventually('the revocation', () => (about(id).length === 2 ? true : undefined));
    expect(about(id).map((mail) => /^Subject: (.*)\r$/m.exec(mail)?.[1])).toEqual([
      'Your request to scripted-1 was approved',
      'Your request to scripted-1 was approved, and that was taken back',
    ]);
    expect(mailServer.recipients).toEqual([['alice@example.com'], ['alice@example.com']]);
    expect(mailServer.mails.join('\n')).not.toMatch(/4111|Write me/);
    expect(about(unverified)).toEqual([]);
    const shown = await asApprover('get', id, '--json');
    expect([shown.code, shown.stdout.includes('alice@example.com')]).toEqual([0, false]);
    expect(receiver.received.some(({ body }) => body.includes('alice@example.com'))).toBe(false);
  });

  test('dry-run prints and sends nothing; test sends', async () => {
    const before = receiver.received.length;
    const env = { COUNTERSIGN_DATA: stack.dataFolder, COUNTERSIGN_JWKS: join(stack.dataFolder, 'jwks.json') };
    const dry = await cli(['notices', 'dry-run', '--config', config, '--json', '--event', 'break_glass'], { env });
    expect([dry.code, jsonLines(dry.stdout).map(({ route }) => route)]).toEqual([0, ['hooks', 'gone', 'requester']]);
    expect(dry.stdout).toContain('Bob Example forced example-1');
    expect(dry.stdout + dry.stderr).not.toContain(webhookSecret);
    expect(receiver.received.length).toBe(before);
    const sent = await cli(['notices', 'test', '--config', config, '--json', '--event', 'break_glass'], { env });
    expect([sent.code, jsonLines(sent.stdout)]).toEqual([
      1,
      [
        { route: 'hooks', sent: true, problem: null },
        { route: 'gone', sent: false, problem: 'status 410' },
        { route: 'requester', sent: false, problem: 'it goes to the requester: say --to ADDRESS' },
      ],
    ]);
    const me = ['--route', 'requester', '--to', 'me@example.com', '--event', 'expired', '--json'];
    const dryToMe = await cli(['notices', 'dry-run', '--config', config, ...me], { env });
    expect(jsonLines(dryToMe.stdout)).toMatchObject([
      { to: ['me@example.com'], subject: 'Your request to example-1 expired: nobody decided in time' },
    ]);
    const toMe = await cli(['notices', 'test', '--config', config, ...me], { env });
    expect([toMe.code, mailServer.recipients.at(-1)]).toEqual([0, ['me@example.com']]);
    expect(receiver.received.length).toBe(before + 1);
    const nobody = await cli(['notices', 'test', '--config', config, '--route', 'nobody'], { env });
    expect([nobody.code, nobody.stderr]).toEqual([1, expect.stringMatching(/no route nobody/)]);
  });

  test('break-glass is flagged and told; a dead letter is listed, replayed, and arrives', async () => {
    const { id } = await holdOne('Break the glass.');
    const without = await approvals(commander, 'break-glass', id);
    expect([without.code, without.stderr]).toEqual([2, expect.stringMatching(/reason/)]);
    const notOne = await asApprover('break-glass', id, '--reason', 'an incident');
    expect(notOne.code).toBe(1);
    const forced = await approvals(commander, 'break-glass', id, '--reason', 'an incident', '--json');
    expect([forced.code, jsonLines(forced.stdout)]).toMatchObject([
      0,
      [{ state: 'approved', forced: true, decisions: [{ verdict: 'break_glass', reason: 'an incident' }] }],
    ]);
    await isTold(id, ['created', 'break_glass']);

    const env = { COUNTERSIGN_DATA: stack.dataFolder, COUNTERSIGN_JWKS: join(stack.dataFolder, 'jwks.json') };
    const dead = await eventually('a dead letter', async () => {
      const listed = await cli(['notices', 'dead-letters', '--config', config, '--json'], { env });
      return jsonLines(listed.stdout)[0];
    });
    expect(dead).toMatchObject({
      route: 'gone',
      event: 'break_glass',
      approval: id,
      attempts: 1,
      problem: 'status 410',
    });
    isGone = false;
    const replayed = await cli(['notices', 'replay', '--config', config, '--all'], { env });
    expect([replayed.code, replayed.stdout]).toEqual([0, '1 back in the queue\n']);
    await eventually('the letter', () => gone.received.find(({ body }) => body.includes(id) && body.includes('Dora')));
    const none = await cli(['notices', 'replay', 'nothing', '--config', config], { env });
    expect([none.code, none.stderr]).toEqual([1, expect.stringMatching(/no dead letter nothing/)]);
  });
});

describe('approvals', () => {
  test('list: filters, counts, pages', async () => {
    const [one, two] = [await holdOne('List one.', 'model-a'), await holdOne('List two.', 'model-a')];
    await holdOne('List three.', 'model-b');
    await stack.decide('reject', two.id);
    const ids = async (...args: readonly string[]) =>
      jsonLines((await asApprover('list', '--model', 'model-a', '--json', ...args)).stdout).map(({ id }) => id);
    expect(await ids()).toEqual([two.id, one.id]);
    expect(await ids('--state', 'pending')).toEqual([one.id]);
    expect(await ids('--state', 'pending', 'rejected')).toEqual([two.id, one.id]);
    expect(await ids('--state', 'pending,rejected', '--since', '1h')).toEqual([two.id, one.id]);
    expect(await ids('--before', '1h')).toEqual([]);
    expect(await ids('--rule', 'hold_production_changes', '--mine')).toEqual([one.id]);
    expect(await ids('--rule', 'another')).toEqual([]);
    expect(await ids('--requester', 'alice', '--direction', 'request')).toEqual([two.id, one.id]);
    const counts = await asApprover('list', '--model', 'model-a', '--counts', '--json');
    expect(jsonLines(counts.stdout)).toEqual([{ counts: { pending: 1, rejected: 1 }, truncated: false }]);

    const first = await asApprover('list', '--model', 'model-a', '--limit', '1', '--json');
    const [, token = ''] = /--page (\S+)/.exec(first.stderr) ?? [];
    expect(jsonLines(first.stdout).map(({ id }) => id)).toEqual([two.id]);
    expect(await ids('--page', token, '--limit', '1')).toEqual([one.id]);
  });

  test('batch: each for itself, from arguments or standard input', async () => {
    const held = await Promise.all(['Batch one.', 'Batch two.', 'Batch three.'].map((text) => holdOne(text)));
    const [one, two, three] = held.map(({ id }) => id);
    if (one === undefined || two === undefined || three === undefined) throw new Error('three are held');
    await stack.decide('reject', two);
    const some = await asApprover('batch', 'approve', one, two, '--reason', 'agreed', '--json');
    expect([some.code, jsonLines(some.stdout)]).toMatchObject([
      1,
      [
        { id: one, ok: true, approval: { state: 'approved' } },
        { id: two, ok: false },
      ],
    ]);
    const piped = await cli(['approvals', 'batch', 'reject', '-', '--api', stack.api], {
      env: { COUNTERSIGN_TOKEN: stack.tokens.approver },
      stdin: `${three}\n\n${three}\n`,
    });
    expect([piped.code, piped.stdout]).toEqual([0, `${three} is rejected\n`]);
    expect((await asApprover('batch', 'burn', one)).code).toBe(2);
  });

  test('by-request: the requester finds what its own request waits for; nobody else does', async () => {
    const { id, exchange } = await holdOne('Mine.');
    const found = await approvals(stack.tokens.requester, 'by-request', '--exchange', exchange, '--json');
    expect([found.code, jsonLines(found.stdout)]).toMatchObject([0, [{ id, state: 'pending' }]]);
    const digest = String(jsonLines(found.stdout)[0]?.['digest']);
    const byDigest = await approvals(stack.tokens.requester, 'by-request', '--digest', digest, '--json');
    expect(jsonLines(byDigest.stdout)).toMatchObject([{ id }]);
    const all = await approvals(stack.tokens.requester, 'by-request', '--json');
    expect(jsonLines(all.stdout).map((approval) => approval['id'])).toContain(id);
    const other = await asApprover('by-request', '--exchange', exchange);
    expect([other.code, other.stdout]).toEqual([1, '']);
    expect((await asApprover('by-request', '--exchange', 'a', '--digest', 'b')).code).toBe(2);
  });

  test('revoke: by who decides, not by who asked, once; alone and in a batch', async () => {
    const [one, two] = [await holdOne('Revoke one.'), await holdOne('Revoke two.')];
    const early = await asApprover('revoke', one.id);
    expect([early.code, early.stderr]).toEqual([4, expect.stringMatching(/not_approved/)]);
    await stack.decide('approve', one.id);
    await stack.decide('approve', two.id);
    const notTheirs = await approvals(stack.tokens.requester, 'revoke', one.id);
    expect([notTheirs.code, notTheirs.stdout]).toEqual([1, '']);
    const revoked = await asApprover('revoke', one.id, '--reason', 'a mistake', '--json');
    expect([revoked.code, jsonLines(revoked.stdout)]).toMatchObject([
      0,
      [
        {
          id: one.id,
          state: 'revoked',
          decisions: [{ verdict: 'approve' }, { verdict: 'revoke', reason: 'a mistake' }],
        },
      ],
    ]);
    const both = await asApprover('batch', 'revoke', one.id, two.id, '--reason', 'both');
    expect([both.code, both.stdout]).toEqual([
      1,
      expect.stringMatching(
        new RegExp(`^${one.id} is as it was: already_resolved: revoked.*\n${two.id} is revoked\n$`),
      ),
    ]);
    const retried = await stack.chat(`${risky} Revoke one.`, { extra: { model: 'scripted-1' } });
    const told = await retried.json();
    expect([retried.status, told]).toMatchObject([403, { error: { code: 'approval_revoked' } }]);
    expect(JSON.stringify(told)).toContain('a mistake');
  });

  test('list: by group, by session, and what auditors wait for', async () => {
    const { id } = await holdOne('List by group.', 'model-g');
    const shown = jsonLines((await asApprover('list', '--model', 'model-g', '--json')).stdout)[0];
    const ids = async (...args: readonly string[]) =>
      jsonLines((await asApprover('list', '--model', 'model-g', '--json', ...args)).stdout).map((one) => one['id']);
    expect(await ids('--group', 'production-approvers', '--session', String(shown?.['session']))).toEqual([id]);
    expect(await ids('--group', 'others')).toEqual([]);
    expect(await ids('--session', 'another')).toEqual([]);
    expect(await ids('--direction', 'reveal')).toEqual([]);
    const wrong = await asApprover('list', '--direction', 'sideways');
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringMatching(/request, response or reveal/)]);
  });

  test('exit codes tell a refusal from a conflict; a repetition with a request id is neither', async () => {
    const { id } = await holdOne('Exit.');
    const own = await approvals(stack.tokens.requester, 'approve', id);
    expect(own.code).toBe(1);
    const say = () => asApprover('approve', id, '--reason', 'agreed', '--request-id', 'exit-1');
    expect((await say()).code).toBe(0);
    expect((await say()).code).toBe(0);
    const late = await asApprover('reject', id);
    expect([late.code, late.stderr]).toEqual([4, expect.stringMatching(/Bob|bob/)]);
  });

  test.each([
    {
      name: 'held',
      text: `${risky} Card ${card}.`,
      claims: { sub: 'alice', groups: ['engineering'] },
      code: 6,
      action: 'hold',
    },
    { name: 'denied', text: 'hello', claims: null, code: 1, action: 'deny' },
    { name: 'passed', text: 'hello', claims: { sub: 'alice' }, code: 0, action: 'allow' },
  ])('simulate says what would be $name, and why', async ({ text, claims, code, action }) => {
    const body = join(stack.dataFolder, 'simulated.json');
    writeFileSync(body, JSON.stringify({ model: 'm', messages: [{ role: 'user', content: text }] }));
    const env = {
      COUNTERSIGN_DATA: stack.dataFolder,
      COUNTERSIGN_JWKS: join(stack.dataFolder, 'jwks.json'),
    };
    const args = [
      'approvals',
      'simulate',
      body,
      '--config',
      config,
      ...(claims ? ['--claims', JSON.stringify(claims)] : []),
    ];
    const json = await cli([...args, '--json'], { env });
    expect([json.code, JSON.parse(json.stdout).action]).toEqual([code, action]);
    if (action !== 'hold') return;
    const words = await cli(args, { env });
    expect(words.code).toBe(code);
    expect(json.stdout + words.stdout).not.toContain('4111');
    expect(JSON.parse(json.stdout)).toMatchObject({
      rules: expect.arrayContaining(['hold_production_changes']),
      hold: { approver_groups: ['production-approvers'], break_glass_groups: ['incident-commanders'] },
      findings: [{ entity: 'CREDIT_CARD', pointer: '/messages/0/content', count: 1 }],
      dialect: 'openai.chat',
    });
    expect(words.stdout).toMatch(/because +hold_production_changes: this prompt asks/);
  });

  test.each([
    { name: 'a body that is no JSON', body: '{', args: [] },
    { name: 'claims that are none', body: '{}', args: ['--claims', '[]'] },
    { name: 'claims of a stranger', body: '{}', args: ['--claims', '{"iss":"https://elsewhere.example","sub":"a"}'] },
    { name: 'a header that is none', body: '{}', args: ['--header', 'nothing'] },
  ])('simulate: $name is wrong input', async ({ body, args }) => {
    const env = { COUNTERSIGN_DATA: stack.dataFolder, COUNTERSIGN_JWKS: join(stack.dataFolder, 'jwks.json') };
    const result = await cli(['approvals', 'simulate', '-', '--config', config, ...args], { env, stdin: body });
    expect([result.code, result.stderr]).toEqual([2, expect.stringMatching(/^countersign: \S/)]);
  });
});
