import { ok } from '../lib/result.ts';
import { emptyConversation } from './conversation.ts';
import type { Dialect, RouteFacts } from './dialect.ts';
import { errorEventIn, openAiError, openAiErrors } from './error-body.ts';
import { createForm } from './form.ts';
import { createGenericText } from './generic-text.ts';
import { readJsonBody, type Summary } from './json-body.ts';
import { type JsonNode, memberOf, stringMember } from './json-source.ts';
import { type Endings, noEndings, openJsonStream } from './json-stream.ts';
import { errorObject } from './openai-shapes.ts';
import { deploymentOf } from './openai-summary.ts';
import { routePath } from './route-path.ts';
import { free, id, media, name, object, other, repeating, type Shape, text } from './shape.ts';

/**
 * OpenAI Audio, on any prefix that ends in `/audio/transcriptions`, `/audio/translations` (forms, answered by JSON, plain text or events) or
 * `/audio/speech`. Where a transcript changes, what tells it again in pieces (`segments`, `words`, `logprobs`) becomes `[]`: a value that
 * is cut in two by them would stand there still.
 */
export function createOpenAiAudio(): Dialect {
  const form = createForm();
  const plain = createGenericText();
  const request = requestShape();
  const response = responseShape();
  return {
    ...openAiErrors,
    id: 'openai.audio',
    matches: (route) => operationOf(route) !== null,
    readRequest: function* (body, route) {
      const about = { ...summary, operation: operationOf(route) ?? summary.operation };
      if (sendsForm(route)) {
        const read = yield* form.readRequest(body, route);
        if (!read.ok) return read;
        const { dialect, operation } = about;
        return ok({ ...read.value, conversation: { ...read.value.conversation, dialect, operation } });
      }
      return yield* readJsonBody(body, request, (source, root) => ({
        ...about,
        model: stringMember(source, root, 'model') ?? deploymentOf(route.path),
        stream: memberOf(root, 'stream')?.type === 'true' || stringMember(source, root, 'stream_format') === 'sse',
      }));
    },
    // `response_format` may ask for plain text, SRT or WebVTT, and not every server gives those a media type of their own.
    readResponse: function* (body) {
      const read = yield* readJsonBody(body, response, () => summary);
      const isPlain =
        !read.ok && read.error.kind === 'invalid_json' && !/^\s*[[{]/.test(body.toString('latin1', 0, 64));
      return isPlain ? yield* plain.readResponse(body) : read;
    },
    openStream: () => openJsonStream({ shape: eventShape(), base: () => '', endings: endingsOf }),
    errorEvent: (error, place) => errorEventIn(place, 'error', { type: 'error', ...openAiError(error) }),
  };
}

const summary: Summary = {
  dialect: 'openai.audio',
  operation: 'transcription',
  model: null,
  stream: false,
  tools: emptyConversation.tools,
  sessionHint: null,
};

function operationOf(route: RouteFacts): string | null {
  const path = routePath(route.path);
  if (/\/audio\/(?:transcriptions|translations)$/.test(path)) return 'transcription';
  return path.endsWith('/audio/speech') ? 'speech' : null;
}

function sendsForm(route: RouteFacts): boolean {
  return /^\s*(?:multipart\/|application\/x-www-form-urlencoded)/i.test(route.header('content-type') ?? '');
}

/** Speech; and transcriptions of servers that take them as JSON, the sound by address or as Base64. */
function requestShape(): Shape {
  return object({
    model: id,
    input: text('text', { role: 'user' }),
    instructions: text('text', { role: 'system' }),
    prompt: text('text', { role: 'user' }),
    voice: id,
    language: name,
    file: media('audio'),
    url: media('audio'),
    audio: media('audio'),
    response_format: name,
    stream_format: name,
    user: free('metadata'),
  });
}

/** Token ids of a segment: its text once more, as numbers. */
const tokens: Shape = repeating('offset', '[]', { uninspected: 'token_ids' });

function responseShape(): Shape {
  const pieces = object({ id, type: name, text: text('text'), speaker: text('other'), tokens }, { repeats: '[]' });
  return object(
    {
      task: name,
      language: name,
      text: text('text'),
      segments: pieces,
      words: object({ word: text('text') }, { repeats: '[]' }),
      logprobs: repeating('repeat', '[]'),
      usage: other,
      error: errorObject,
    },
    { isScope: true, role: 'assistant' },
  );
}

/** A transcript in pieces, told once more at the end; speech carries sound only. */
function eventShape(): Shape {
  const members: Readonly<Record<string, Shape>> = {
    type: name,
    id,
    segment_id: id,
    speaker: text('other'),
    logprobs: repeating('repeat', '[]'),
    audio: media('audio'),
    usage: other,
    error: errorObject,
  };
  const running = text('text', { isRunning: true });
  const piece = object({ ...members, delta: running, text: text('text') }, { isScope: true, role: 'assistant' });
  // A value may go on from one speaker's segment to the next.
  const segment = object({ ...members, text: running }, { isScope: true, role: 'assistant' });
  return { ...piece, variants: new Map([['transcript.text.segment', segment]]) };
}

function endingsOf(source: string, root: JsonNode, event: string | null): Endings {
  const type = stringMember(source, root, 'type') ?? event ?? '';
  return type === 'error' || type.endsWith('.done') ? { prefixes: [], all: true } : noEndings;
}
