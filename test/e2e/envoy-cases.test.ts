import { once } from 'node:events';
import { connect } from 'node:http2';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { completion, delta, eventStream, said, streamEnd } from '../support/model-stream.ts';
import { type PolicyVariant, policyVariant, withBundle } from '../support/policy-variant.ts';
import { keepAlive, type RawAnswer, type RawOptions, rawRequest } from '../support/raw-client.ts';
import { allRecords, outcomeOf, verified } from '../support/records.ts';
import { alarms, noAlarms, startTestStack, type TestStack } from '../support/stack.ts';
import { type Script, scripted } from '../support/upstream.ts';

/**
 * The cases E1 to E16: what can happen between a client, Envoy, countersign and a model, on the Envoy that is shipped with. E6 (ext_authz hands
 * its verdict to ext_proc) is `handover.test.ts`, E4 in the middle of a stream `../fault/fail-closed-streams.test.ts`, further Envoys are
 * `envoy-versions.test.ts`.
 */
const card = '4111 1111 1111 1111';
const ssn = '536-22-8726';
/** A made-up key in the form of a real one. */
const awsKey = ['AKIA', 'Q3EGRUDEMOKEY2X7'].join('');
const maskedKey = 'SECRET_AWS_ACCESS_KEY_ID_REDACTED';
const risky = 'Write a script that drops the users table in production.';
const mebibyte = 1024 * 1024;

describe('as shipped', () => {
  let stack: TestStack;
  beforeAll(async () => {
    stack = await startTestStack();
  });
  afterAll(() => stack.stop());

  test('E3 a stream with a secret in pieces is masked as it flows, before its end is known', async () => {
    let early = '';
    const answer = await ask(stack, {
      script: stream([delta('one '), delta(awsKey.slice(0, 8)), delta(`${awsKey.slice(8)} two`)], { pauseMs: 150 }),
      onBody: (sofar) => {
        if (!sofar.includes('[DONE]')) early = sofar;
      },
    });
    expect(said(early)).toContain('one ');
    expect([said(answer.body), answer.complete]).toEqual([`one ${maskedKey} two`, true]);
  });

  test('E4 denied at the headers: a request without a body is judged by its head alone', async () => {
    const answer = await ask(stack, { method: 'GET', path: '/v1/models', token: null });
    expect([answer.status, answer.headers['x-countersign-code']]).toEqual([401, 'identity_required']);
    expect(JSON.parse(answer.body).error.code).toBe('identity_required');
  });

  test.each([
    { name: 'JSON', type: 'application/json', body: completion(`use ${awsKey} now`) },
    {
      name: 'events',
      type: 'text/event-stream',
      body: [delta('use '), delta(awsKey), delta(' now'), ...streamEnd].join(''),
    },
  ])('E5 gzip from the upstream: $name is read, masked and sent plain', async ({ type, body }) => {
    const answer = await ask(stack, { script: { headers: { 'content-type': type }, chunks: [body], gzip: true } });
    expect([answer.status, answer.headers['content-encoding']]).toEqual([200, undefined]);
    expect(answer.body).toBe(body.replace(awsKey, maskedKey));
  });

  test('E5 gzip events that arrive byte by byte are inflated as they flow', async () => {
    const packed = gzipSync([delta('use '), delta(awsKey), delta(' now'), ...streamEnd].join(''));
    const chunks = [...packed].map((byte) => Buffer.from([byte]).toString('base64'));
    const script = { headers: { ...eventStream, 'content-encoding': 'gzip' }, chunks, base64: true };
    expect(said((await ask(stack, { script })).body)).toBe(`use ${maskedKey} now`);
  });

  test.each([
    { name: 'JSON', type: 'application/json', want: [502, 'response_unsupported_encoding'] },
    { name: 'events', type: 'text/event-stream', want: [500, 'masking_failed'] },
  ])('E5 an encoding that nobody here can read, $name, is refused and not passed', async ({ type, want }) => {
    const headers = { 'content-type': type, 'content-encoding': 'zstd' };
    const answer = await ask(stack, { script: { headers, chunks: [awsKey], whole: true } });
    expect([answer.status, answer.headers['x-countersign-code']]).toEqual(want);
    expect(answer.body).not.toContain(awsKey);
  });

  test('E9 an upstream that answers before it has read the request', async () => {
    const answer = await ask(stack, {
      text: 'word '.repeat(mebibyte),
      script: { chunks: [completion(`use ${awsKey}`)], early: true },
    });
    expect([answer.status, answer.body]).toEqual([200, completion(`use ${maskedKey}`)]);
    expect((await outcome(stack, answer)).facts['ended']).toBe('complete');
  });

  test('E10 a client that goes away in the middle of a stream: the upstream is let go, the record says who left', async () => {
    const events = Array.from({ length: 400 }, (_, index) => delta(`word${index} `));
    let exchange = '';
    const gone = ask(stack, {
      script: stream(events, { pauseMs: 20 }),
      onBody: (sofar, request) => {
        if (sofar.includes('word3 ')) request.destroy();
      },
    });
    const answer = await gone;
    exchange = String(answer.headers['x-countersign-exchange']);
    expect(answer.complete).toBe(false);
    const { facts } = await outcomeOf(stack.auditFolder, exchange);
    expect([facts['ended'], facts['final']]).toEqual(['client_gone', false]);
  });

  test('E11 Expect: 100-continue', async () => {
    const answer = await ask(stack, { text: `my card is ${card}`, expectContinue: true });
    expect([answer.status, answer.continued]).toEqual([200, true]);
    expect(lastBody(stack)).toMatch(/my card is CREDIT_CARD_/);
  });

  test('E12 HTTP/2 downstream, with trailers behind the request', async () => {
    const session = connect(stack.baseUrl);
    const request = session.request(
      { ':method': 'POST', ':path': '/v1/chat/completions', 'content-type': 'application/json', ...identity(stack) },
      { waitForTrailers: true },
    );
    request.on('wantTrailers', () => request.sendTrailers({ 'x-checksum': 'abc' }));
    request.end(chat(`my card is ${card}`));
    const [headers] = await once(request, 'response');
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    session.close();
    expect(headers[':status']).toBe(200);
    expect(lastBody(stack)).toMatch(/my card is CREDIT_CARD_/);
    expect(Buffer.concat(chunks).toString('utf8')).toBe(lastBody(stack));
  });

  test.each([
    { name: 'JSON', headers: { 'content-type': 'application/json' } },
    { name: 'events', headers: eventStream },
    { name: 'no type', headers: { 'content-type': '' } },
  ])('E14 an empty chunked answer, $name, ends', async ({ headers }) => {
    const answer = await ask(stack, { script: { headers, chunks: [] } });
    expect([answer.status, answer.body, answer.complete]).toEqual([200, '', true]);
  });

  test('E15 two hundred streams at once, each with its own words and its own secret', async () => {
    const agent = keepAlive(200);
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, index) => {
        const cut = 1 + (index % (awsKey.length - 1));
        const events = [`stream ${index}: `, awsKey.slice(0, cut), awsKey.slice(cut), ` end ${index}`].map(delta);
        return ask(stack, { agent, script: stream(events, { pauseMs: 30 }) });
      }),
    );
    agent.destroy();
    const texts = answers.map((answer) => said(answer.body));
    expect(texts).toEqual(texts.map((_, index) => `stream ${index}: ${maskedKey} end ${index}`));
  });

  test('E16 afterwards: no alarm of Envoy, nothing left open, every exchange on record once', async () => {
    expect(await alarms(stack)).toEqual(noAlarms);
    const report = await verified(stack.auditFolder);
    expect([report.problems, report.openIntents]).toEqual([[], 0]);
    expect(stack.output()).not.toContain(awsKey);
  });
});

describe('with other rules', () => {
  let stack: TestStack;
  let policy: PolicyVariant;
  beforeAll(async () => {
    policy = await policyVariant({
      settings: {
        mask: {
          request: {
            personal_data: [
              { entity: 'US_SSN', method: 'token' },
              { entity: 'CREDIT_CARD', method: 'drop' },
            ],
          },
        },
        models: [
          { groups: ['*'], models: ['scripted-*'] },
          // What is no chat names no model.
          { groups: ['note-takers'], models: ['*'] },
        ],
        hold: { wait_s: 20 },
      },
      files: { 'rules/teapots/teapots.rego': denyTeapots },
    });
    stack = await startTestStack({ serviceConfig: withBundle(policy.bundle) });
  });
  afterAll(async () => {
    await stack.stop();
    policy.remove();
  });

  test.each([
    { name: 'grows', path: '/v1/chat/completions', sent: chat(`ssn ${ssn}.`), want: /"ssn US_SSN_[0-9A-Z]{10}\."/ },
    { name: 'shrinks', path: '/v1/chat/completions', sent: chat(`card ${card}.`), want: /"card \."/ },
    { name: 'vanishes', path: '/notes', type: 'text/plain', sent: card, want: /^$/ },
  ])('E1 a request body that $name', async ({ path, type, sent, want }) => {
    const token = await stack.mint({ sub: 'nora', groups: ['note-takers'] });
    const answer = await ask(stack, { path, token, body: sent, ...(type ? { type } : {}) });
    const seen = stack.upstream.seen.at(-1);
    expect([answer.status, seen?.headers['content-length'] ?? '0']).toEqual([200, String(seen?.body.length)]);
    expect(lastBody(stack)).toMatch(want);
    expect(answer.body).toBe(lastBody(stack));
  });

  test('E4 denied at the body', async () => {
    const reached = stack.upstream.seen.length;
    const answer = await ask(stack, { body: chat('hello', 'other-1') });
    expect([answer.status, answer.headers['x-countersign-code']]).toEqual([403, 'model_not_allowed']);
    expect(stack.upstream.seen.length).toBe(reached);
  });

  test.each([
    { name: 'JSON', script: { status: 418, chunks: [completion(awsKey)], whole: true } },
    { name: 'events', script: { ...stream([delta(awsKey)]), status: 418 } },
    { name: 'no body', script: { status: 418, chunks: [] } },
  ])('E4 denied at the headers of the answer, $name', async ({ script }) => {
    const answer = await ask(stack, { script });
    expect([answer.status, answer.headers['x-countersign-code'], answer.complete]).toEqual([403, 'no_teapots', true]);
    expect(answer.body).not.toContain(awsKey);
    const { facts } = await outcome(stack, answer);
    expect([facts['ended'], facts['code'], facts['status']]).toEqual(['refused', 'no_teapots', 418]);
  });

  test('E7 a held request waits in-band, and passes when it is approved', async () => {
    const reached = stack.upstream.seen.length;
    const waiting = ask(stack, { text: `${risky} One.` });
    const approval = (await stack.pending('One.')).id;
    expect(stack.upstream.seen.length).toBe(reached);
    await stack.decide('approve', approval);
    const answer = await waiting;
    expect([answer.status, stack.upstream.seen.length]).toEqual([200, reached + 1]);
  });

  test('E7 a held request waits in-band, and is refused when it is rejected', async () => {
    const reached = stack.upstream.seen.length;
    const waiting = ask(stack, { text: `${risky} Two.` });
    await stack.decide('reject', (await stack.pending('Two.')).id, stack.tokens.approver, 'not today');
    const answer = await waiting;
    expect([answer.status, answer.headers['x-countersign-code']]).toEqual([403, 'approval_rejected']);
    expect(JSON.parse(answer.body).error.reason).toBe('not today');
    expect(stack.upstream.seen.length).toBe(reached);
  });

  test('E10 a client that goes away while it waits takes no grant: its next try gets it', async () => {
    const leaving = new AbortController();
    const gone = stack.chat(`${risky} Three.`, { signal: leaving.signal });
    const approval = (await stack.pending('Three.')).id;
    leaving.abort();
    await expect(gone).rejects.toThrow();
    await eventually('the record of the exchange that was left', async () =>
      (await allRecords(stack.auditFolder)).find(
        (record) => record.kind === 'outcome' && record.facts['code'] === 'approval_pending',
      ),
    );
    await stack.decide('approve', approval);
    expect((await ask(stack, { text: `${risky} Three.` })).status).toBe(200);
  });

  test('E16 afterwards: no alarm of Envoy', async () => {
    expect(await alarms(stack)).toEqual(noAlarms);
    const report = await verified(stack.auditFolder);
    expect([report.problems, report.openIntents]).toEqual([[], 0]);
  });
});

describe('with small limits and short times', () => {
  let stack: TestStack;
  let policy: PolicyVariant;
  beforeAll(async () => {
    policy = await policyVariant({ settings: { hold: { wait_s: 20 } } });
    stack = await startTestStack({
      envoyConfig: (yaml) =>
        yaml
          .replace('per_connection_buffer_limit_bytes: 20971520', 'per_connection_buffer_limit_bytes: 1048576')
          .replace('message_timeout: 60s', 'message_timeout: 0.6s')
          // Envoy grants less time than the service was told of, and asks for.
          .replace('max_message_timeout: 300s', 'max_message_timeout: 0.6s')
          .replace('stream_idle_timeout: 600s', 'stream_idle_timeout: 5s'),
      serviceConfig: (yaml) => `${withBundle(policy.bundle)(yaml)}\nlimits: { body_bytes: 262144 }\n`,
    });
  });
  afterAll(async () => {
    await stack.stop();
    policy.remove();
  });

  test("E2 a request over Envoy's buffer is Envoy's 413, and reaches nobody", async () => {
    const reached = stack.upstream.seen.length;
    const answer = await ask(stack, { text: 'x'.repeat(2 * mebibyte) });
    expect([answer.status, answer.headers['x-countersign-code']]).toEqual([413, undefined]);
    expect(stack.upstream.seen.length).toBe(reached);
  });

  test('E2 a request over our limit is our 413, in the dialect, and on record', async () => {
    const reached = stack.upstream.seen.length;
    const answer = await ask(stack, { text: 'x'.repeat(300_000) });
    expect([answer.status, answer.headers['x-countersign-code']]).toEqual([413, 'body_too_large']);
    expect(JSON.parse(answer.body).error.code).toBe('body_too_large');
    expect(stack.upstream.seen.length).toBe(reached);
    expect((await outcome(stack, answer)).facts['code']).toBe('body_too_large');
  });

  test('E2 an answer over our limit is refused with a clean status', async () => {
    const answer = await ask(stack, { script: { chunks: [completion(`${awsKey} ${'x'.repeat(300_000)}`)] } });
    expect([answer.status, answer.headers['x-countersign-code']]).toEqual([502, 'response_body_too_large']);
    expect(answer.body).not.toContain(awsKey);
  });

  test('E2 a stream is not bounded by the limit of a body', async () => {
    const events = Array.from({ length: 40 }, () => delta('x'.repeat(10_000)));
    const answer = await ask(stack, { script: stream(events) });
    expect([answer.complete, said(answer.body).length]).toEqual([true, 400_000]);
  });

  test('E3 a stream may pause longer than message_timeout', async () => {
    const events = ['one ', awsKey.slice(0, 6), `${awsKey.slice(6)} two`].map(delta);
    const answer = await ask(stack, { script: stream(events, { pauseMs: 900 }) });
    expect([said(answer.body), answer.complete]).toEqual([`one ${maskedKey} two`, true]);
  });

  test('E3 a model may think longer than message_timeout before it answers', async () => {
    const answer = await ask(stack, { script: { chunks: [completion('hello')], pauseMs: 1_500 } });
    expect([answer.status, answer.body]).toEqual([200, completion('hello')]);
  });

  test("E7 a hold that outlasts message_timeout is Envoy's 504; the approval stays, and the next try uses it", async () => {
    const reached = stack.upstream.seen.length;
    const answer = await ask(stack, { text: `${risky} Four.` });
    expect([answer.status, stack.upstream.seen.length]).toEqual([504, reached]);
    const approval = (await stack.pending('Four.')).id;
    await stack.decide('approve', approval);
    expect((await ask(stack, { text: `${risky} Four.` })).status).toBe(200);
    expect(stack.upstream.seen.length).toBe(reached + 1);
  });

  test('E16 afterwards: the one time-out that was provoked, and nothing else', async () => {
    expect(await alarms(stack)).toEqual({ ...noAlarms, message_timeouts: 1 });
    const report = await verified(stack.auditFolder);
    expect([report.problems, report.openIntents]).toEqual([[], 0]);
  });
});

describe('a hold that outlasts the idle time of the connection', () => {
  let stack: TestStack;
  let policy: PolicyVariant;
  beforeAll(async () => {
    policy = await policyVariant({ settings: { hold: { wait_s: 20 } } });
    stack = await startTestStack({
      envoyConfig: (yaml) => yaml.replace('stream_idle_timeout: 600s', 'stream_idle_timeout: 1s'),
      serviceConfig: withBundle(policy.bundle),
    });
  });
  afterAll(async () => {
    await stack.stop();
    policy.remove();
  });

  test("E7 is Envoy's 504; the approval stays, and the next try uses it", async () => {
    const startedMs = performance.now();
    const answer = await ask(stack, { text: `${risky} Five.` });
    expect([answer.status, stack.upstream.seen.length]).toEqual([504, 0]);
    // Not the 20 s of the hold: the two directions of the stream do not wait for each other.
    expect(performance.now() - startedMs).toBeLessThan(8_000);
    const approval = (await stack.pending('Five.')).id;
    await stack.decide('approve', approval);
    expect((await ask(stack, { text: `${risky} Five.` })).status).toBe(200);
    expect(await alarms(stack)).toEqual(noAlarms);
    const report = await verified(stack.auditFolder);
    expect([report.problems, report.openIntents]).toEqual([[], 0]);
  });
});

describe('a service that dies', () => {
  let stack: TestStack;
  beforeAll(async () => {
    stack = await startTestStack();
  });
  afterAll(() => stack.stop());

  test('E8 in the middle of a stream: the client sees a cut connection, never a clean end', async () => {
    const events = [delta('one '), delta(awsKey.slice(0, 10)), ...Array.from({ length: 50 }, () => delta('more '))];
    const answer = await ask(stack, {
      script: stream(events, { pauseMs: 100 }),
      onBody: () => stack.service.kill('SIGKILL'),
    });
    expect([answer.status, answer.complete]).toEqual([200, false]);
    expect(answer.body).not.toContain('DONE');
    expect(answer.body).not.toContain(awsKey.slice(0, 10));
  });

  test('E8 afterwards: nothing passes while it is away', async () => {
    const reached = stack.upstream.seen.length;
    const answer = await ask(stack, { text: 'hello' });
    expect([answer.status, stack.upstream.seen.length]).toEqual([503, reached]);
  });
});

describe.each([
  { name: 'on one machine', delayMs: undefined },
  // With the windows that HTTP/2 starts with (64 KiB) each of the two bodies would take 160 round trips: more than 32 s.
  { name: 'through a network of 50 ms', delayMs: 50 },
])('bodies of 10 MB $name', ({ delayMs }) => {
  let stack: TestStack;
  beforeAll(async () => {
    stack = await startTestStack(delayMs === undefined ? {} : { pepDelayMs: delayMs });
  });
  afterAll(() => stack.stop());

  test('E13 both ways, masked at the far end', async () => {
    const long = 'word '.repeat(2 * mebibyte);
    const startedMs = performance.now();
    const answer = await ask(stack, { text: `${long}${card}` });
    const tookMs = Math.round(performance.now() - startedMs);
    process.stdout.write(`10 MB both ways with ${delayMs ?? 0} ms: ${tookMs} ms\n`);
    expect([answer.status, lastBody(stack).length > 10 * mebibyte]).toEqual([200, true]);
    expect(lastBody(stack).slice(-60)).toMatch(/word CREDIT_CARD_[0-9A-Z]{10}"\}\]\}$/);
    expect(answer.body === lastBody(stack)).toBe(true);
    expect(tookMs).toBeLessThan(20_000);
    expect(await alarms(stack)).toEqual(noAlarms);
  });
});

describe('an upstream with trailers', () => {
  let stack: TestStack;
  beforeAll(async () => {
    stack = await startTestStack({ envoyConfig: withUpstreamTrailers });
  });
  afterAll(() => stack.stop());

  test.each([
    { name: 'JSON', script: { chunks: [completion(`use ${awsKey}`)] }, want: completion(`use ${maskedKey}`) },
    { name: 'events', script: stream([delta('use '), delta(awsKey)]), want: undefined },
    { name: 'no body', script: { chunks: [] }, want: '' },
  ])('E12 trailers come after the masked answer, $name', async ({ script, want }) => {
    const session = connect(stack.baseUrl);
    const trailers = { 'grpc-status': '0', 'x-checksum': 'abc' };
    const request = session.request({
      ':method': 'POST',
      ':path': '/v1/chat/completions',
      'content-type': 'application/json',
      ...identity(stack),
      ...scripted({ ...script, trailers }),
    });
    request.end(chat('hello'));
    const trailing = once(request, 'trailers');
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks).toString('utf8');
    const [received] = await trailing;
    session.close();
    expect({ ...received }).toMatchObject(trailers);
    if (want === undefined) expect(said(body)).toBe(`use ${maskedKey}`);
    else expect(body).toBe(want);
  });

  test('E16 afterwards: no alarm of Envoy', async () => {
    expect(await alarms(stack)).toEqual(noAlarms);
  });
});

interface Ask extends Omit<RawOptions, 'headers'> {
  readonly path?: string;
  readonly text?: string;
  readonly type?: string;
  readonly token?: string | null;
  readonly script?: Script;
}

function ask(stack: TestStack, options: Ask): Promise<RawAnswer> {
  const { path = '/v1/chat/completions', text = 'hello', type = 'application/json', script, ...rest } = options;
  const { token = stack.tokens.requester } = options;
  return rawRequest(`${stack.baseUrl}${path}`, {
    ...(rest.method === 'GET' ? {} : { body: chat(text) }),
    ...rest,
    headers: {
      'content-type': type,
      ...(token === null ? {} : { [stack.tokenHeader]: token }),
      ...(script ? stack.upstream.keep(script) : {}),
    },
  });
}

function identity(stack: TestStack): Record<string, string> {
  return { [stack.tokenHeader]: stack.tokens.requester };
}

function chat(content: string, model = 'scripted-1'): string {
  return JSON.stringify({ model, messages: [{ role: 'user', content }] });
}

function stream(events: readonly string[], options: Partial<Script> = {}): Script {
  return { headers: eventStream, chunks: [...events, ...streamEnd], ...options };
}

function lastBody(stack: TestStack): string {
  return stack.upstream.seen.at(-1)?.body.toString('utf8') ?? '';
}

function outcome(stack: TestStack, answer: RawAnswer): ReturnType<typeof outcomeOf> {
  return outcomeOf(stack.auditFolder, String(answer.headers['x-countersign-exchange']));
}

const denyTeapots = `package countersign.rules.teapots

deny contains {"status": 403, "code": "no_teapots", "message": "answers of teapots are not passed on"} if {
	input.phase == "response"
	input.resource.status == 418
}
`;

/** HTTP/1.1 trailers, which Envoy drops unless it is told. */
function withUpstreamTrailers(yaml: string): string {
  return yaml.replace(
    /- name: model\n( +)type: STATIC\n/,
    (found, indent: string) => `${found}${indent}typed_extension_protocol_options:
${indent}  envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
${indent}    "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
${indent}    explicit_http_config: { http_protocol_options: { enable_trailers: true } }
`,
  );
}
