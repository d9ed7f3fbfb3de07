import type { Script, Seen } from '../upstream.ts';
import { json, sse } from './openai.ts';
import { type Turn, turnOf } from './turn.ts';

/** Cohere's `/v2/chat`, JSON and streams. */
export function answerAsCohere({ body }: Seen): Script {
  const turn = turnOf(body);
  return /"stream":\s*true/.test(body.toString('utf8')) ? sse(eventsOf(turn), turn) : json(message(turn));
}

function message({ kind, whole }: Turn): object {
  const said =
    kind === 'tool'
      ? { role: 'assistant', tool_plan: 'I look.', tool_calls: [call(whole)] }
      : { role: 'assistant', content: [{ type: 'text', text: whole }] };
  return { id: 'm-1', finish_reason: kind === 'tool' ? 'TOOL_CALL' : 'COMPLETE', message: said };
}

function call(written: string): object {
  return { id: 'call_1', type: 'function', function: { name: 'lookup', arguments: written } };
}

function eventsOf({ kind, pieces }: Turn): (string | Event)[] {
  const event = (type: string, message: unknown): Event => ({
    type,
    index: 0,
    delta: { message },
  });
  const start = { type: 'message-start', id: 'm-1', delta: { message: { role: 'assistant', content: [] } } };
  const end = { type: 'message-end', id: 'm-1', delta: { finish_reason: kind === 'tool' ? 'TOOL_CALL' : 'COMPLETE' } };
  if (kind === 'tool') {
    return [
      start,
      event('tool-plan-delta', { tool_plan: 'I look.' }),
      event('tool-call-start', { tool_calls: call('') }),
      ...pieces.map((piece) => event('tool-call-delta', { tool_calls: { function: { arguments: piece } } })),
      { type: 'tool-call-end', index: 0 },
      end,
    ];
  }
  const words = [
    start,
    event('content-start', { content: { type: 'text', text: '' } }),
    ...pieces.map((text) => event('content-delta', { content: { text } })),
  ];
  if (kind === 'broken') return [...words, '{"type": ['];
  return [...words, { type: 'content-end', index: 0 }, end];
}

type Event = { readonly type: string } & Readonly<Record<string, unknown>>;
