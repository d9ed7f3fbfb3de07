import type { Script, Seen } from '../upstream.ts';
import { pauseOf, type Turn, turnOf } from './turn.ts';

/** OpenAI as far as its SDK needs it: Chat Completions and Responses, JSON and streams, and transcriptions. */
export function answerAsOpenAi({ path, body }: Seen): Script {
  const turn = turnOf(body);
  if (path.endsWith('/audio/transcriptions')) return transcribed(turn, body.toString('latin1'));
  const isStream = /"stream":\s*true/.test(body.toString('utf8'));
  if (path.endsWith('/responses')) return isStream ? sse(responsesEvents(turn), turn) : json(response(turn));
  return isStream ? sse(chatEvents(turn), turn) : json(completion(turn));
}

export function json(value: unknown): Script {
  return { chunks: [JSON.stringify(value)], whole: true };
}

/** Events that are objects are written as JSON, strings as they stand. */
export function sse(events: readonly (string | Event)[], turn: Turn): Script {
  return {
    ...pauseOf(turn),
    headers: { 'content-type': 'text/event-stream' },
    chunks: events.map((event) => {
      if (typeof event === 'string') return `data: ${event}\n\n`;
      return `${event.type === undefined ? '' : `event: ${event.type}\n`}data: ${JSON.stringify(event)}\n\n`;
    }),
  };
}

type Event = { readonly type?: string } & object;

const head = { id: 'chatcmpl-1', created: 1_700_000_000, model: 'scripted-1' };

function completion({ kind, whole }: Turn): unknown {
  const called = { id: 'call_1', type: 'function', function: { name: 'lookup', arguments: whole } };
  const message =
    kind === 'tool'
      ? { role: 'assistant', content: null, refusal: null, tool_calls: [called] }
      : { role: 'assistant', content: whole, refusal: null };
  const choice = { index: 0, message, logprobs: null, finish_reason: kind === 'tool' ? 'tool_calls' : 'stop' };
  return { ...head, object: 'chat.completion', choices: [choice] };
}

function chatEvents({ kind, pieces }: Turn): (string | object)[] {
  const chunk = (delta: unknown, finish: string | null = null): object => ({
    ...head,
    object: 'chat.completion.chunk',
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
  });
  if (kind === 'tool') {
    const opened = { index: 0, id: 'call_1', type: 'function', function: { name: 'lookup', arguments: '' } };
    return [
      chunk({ role: 'assistant', content: null, tool_calls: [opened] }),
      ...pieces.map((piece) => chunk({ tool_calls: [{ index: 0, function: { arguments: piece } }] })),
      chunk({}, 'tool_calls'),
      '[DONE]',
    ];
  }
  const words = [chunk({ role: 'assistant', content: '' }), ...pieces.map((content) => chunk({ content }))];
  return kind === 'broken' ? [...words, '{"choices": ['] : [...words, chunk({}, 'stop'), '[DONE]'];
}

function response(turn: Turn): object {
  return { ...opened, status: 'completed', output: [item(turn)] };
}

const opened = {
  id: 'resp_1',
  object: 'response',
  created_at: 1_700_000_000,
  model: 'scripted-1',
  status: 'in_progress',
  error: null,
  incomplete_details: null,
  instructions: null,
  metadata: {},
  output: [],
  parallel_tool_calls: true,
  tool_choice: 'auto',
  tools: [],
};

function item({ kind, whole }: Turn): object {
  if (kind === 'tool') {
    return {
      id: 'fc_1',
      type: 'function_call',
      call_id: 'call_1',
      name: 'lookup',
      arguments: whole,
      status: 'completed',
    };
  }
  const content = [{ type: 'output_text', text: whole, annotations: [], logprobs: [] }];
  return { id: 'msg_1', type: 'message', role: 'assistant', status: 'completed', content };
}

/** As the fields of the form ask: events, plain text, or JSON that tells the text again in words. */
function transcribed(turn: Turn, form: string): Script {
  const { whole, pieces } = turn;
  if (/name="stream"\s+true/.test(form)) {
    const deltas = pieces.map((delta) => ({ type: 'transcript.text.delta', delta }));
    const done: object = { type: 'transcript.text.done', text: whole };
    return sse([...deltas, done], turn);
  }
  if (/name="response_format"\s+text/.test(form)) return { headers: { 'content-type': 'text/plain' }, chunks: pieces };
  return json({ task: 'transcribe', text: whole, words: pieces.map((word) => ({ word, start: 0, end: 1 })) });
}

/** The answer is told four times over: in pieces, when they are done, with its part and item, and with the response. */
function responsesEvents(turn: Turn): (string | object)[] {
  const { kind, whole, pieces } = turn;
  const at = { item_id: kind === 'tool' ? 'fc_1' : 'msg_1', output_index: 0 };
  const inText = { ...at, content_index: 0 };
  const empty: Turn = { ...turn, whole: '' };
  const part = { type: 'output_text', annotations: [], logprobs: [] };
  const begun = [
    { type: 'response.created', response: opened },
    { type: 'response.output_item.added', output_index: 0, item: item(empty) },
  ];
  const ended = [
    { type: 'response.output_item.done', output_index: 0, item: item(turn) },
    { type: 'response.completed', response: response(turn) },
  ];
  const called = [
    ...pieces.map((delta) => ({ type: 'response.function_call_arguments.delta', ...at, delta })),
    { type: 'response.function_call_arguments.done', ...at, name: 'lookup', arguments: whole },
  ];
  const spoken = [
    { type: 'response.content_part.added', ...inText, part: { ...part, text: '' } },
    ...pieces.map((delta) => ({ type: 'response.output_text.delta', ...inText, delta, logprobs: [] })),
  ];
  const told = [
    { type: 'response.output_text.done', ...inText, text: whole, logprobs: [] },
    { type: 'response.content_part.done', ...inText, part: { ...part, text: whole } },
  ];
  const events: object[] =
    kind === 'tool'
      ? [...begun, ...called, ...ended]
      : kind === 'broken'
        ? [...begun, ...spoken]
        : [...begun, ...spoken, ...told, ...ended];
  const numbered = events.map((event, sequence_number) => ({ ...event, sequence_number }));
  return kind === 'broken' ? [...numbered, '{"type": ['] : numbered;
}
