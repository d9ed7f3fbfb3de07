import { expect, test } from 'vitest';
import { createDetector } from '../../../src/detect/detector.ts';
import { createOpenAiResponses } from '../../../src/llm/openai-responses.ts';
import { createSseFramer } from '../../../src/llm/sse.ts';
import { createMinter } from '../../../src/mask/placeholder.ts';
import { compilePlan } from '../../../src/mask/plan.ts';
import { createStreamTransform } from '../../../src/mask/stream-transform.ts';
import { streamCases, streamOf } from '../../support/llm-cases.ts';

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

const given = streamCases.find(({ name }) => name === 'openai-responses.stream');
const email = 'EMAIL_ADDRESS_REDACTED';

function maskedEvents(): Json[] {
  if (given === undefined) throw new Error('the transcript is missing');
  const transform = createStreamTransform({
    framing: 'sse',
    reader: createOpenAiResponses().openStream(),
    detector: createDetector({ tier: 'core' }),
    plan: compilePlan([{ entity: '*', method: 'label' }]),
    minter: createMinter({ key: Buffer.alloc(32, 1), scope: 's', entities: new Set(['EMAIL_ADDRESS']) }),
    onHeldBack: () => {},
  });
  const masked = Buffer.concat([transform.push(streamOf(given)), transform.finish()]);
  const events = createSseFramer().push(masked);
  if (!events.ok) throw new Error(events.error.message);
  return events.value.map(({ payload }) => JSON.parse(payload ?? 'null'));
}

function at(value: Json | undefined, path: string): Json | undefined {
  let node: Json | undefined = value;
  for (const key of path.split('.')) {
    if (typeof node !== 'object' || node === null) return undefined;
    node = new Map<string, Json>(Object.entries(node)).get(key);
  }
  return node;
}

const events = maskedEvents();

/** What all events of a type say at a path, or those of one item. */
function told(type: string, path: string, item?: number): readonly (Json | undefined)[] {
  return events
    .filter((event) => at(event, 'type') === type && (item === undefined || at(event, 'output_index') === item))
    .map((event) => at(event, path));
}

test.each([
  {
    name: 'a text',
    item: 1,
    pieces: 'response.output_text.delta',
    copies: [
      ['response.output_text.done', 'text'],
      ['response.content_part.done', 'part.text'],
      ['response.output_item.done', 'item.content.0.text'],
      ['response.completed', 'response.output.1.content.0.text'],
    ],
    want: `Write to ${email} today`,
  },
  {
    name: 'a refusal',
    item: 1,
    pieces: 'response.refusal.delta',
    copies: [
      ['response.refusal.done', 'refusal'],
      ['response.output_item.done', 'item.content.1.refusal'],
      ['response.completed', 'response.output.1.content.1.refusal'],
    ],
    want: `No ${email}`,
  },
  {
    name: 'a summary',
    item: 0,
    pieces: 'response.reasoning_summary_text.delta',
    copies: [
      ['response.reasoning_summary_text.done', 'text'],
      ['response.reasoning_summary_part.done', 'part.text'],
      ['response.output_item.done', 'item.summary.0.text'],
      ['response.completed', 'response.output.0.summary.0.text'],
    ],
    want: `It is ${email}`,
  },
  {
    name: 'arguments',
    item: 2,
    pieces: 'response.function_call_arguments.delta',
    copies: [
      ['response.function_call_arguments.done', 'arguments'],
      ['response.output_item.done', 'item.arguments'],
      ['response.completed', 'response.output.2.arguments'],
    ],
    want: `{"mail":"${email}","n":1}`,
  },
  {
    name: 'the input of a custom tool',
    item: 3,
    pieces: 'response.custom_tool_call_input.delta',
    copies: [
      ['response.custom_tool_call_input.done', 'input'],
      ['response.completed', 'response.output.3.input'],
    ],
    want: `find ${email}`,
  },
  {
    name: 'code',
    item: 4,
    pieces: 'response.code_interpreter_call_code.delta',
    copies: [
      ['response.code_interpreter_call_code.done', 'code'],
      ['response.completed', 'response.output.4.code'],
    ],
    want: `mail('${email}')`,
  },
])('all copies of $name are masked alike', ({ item, pieces, copies, want }) => {
  expect(told(pieces, 'delta', item).join('')).toBe(want);
  const whole = copies.map(([type = '', path = '']) =>
    told(type, path, type === 'response.completed' ? undefined : item).find((copy) => copy !== undefined),
  );
  expect(whole).toEqual(copies.map(() => want));
});

test('log probabilities and positions go from all copies with the text', () => {
  expect(told('response.output_text.delta', 'logprobs').map((value) => JSON.stringify(value))).toEqual([
    '[{"token":"Write to","logprob":-0.1,"bytes":[32],"top_logprobs":[]}]',
    '[]',
    '[]',
    '[{"token":" today","logprob":-0.1,"bytes":[32],"top_logprobs":[]}]',
  ]);
  const citation = {
    type: 'url_citation',
    start_index: 0,
    end_index: 0,
    title: `About ${email}`,
    url: 'https://a.test/',
  };
  expect(told('response.output_text.annotation.added', 'annotation')).toEqual([citation]);
  expect(told('response.output_text.done', 'logprobs')).toEqual([[]]);
  for (const part of [
    told('response.content_part.done', 'part')[0],
    told('response.output_item.done', 'item.content.0', 1)[0],
    told('response.completed', 'response.output.1.content.0')[0],
  ]) {
    expect(part).toEqual({
      type: 'output_text',
      text: `Write to ${email} today`,
      annotations: [citation],
      logprobs: [],
    });
  }
});

test('nothing of the value is left anywhere but in what is encrypted', () => {
  expect(JSON.stringify(events)).not.toMatch(/alice|example\.test/);
});
