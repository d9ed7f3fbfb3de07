import { encodeFrame, type FrameLine } from '../eventstream.ts';
import type { Script, Seen } from '../upstream.ts';
import { anthropicEvents, anthropicMessage } from './anthropic.ts';
import { json } from './openai.ts';
import { pauseOf, type Turn, turnOf } from './turn.ts';

/** Bedrock's Converse, and InvokeModel of a model of Anthropic; streams in binary frames. */
export function answerAsBedrock({ path, body }: Seen): Script {
  const turn = turnOf(body);
  const call = path.split('/').at(-1);
  if (call === 'converse') return json(conversed(turn));
  if (call === 'invoke') return json(anthropicMessage(turn));
  if (call === 'converse-stream') return frames(converseEvents(turn), turn);
  return frames(
    anthropicEvents(turn).map((event) => (typeof event === 'string' ? broken : { chunk: event })),
    turn,
  );
}

/** A frame whose checksum is wrong. */
const broken = 'broken';

function frames(lines: readonly (FrameLine | typeof broken)[], turn: Turn): Script {
  return {
    ...pauseOf(turn),
    headers: { 'content-type': 'application/vnd.amazon.eventstream' },
    chunks: lines.map((line) => (line === broken ? brokenFrame() : encodeFrame(line)).toString('base64')),
    base64: true,
  };
}

function brokenFrame(): Buffer {
  const frame = encodeFrame({ event: 'contentBlockDelta', payload: {} });
  return Buffer.concat([frame.subarray(0, -4), Buffer.alloc(4)]);
}

function conversed({ kind, whole }: Turn): object {
  const block =
    kind === 'tool'
      ? { toolUse: { toolUseId: 't-1', name: 'lookup', input: JSON.parse(whole) as unknown } }
      : { text: whole };
  return {
    output: { message: { role: 'assistant', content: [block] } },
    stopReason: kind === 'tool' ? 'tool_use' : 'end_turn',
    usage: { inputTokens: 1, outputTokens: 1, totalTokens: 2 },
    metrics: { latencyMs: 1 },
  };
}

function converseEvents({ kind, pieces }: Turn): (FrameLine | typeof broken)[] {
  const isTool = kind === 'tool';
  const begun: FrameLine[] = [
    { event: 'messageStart', payload: { role: 'assistant', p: 'abc' } },
    ...(isTool
      ? [
          {
            event: 'contentBlockStart',
            payload: { contentBlockIndex: 0, start: { toolUse: { toolUseId: 't-1', name: 'lookup' } } },
          },
        ]
      : []),
    ...pieces.map((piece) => ({
      event: 'contentBlockDelta',
      payload: { contentBlockIndex: 0, delta: isTool ? { toolUse: { input: piece } } : { text: piece }, p: 'abcd' },
    })),
  ];
  if (kind === 'broken') return [...begun, broken];
  return [
    ...begun,
    { event: 'contentBlockStop', payload: { contentBlockIndex: 0 } },
    { event: 'messageStop', payload: { stopReason: isTool ? 'tool_use' : 'end_turn' } },
    {
      event: 'metadata',
      payload: { usage: { inputTokens: 1, outputTokens: 1, totalTokens: 2 }, metrics: { latencyMs: 1 } },
    },
  ];
}
