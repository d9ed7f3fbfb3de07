import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createDetector } from '../../../src/detect/detector.ts';
import { rules } from '../../../src/detect/rules/catalogue.ts';
import { createAnthropicMessages } from '../../../src/llm/anthropic-messages.ts';
import { createBedrock } from '../../../src/llm/bedrock.ts';
import type { Dialect, StreamFraming } from '../../../src/llm/dialect.ts';
import { createGoogleGenerate } from '../../../src/llm/google-generate.ts';
import { createOllama } from '../../../src/llm/ollama.ts';
import { createOpenAiChat } from '../../../src/llm/openai-chat.ts';
import { createOpenAiResponses } from '../../../src/llm/openai-responses.ts';
import { createMinter } from '../../../src/mask/placeholder.ts';
import { compilePlan, type Redaction } from '../../../src/mask/plan.ts';
import { createStreamTransform } from '../../../src/mask/stream-transform.ts';
import { encodeFrame } from '../../support/eventstream.ts';
import { readable, streamCases, streamOf } from '../../support/llm-cases.ts';
import { cut, pieceSizes } from '../../support/sensitive-texts.ts';

const detector = createDetector({ tier: 'core' });
const minter = createMinter({
  key: Buffer.alloc(32, 1),
  scope: 's',
  entities: new Set(rules.map((rule) => rule.entity)),
});
const label: readonly Redaction[] = [{ entity: '*', method: 'label' }];

function masked(dialect: Dialect, pieces: readonly Buffer[], redact = label, framing: StreamFraming = 'sse'): string {
  const transform = createStreamTransform({
    framing,
    reader: dialect.openStream(),
    detector,
    plan: compilePlan(redact),
    minter,
    onHeldBack: () => {},
  });
  return Buffer.concat([...pieces.map((piece) => transform.push(piece)), transform.finish()]).toString('latin1');
}

function lines(...payloads: readonly unknown[]): string {
  return payloads
    .map((payload) => `data: ${typeof payload === 'string' ? payload : JSON.stringify(payload)}\n\n`)
    .join('');
}

function choice(index: number, delta: object, more: object = {}): object {
  return { id: 'chatcmpl-1', object: 'chat.completion.chunk', choices: [{ index, delta, ...more }] };
}

function call(args: string): object {
  return { tool_calls: [{ index: 0, function: { arguments: args } }] };
}

function candidate(part: object, more: object = {}): object {
  return { candidates: [{ content: { parts: [part], role: 'model' }, ...more }] };
}

/** A piece of one argument of a call, all of them at the same path. */
function piece(stringValue: string, { willContinue, ...call }: { id?: string; willContinue?: true }): object {
  return candidate({ functionCall: { ...call, partialArgs: [{ jsonPath: '$.a', stringValue, willContinue }] } });
}

function shellOutput(stdout: string): object {
  return { type: 'response.shell_call_output_content.delta', item_id: 'i', output_index: 0, delta: { stdout } };
}

function block(index: number, delta: object): object {
  return { type: 'content_block_delta', index, delta };
}

describe('a value in pieces is masked', () => {
  test.each([
    {
      name: 'in two choices of OpenAI, interleaved',
      dialect: createOpenAiChat(),
      given: lines(
        choice(0, { role: 'assistant', content: 'Card 4111 ' }),
        choice(1, { content: 'SSN 536-' }),
        choice(0, { content: '1111 1111' }),
        choice(1, { content: '90-4399.' }),
        choice(0, { content: ' 1111.' }),
        choice(0, {}, { finish_reason: 'stop' }),
        choice(1, {}, { finish_reason: 'stop' }),
        '[DONE]',
      ),
      want: lines(
        choice(0, { role: 'assistant', content: 'Card CREDIT_CARD_REDACTED' }),
        choice(1, { content: 'SSN US_SSN_REDACTED' }),
        choice(0, { content: '' }),
        choice(1, { content: '.' }),
        choice(0, { content: '.' }),
        choice(0, {}, { finish_reason: 'stop' }),
        choice(1, {}, { finish_reason: 'stop' }),
        '[DONE]',
      ),
    },
    {
      name: 'in reasoning, refusal and log probabilities of OpenAI',
      dialect: createOpenAiChat(),
      given: lines(
        choice(0, { reasoning_content: 'write to jane.doe@exam' }),
        choice(0, { reasoning_content: 'ple.com then' }),
        choice(0, { refusal: 'not 4111111111111111' }, { logprobs: { refusal: [{ token: '4111111111111111' }] } }),
        choice(0, { content: 'done' }, { logprobs: { content: [{ token: 'done' }] }, finish_reason: 'stop' }),
      ),
      want: lines(
        choice(0, { reasoning_content: 'write to EMAIL_ADDRESS_REDACTED' }),
        choice(0, { reasoning_content: ' then' }),
        choice(0, { refusal: 'not CREDIT_CARD_REDACTED' }, { logprobs: null }),
        choice(0, { content: 'done' }, { logprobs: { content: [{ token: 'done' }] }, finish_reason: 'stop' }),
      ),
    },
    {
      name: 'in the arguments of a call of OpenAI',
      dialect: createOpenAiChat(),
      given: lines(
        choice(0, call('{"card": 41111111')),
        choice(0, call('11111111, "to": "jane.doe\\u00')),
        choice(0, call('40example.com"}')),
        choice(0, {}, { finish_reason: 'tool_calls' }),
      ),
      want: lines(
        choice(0, call('{"card": "CREDIT_CARD_REDACTED"')),
        choice(0, call(', "to": "EMAIL_ADDRESS_REDACTED')),
        choice(0, call('"}')),
        choice(0, {}, { finish_reason: 'tool_calls' }),
      ),
    },
    {
      name: 'in blocks of Anthropic',
      dialect: createAnthropicMessages(),
      given: lines(
        block(0, { type: 'text_delta', text: 'Card 4111 1111' }),
        block(0, { type: 'text_delta', text: ' 1111 1111' }),
        { type: 'content_block_stop', index: 0 },
        block(1, { type: 'input_json_delta', partial_json: '' }),
        block(1, { type: 'input_json_delta', partial_json: '{"card":"4111\\u0020' }),
        block(1, { type: 'input_json_delta', partial_json: '1111 1111 1111"}' }),
        { type: 'content_block_stop', index: 1 },
        { type: 'message_stop' },
      ),
      want: lines(
        block(0, { type: 'text_delta', text: 'Card CREDIT_CARD_REDACTED' }),
        block(0, { type: 'text_delta', text: '' }),
        { type: 'content_block_stop', index: 0 },
        block(1, { type: 'input_json_delta', partial_json: '' }),
        block(1, { type: 'input_json_delta', partial_json: '{"card":"CREDIT_CARD_REDACTED' }),
        block(1, { type: 'input_json_delta', partial_json: '"}' }),
        { type: 'content_block_stop', index: 1 },
        { type: 'message_stop' },
      ),
    },
  ])('$name', ({ dialect, given, want }) => {
    expect(masked(dialect, [Buffer.from(given)])).toBe(want);
    expect(masked(dialect, cut<Buffer>(Buffer.from(given), [1]))).toBe(want);
  });
});

describe('what repeats a masked text goes with it', () => {
  test.each([
    {
      name: 'positions in what ran before, of Google',
      dialect: createGoogleGenerate(),
      given: [
        candidate({ text: 'Card 4111 1111' }),
        candidate({ text: ' 1111 1111.' }),
        candidate({ text: ' Bye.' }, { citationMetadata: { citations: [{ startIndex: 5, endIndex: 24 }] } }),
      ],
      want: [
        candidate({ text: 'Card CREDIT_CARD_REDACTED' }),
        candidate({ text: '.' }),
        candidate({ text: ' Bye.' }, { citationMetadata: { citations: [{ startIndex: 0, endIndex: 0 }] } }),
      ],
    },
    {
      name: 'nothing, where nothing was masked',
      dialect: createGoogleGenerate(),
      given: [candidate({ text: 'Hi' }, { citationMetadata: { citations: [{ startIndex: 0, endIndex: 2 }] } })],
      want: [candidate({ text: 'Hi' }, { citationMetadata: { citations: [{ startIndex: 0, endIndex: 2 }] } })],
    },
    {
      name: 'an argument in pieces of Vertex AI, named by its path',
      dialect: createGoogleGenerate(),
      given: [
        candidate({
          functionCall: { partialArgs: [{ jsonPath: '$.a', stringValue: 'jane.doe@exam', willContinue: true }] },
        }),
        candidate({ functionCall: { partialArgs: [{ jsonPath: '$.b', stringValue: 'ple.com', willContinue: true }] } }),
        candidate({ functionCall: { partialArgs: [{ jsonPath: '$.a', stringValue: 'ple.com' }] } }),
      ],
      want: [
        candidate({
          functionCall: {
            partialArgs: [{ jsonPath: '$.a', stringValue: 'EMAIL_ADDRESS_REDACTED', willContinue: true }],
          },
        }),
        candidate({ functionCall: { partialArgs: [{ jsonPath: '$.b', stringValue: 'ple.com', willContinue: true }] } }),
        candidate({ functionCall: { partialArgs: [{ jsonPath: '$.a', stringValue: '' }] } }),
      ],
    },
    {
      name: 'a piece that is an object: the output of a shell',
      dialect: createOpenAiResponses(),
      given: [shellOutput('jane.doe@exam'), shellOutput('ple.com')],
      want: [shellOutput('EMAIL_ADDRESS_REDACTED'), shellOutput('')],
    },
    {
      name: 'nothing of two calls of Vertex AI, one after the other, that only together say a value',
      dialect: createGoogleGenerate(),
      given: [piece('jane.doe@exam', {}), piece('ple.com', {})],
      want: [piece('jane.doe@exam', {}), piece('ple.com', {})],
    },
    {
      name: 'an argument of a call of Vertex AI that tells its id only at first',
      dialect: createGoogleGenerate(),
      given: [piece('jane.doe@exam', { id: 'a', willContinue: true }), piece('ple.com', {})],
      want: [piece('EMAIL_ADDRESS_REDACTED', { id: 'a', willContinue: true }), piece('', {})],
    },
    {
      name: 'arguments of two calls of Vertex AI that take turns',
      dialect: createGoogleGenerate(),
      given: [
        piece('jane.doe@exam', { id: 'a', willContinue: true }),
        piece('john.roe@exam', { id: 'b', willContinue: true }),
        piece('ple.com', { id: 'a' }),
        piece('ple.org', { id: 'b' }),
      ],
      want: [
        piece('EMAIL_ADDRESS_REDACTED', { id: 'a', willContinue: true }),
        piece('EMAIL_ADDRESS_REDACTED', { id: 'b', willContinue: true }),
        piece('', { id: 'a' }),
        piece('', { id: 'b' }),
      ],
    },
    {
      name: 'token ids of Ollama',
      dialect: createOllama(),
      given: [
        { response: 'Card 4111 1111' },
        { response: ' 1111 1111.' },
        { response: '', done: true, context: [1, 2] },
      ],
      want: [{ response: 'Card CREDIT_CARD_REDACTED' }, { response: '.' }, { response: '', done: true, context: [] }],
    },
    {
      name: 'log probabilities beside a text that comes whole',
      dialect: createOpenAiResponses(),
      given: [
        { type: 'response.output_text.done', text: 'SSN 536-90-4399', logprobs: [{ token: '536-90-4399' }] },
        { type: 'response.output_text.done', text: 'Fine', logprobs: [{ token: 'Fine' }] },
      ],
      want: [
        { type: 'response.output_text.done', text: 'SSN US_SSN_REDACTED', logprobs: [] },
        { type: 'response.output_text.done', text: 'Fine', logprobs: [{ token: 'Fine' }] },
      ],
    },
  ])('$name', ({ dialect, given, want }) => {
    expect(masked(dialect, [Buffer.from(lines(...given))])).toBe(lines(...want));
  });
});

test('half a binary frame at the end is not let out', () => {
  const whole = encodeFrame({
    event: 'contentBlockDelta',
    payload: { contentBlockIndex: 0, delta: { text: 'Hello.' } },
  });
  const pieces = [whole, whole.subarray(0, -1)];
  expect(masked(createBedrock(), pieces, label, 'eventstream')).toBe(whole.toString('latin1'));
});

describe('the answer does not wait for the reasoning to be continued', () => {
  test('beyond a bounded number of events', () => {
    const transform = createStreamTransform({
      framing: 'sse',
      reader: createOpenAiChat().openStream(),
      detector,
      plan: compilePlan(label),
      minter,
      onHeldBack: () => {},
    });
    const pieces = [
      choice(0, { reasoning_content: 'so the answer is forty-two, international.' }),
      ...Array.from({ length: 100 }, () => choice(0, { content: 'word ' })),
    ];
    const out = pieces.map((piece) => transform.push(Buffer.from(lines(piece))).length > 0);
    expect(out.lastIndexOf(false)).toBeLessThan(66);
  });
});

describe('a transcript', () => {
  test.each(streamCases)(
    '$name in $framing is masked the same however it is cut, and unmasked stays as it is',
    (given) => {
      const { framing } = given;
      const dialect = given.create();
      const body = streamOf(given);
      const whole = masked(dialect, [body], label, framing);
      expect(readable(given, Buffer.from(whole, 'latin1'))).toContain('REDACTED');
      fc.assert(
        fc.property(pieceSizes, (sizes) => {
          const pieces = cut<Buffer>(body, sizes);
          expect(masked(dialect, pieces, label, framing)).toBe(whole);
          expect(masked(dialect, pieces, [], framing)).toBe(body.toString('latin1'));
        }),
        { numRuns: 20 },
      );
    },
  );
});
