import type { Script, Seen } from '../upstream.ts';
import { json, sse } from './openai.ts';
import { type Turn, turnOf } from './turn.ts';

/** Gemini's `generateContent` and `streamGenerateContent`, the latter as events. A call of a function comes whole. */
export function answerAsGoogle({ path, body }: Seen): Script {
  const turn = turnOf(body);
  if (!path.includes(':streamGenerateContent')) return json(generated([partOf(turn, turn.whole)], 'STOP'));
  if (turn.kind === 'tool') return sse([generated([partOf(turn, turn.whole)], 'STOP')], turn);
  const events = turn.pieces.map((piece) => generated([partOf(turn, piece)]));
  return sse([...events, turn.kind === 'broken' ? '{"candidates": [' : generated([{ text: '' }], 'STOP')], turn);
}

function partOf({ kind }: Turn, text: string): object {
  return kind === 'tool' ? { functionCall: { name: 'lookup', args: JSON.parse(text) as unknown } } : { text };
}

function generated(parts: readonly object[], finishReason?: string): object {
  const candidate = { content: { role: 'model', parts }, index: 0, ...(finishReason ? { finishReason } : {}) };
  return { candidates: [candidate], modelVersion: 'scripted-1', responseId: 'r-1' };
}
