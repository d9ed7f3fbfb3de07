import type { Script, Seen } from '../upstream.ts';
import { json, sse } from './openai.ts';
import { type Turn, turnOf } from './turn.ts';

/** Anthropic Messages, JSON and streams. */
export function answerAsAnthropic({ body }: Seen): Script {
  const turn = turnOf(body);
  return /"stream":\s*true/.test(body.toString('utf8'))
    ? sse(anthropicEvents(turn), turn)
    : json(anthropicMessage(turn));
}

const opened = {
  id: 'msg_1',
  type: 'message',
  role: 'assistant',
  model: 'scripted-1',
  content: [],
  stop_reason: null,
  stop_sequence: null,
  usage: { input_tokens: 1, output_tokens: 1 },
};

export function anthropicMessage({ kind, whole }: Turn): object {
  const block =
    kind === 'tool'
      ? { type: 'tool_use', id: 'toolu_1', name: 'lookup', input: JSON.parse(whole) as unknown }
      : { type: 'text', text: whole };
  return { ...opened, content: [block], stop_reason: kind === 'tool' ? 'tool_use' : 'end_turn' };
}

export function anthropicEvents({ kind, pieces }: Turn): (string | Event)[] {
  const isTool = kind === 'tool';
  const content_block = isTool
    ? { type: 'tool_use', id: 'toolu_1', name: 'lookup', input: {} }
    : { type: 'text', text: '' };
  const begun = [
    { type: 'message_start', message: opened },
    { type: 'content_block_start', index: 0, content_block },
    ...pieces.map((piece) => ({
      type: 'content_block_delta',
      index: 0,
      delta: isTool ? { type: 'input_json_delta', partial_json: piece } : { type: 'text_delta', text: piece },
    })),
  ];
  if (kind === 'broken') return [...begun, '{"type": ['];
  return [
    ...begun,
    { type: 'content_block_stop', index: 0 },
    {
      type: 'message_delta',
      delta: { stop_reason: isTool ? 'tool_use' : 'end_turn', stop_sequence: null },
      usage: { output_tokens: 9 },
    },
    { type: 'message_stop' },
  ];
}

type Event = { readonly type: string } & Readonly<Record<string, unknown>>;
