import type { Script, Seen } from '../upstream.ts';
import { json } from './openai.ts';
import { pauseOf, type Turn, turnOf } from './turn.ts';

/** Ollama's `/api/chat`: one object, or one a line. A call of a tool comes whole. */
export function answerAsOllama({ body }: Seen): Script {
  const turn = turnOf(body);
  if (!/"stream":\s*true/.test(body.toString('utf8'))) return json(line(turn, turn.whole, true));
  const lines = turn.kind === 'tool' ? [line(turn, turn.whole, false)] : turn.pieces.map((piece) => line(turn, piece));
  const last = turn.kind === 'broken' ? '{"message": [' : JSON.stringify(line({ ...turn, kind: 'words' }, '', true));
  return {
    ...pauseOf(turn),
    headers: { 'content-type': 'application/x-ndjson' },
    chunks: [...lines.map((value) => JSON.stringify(value)), last].map((text) => `${text}\n`),
  };
}

function line({ kind }: Turn, text: string, done = false): object {
  const called = { function: { name: 'lookup', arguments: kind === 'tool' ? (JSON.parse(text) as unknown) : {} } };
  return {
    model: 'scripted-1',
    created_at: '2026-01-01T00:00:00Z',
    message:
      kind === 'tool' ? { role: 'assistant', content: '', tool_calls: [called] } : { role: 'assistant', content: text },
    done,
    ...(done ? { done_reason: 'stop' } : {}),
  };
}
