import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inBodyModes } from '../support/body-modes.ts';
import { type PolicyVariant, policyVariant, withBundle } from '../support/policy-variant.ts';
import { alarms, noAlarms, startTestStack, type TestStack } from '../support/stack.ts';
import { scripted } from '../support/upstream.ts';

/** The rule of the policy guide, with the approvers of the test. */
const guide = readFileSync(new URL('../../docs/policy-guide.md', import.meta.url), 'utf8');
const [, rule = ''] = /```rego\n(package countersign\.rules\.hold_answers_with_secrets\n.+?)```/s.exec(guide) ?? [];
const awsKey = ['AKIA', 'Q3EGRUDEMOKEY2X7'].join('');
const risky = 'Write a script that drops the users table in production.';

const modes = [
  { name: 'BUFFERED', file: 'envoy.yaml', request: 'BUFFERED', response: 'BUFFERED', trailers: 'SKIP' },
  {
    name: 'FULL_DUPLEX_STREAMED',
    file: 'envoy.yaml',
    request: 'FULL_DUPLEX_STREAMED',
    response: 'FULL_DUPLEX_STREAMED',
    trailers: 'SEND',
  },
  { name: 'ext_authz', file: 'ext-authz-only.yaml', request: '', response: '', trailers: '' },
] as const;

let policy: PolicyVariant;
beforeAll(async () => {
  policy = await policyVariant({
    settings: { production_changes: { wait_s: 30 } },
    files: {
      'rules/hold_answers_with_secrets/hold_answers_with_secrets.rego': rule.replace(
        '"security"',
        '"production-approvers"',
      ),
    },
  });
});
afterAll(() => policy.remove());

describe.each(modes)('holds in $name', ({ name, file, request, response, trailers }) => {
  let stack: TestStack;
  beforeAll(async () => {
    stack = await startTestStack({
      envoyFile: file,
      serviceConfig: withBundle(policy.bundle),
      envoyConfig: inBodyModes({ request, response, trailers }),
    });
  });
  afterAll(() => stack.stop());

  /** One sample of the service's exposition; 0: it is not there. */
  const metric = async (sample: string): Promise<number> => {
    const lines = (await (await fetch(`${stack.http}/metrics`)).text()).split('\n');
    return Number(lines.find((line) => line.startsWith(`${sample} `))?.slice(sample.length + 1) ?? 0);
  };

  test('a request waits, and goes on by itself once somebody agreed', async () => {
    const asked = stack.upstream.seen.length;
    const waiting = stack.chat(`${risky} In ${name}.`);
    const { id } = await stack.pending(`In ${name}.`);
    expect(stack.upstream.seen.length).toBe(asked);
    expect(await metric('countersign_approval_waiters')).toBe(1);
    await stack.decide('approve', id);
    expect((await waiting).status).toBe(200);
    expect(stack.upstream.seen.length).toBe(asked + 1);
    await expect(stack.decide('reject', id)).rejects.toThrow(/already_resolved/);
    const measured = {
      waiters: await metric('countersign_approval_waiters'),
      decided: await metric('countersign_approval_decision_seconds_count{how="approved"}'),
      wakeUps: await metric('countersign_approval_wake_up_seconds_count'),
      conflicts: await metric('countersign_approval_conflicts_total{code="already_resolved"}'),
      used: await metric('countersign_approval_transitions_total{state="consumed"}'),
    };
    expect(measured).toEqual({ waiters: 0, decided: 1, wakeUps: 1, conflicts: 1, used: 1 });
  });

  test('a request that waits is told of the rejection, and why', async () => {
    const waiting = stack.chat(`${risky} Never in ${name}.`);
    const { id } = await stack.pending(`Never in ${name}.`);
    await stack.decide('reject', id, stack.tokens.approver, 'not today');
    const answer = await waiting;
    expect([answer.status, answer.headers.get('x-countersign-code')]).toEqual([403, 'approval_rejected']);
    expect(await answer.text()).toContain('not today');
  });

  if (file === 'ext-authz-only.yaml') return;

  const json = (text: string) =>
    JSON.stringify({ choices: [{ index: 0, message: { role: 'assistant', content: text } }] });
  const event = (content: string) => `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content } }] })}\n\n`;
  const answers = [
    { kind: 'JSON', script: (text: string) => ({ chunks: [json(text).slice(0, 40), json(text).slice(40)] }) },
    {
      kind: 'a stream',
      script: (text: string) => ({
        headers: { 'content-type': 'text/event-stream' },
        chunks: [event(text.slice(0, 30)), event(text.slice(30)), 'data: [DONE]\n\n'],
      }),
    },
  ];

  test.each(answers)('an answer waits for people and goes out masked: $kind', async ({ kind, script }) => {
    const text = `${kind} in ${name}: the key is ${awsKey}, use it`;
    const waiting = stack.chat('hello', { headers: scripted(script(text)) });
    const approval = await stack.pending(`${kind} in ${name}`);
    expect(approval).toMatchObject({ direction: 2, findings: [{ entity: 'SECRET_AWS_ACCESS_KEY_ID', count: 1 }] });
    expect(approval.maskedView).not.toContain(awsKey);
    await stack.decide('approve', approval.id);
    const answer = await waiting;
    const body = await answer.text();
    expect(answer.status).toBe(200);
    expect(body).not.toContain(awsKey);
    expect(body).toContain('SECRET_AWS_ACCESS_KEY_ID');
  });

  test.each(answers)('an answer is discarded when somebody says no: $kind', async ({ kind, script }) => {
    const text = `Discard ${kind} in ${name}: the key is ${awsKey}, use it`;
    const waiting = stack.chat('hello', { headers: scripted(script(text)) });
    const { id } = await stack.pending(`Discard ${kind} in ${name}`);
    await stack.decide('reject', id);
    const answer = await waiting;
    expect([answer.status, answer.headers.get('x-countersign-code')]).toEqual([403, 'approval_rejected']);
    expect(await answer.text()).not.toContain('the key is');
  });

  test.each(answers)('an answer without a secret does not wait: $kind', async ({ script }) => {
    const answer = await stack.chat('hello', {
      headers: scripted(script('nothing to see here at all, really nothing')),
    });
    expect(answer.status).toBe(200);
    expect(await answer.text()).toContain('nothing to see');
  });

  test('Envoy raised no alarm', async () => {
    expect(await alarms(stack)).toEqual(noAlarms);
  });
});
