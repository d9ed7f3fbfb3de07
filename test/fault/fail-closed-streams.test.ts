import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { limits } from '../../src/lib/limits.ts';
import { delta, eventStream } from '../support/model-stream.ts';
import { outcomeOf, verified } from '../support/records.ts';
import { expectErrorOf, type Spoken, say } from '../support/refusals.ts';
import { alarms, noAlarms, startTestStack, type TestStack } from '../support/stack.ts';
import type { Script } from '../support/upstream.ts';

const awsKey = ['AKIA', 'Q3EGRUDEMOKEY2X7'].join('');
/** The beginning of a secret: it is held back when the fault comes, and MUST NOT come out because of it. */
const held = awsKey.slice(0, 12);

let stack: TestStack;
beforeAll(async () => {
  stack = await startTestStack();
});
afterAll(() => stack?.stop());

/** An event of the provider's stream that says `text`. */
const event: Readonly<Record<Exclude<Spoken, 'json'>, (text: string) => string>> = {
  openai: delta,
  anthropic: (text) =>
    `event: content_block_delta\ndata: ${JSON.stringify({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } })}\n\n`,
};

describe.each(['openai', 'anthropic'] as const)('a stream that cannot be masked any further (%s)', (spoken) => {
  const good = [event[spoken]('one '), event[spoken](held)];

  test.each([
    { name: 'an event larger than the bound', bad: event[spoken]('x'.repeat(limits.eventBytesMax)) },
    { name: 'an event that never ends', bad: `data: {"x":"${'x'.repeat(limits.eventBytesMax)}` },
    { name: 'an event that is no JSON', bad: `data: {"choices": [${awsKey}\n\n` },
    {
      name: 'an event that is no UTF-8',
      bad: Buffer.from('data: {"é": 1}\n\n', 'latin1').toString('base64'),
      base64: true,
    },
    { name: 'nesting without end', bad: `data: ${'['.repeat(1_000)}"${awsKey}"${']'.repeat(1_000)}\n\n` },
  ])('$name: an error event in its place, and nothing after it', async ({ bad, base64 = false }) => {
    const after = event[spoken](` ${awsKey} after`);
    const chunks = [...good, ...(base64 ? [] : [bad]), after];
    const answer = await say(stack, spoken, {
      script: streaming(base64 ? inBase64(good, bad, after) : chunks, base64),
    });
    expect([answer.status, answer.complete]).toEqual([200, true]);
    expect(answer.body.startsWith(event[spoken]('one '))).toBe(true);
    const [last, ...more] = answer.body.slice(event[spoken]('one ').length).split('\n\n').filter(Boolean);
    expectErrorOf(spoken, JSON.parse(/^data: (.*)$/m.exec(last ?? '')?.[1] ?? ''), 'masking_failed');
    expect(more).toEqual([]);
    expectNothingOf(answer.body);
    const { facts } = await outcomeOf(stack.auditFolder, String(answer.headers['x-countersign-exchange']));
    expect([facts['ended'], facts['code']]).toEqual(['fault', 'masking_failed']);
  });

  test('gzip that turns to garbage: an error event', async () => {
    const packed = gzipSync([...good, ...good].join(''));
    packed.fill(0xff, packed.length - 40);
    const script: Script = {
      headers: { ...eventStream, 'content-encoding': 'gzip' },
      chunks: [packed.subarray(0, 30), packed.subarray(30)].map((bytes) => bytes.toString('base64')),
      base64: true,
      pauseMs: 30,
    };
    const answer = await say(stack, spoken, { script });
    expectErrorOf(spoken, JSON.parse(/data: ([^\n]*)\n\n$/.exec(answer.body)?.[1] ?? ''), 'masking_failed');
    expectNothingOf(answer.body);
  });

  test('an upstream that is cut off: the client sees that it is not the end', async () => {
    const script: Script = { headers: eventStream, chunks: [...good, 'data: {"cho'], cut: true, pauseMs: 30 };
    const answer = await say(stack, spoken, { script });
    expect([answer.status, answer.complete]).toEqual([200, false]);
    expectNothingOf(answer.body);
    const { facts } = await outcomeOf(stack.auditFolder, String(answer.headers['x-countersign-exchange']));
    expect(facts['ended']).not.toBe('complete');
  });
});

test('lines of JSON that turn to garbage: an error line', async () => {
  const script: Script = {
    headers: { 'content-type': 'application/x-ndjson' },
    chunks: ['{"text":"one "}\n', `{"text": ${awsKey}\n`, `{"text":"${awsKey}"}\n`],
    pauseMs: 30,
  };
  const answer = await say(stack, 'json', { script });
  const lines = answer.body.split('\n').filter(Boolean);
  expect([answer.complete, lines[0], lines.length]).toEqual([true, '{"text":"one "}', 2]);
  expectErrorOf('json', JSON.parse(lines[1] ?? ''), 'masking_failed');
  expectNothingOf(answer.body);
});

test('afterwards: no alarm of Envoy, the record is intact, the log of the service clean', async () => {
  expect(await alarms(stack)).toEqual(noAlarms);
  const report = await verified(stack.auditFolder);
  expect([report.problems, report.openIntents]).toEqual([[], 0]);
  expect(stack.output()).not.toContain(held);
});

function streaming(chunks: readonly string[], base64: boolean): Script {
  return { headers: eventStream, chunks, base64, pauseMs: 30 };
}

function inBase64(good: readonly string[], bad: string, after: string): string[] {
  return [...good.map(base64Of), bad, base64Of(after)];
}

function base64Of(text: string): string {
  return Buffer.from(text).toString('base64');
}

function expectNothingOf(body: string): void {
  expect(body).not.toContain(held);
  expect(body).not.toContain(awsKey.slice(-8));
}
