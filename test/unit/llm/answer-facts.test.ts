import { describe, expect, test } from 'vitest';
import { createAnswerWatch } from '../../../src/llm/answer-facts.ts';

function facts(...pieces: string[]) {
  const watch = createAnswerWatch();
  for (const piece of pieces) watch.push(Buffer.from(piece));
  return watch.facts();
}

describe('what an answer says about itself', () => {
  test.each([
    {
      name: 'OpenAI, JSON',
      pieces: [
        '{"model":"gpt-x-2026","choices":[{"finish_reason":"stop"}],"usage":{"prompt_tokens":12,"completion_tokens":34}}',
      ],
      want: { model: 'gpt-x-2026', tokensIn: 12, tokensOut: 34, finish: ['stop'] },
    },
    {
      name: 'OpenAI, stream with usage at the end, cut anywhere',
      pieces: [
        'data: {"model":"gpt-x","choices":[{"delta":{"content":"hi"},"finish_reason":null}]}\n\nda',
        'ta: {"choices":[{"finish_reason":"tool_calls"}]}\n\ndata: {"usage":{"prompt_',
        'tokens": 7,"completion_tokens": 9}}\n\ndata: [DONE]\n\n',
      ],
      want: { model: 'gpt-x', tokensIn: 7, tokensOut: 9, finish: ['tool_calls'] },
    },
    {
      name: 'Anthropic, counts that grow',
      pieces: [
        'event: message_start\ndata: {"message":{"model":"claude","usage":{"input_tokens":25,"output_tokens":1}}}\n\n',
        'event: message_delta\ndata: {"delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":15}}\n\n',
      ],
      want: { model: 'claude', tokensIn: 25, tokensOut: 15, finish: ['end_turn'] },
    },
    {
      name: 'Gemini',
      pieces: [
        '{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":4,"candidatesTokenCount":8},"modelVersion":"g-2"}',
      ],
      want: { model: 'g-2', tokensIn: 4, tokensOut: 8, finish: ['STOP'] },
    },
    {
      name: 'Ollama',
      pieces: ['{"model":"llama","done_reason":"stop","prompt_eval_count":26,"eval_count":298}'],
      want: { model: 'llama', tokensIn: 26, tokensOut: 298, finish: ['stop'] },
    },
    {
      name: 'a model that only talks about usage',
      pieces: ['{"choices":[{"message":{"content":"\\"usage\\":{\\"prompt_tokens\\":99},\\"model\\":\\"x\\""}}]}'],
      want: { model: null, tokensIn: null, tokensOut: null, finish: [] },
    },
    { name: 'nothing', pieces: [], want: { model: null, tokensIn: null, tokensOut: null, finish: [] } },
  ])('$name', ({ pieces, want }) => {
    expect(facts(...pieces)).toEqual(want);
  });

  test('of a long stream only the two ends are kept', () => {
    const watch = createAnswerWatch();
    watch.push(Buffer.from('{"model":"first"}'));
    for (let i = 0; i < 2_000; i++) watch.push(Buffer.from(`{"text":"${'x'.repeat(500)}","completion_tokens":${i}}`));
    expect(watch.facts()).toEqual({ model: 'first', tokensIn: null, tokensOut: 1_999, finish: [] });
  });
});
