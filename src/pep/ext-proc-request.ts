import type { HeaderChanges } from '../exchange/exchange.ts';
import { Fault } from '../lib/fault.ts';
import { unreachable } from '../lib/invariant.ts';
import { limits } from '../lib/limits.ts';
import { destroyed, violation } from './ext-proc-closing.ts';
import type { Answer, BodyChange, BodyMode, Effect, EnvoyMessage, ExtProcEvent } from './ext-proc-event.ts';
import { contentLength, withoutContentLength } from './ext-proc-headers.ts';
import type { ExtProcState, Step } from './ext-proc-state.ts';

/** The request direction. `collecting`: its headers were seen, the verdict waits for the body. */
export interface RequestSide {
  readonly mode: BodyMode;
  /** `abandoned`: Envoy answered by itself before the request was let go; it will never be sent. */
  readonly stage: 'idle' | 'collecting' | 'judging' | 'released' | 'abandoned';
  /** The message whose answer waits for the verdict. */
  readonly waiting: 'headers' | 'body' | 'trailers';
  /** Body messages seen, and the bytes in them. */
  readonly pieces: number;
  readonly bytes: number;
  /** The last message of the direction was seen, and whether that was trailers. */
  readonly ended: boolean;
  readonly withTrailers: boolean;
  /** The upstream may have seen the headers although nothing was decided (STREAMED, or headers that Envoy keeps from us). */
  readonly exposed: boolean;
  readonly hasContentLength: boolean;
}

/**
 * In STREAMED the headers leave before the body can be judged: the only thing that can be asked for in time is an answer that
 * can be read.
 */
const readableAnswer: HeaderChanges = {
  set: new Map(),
  remove: ['accept-encoding'],
};

/** Before its first message. */
export function idleRequest(mode: BodyMode): RequestSide {
  return {
    mode,
    stage: 'idle',
    waiting: 'headers',
    pieces: 0,
    bytes: 0,
    ended: false,
    withTrailers: false,
    exposed: false,
    hasContentLength: false,
  };
}

/** Headers come first and once. They go on, wait for the body, or are judged alone, as the mode has it. */
export function requestHeaders(state: ExtProcState, event: Extract<EnvoyMessage, { kind: 'headers' }>): Step {
  const { request } = state;
  if (request.stage !== 'idle') return violation(state);
  const seen: RequestSide = {
    ...request,
    stage: 'collecting',
    ended: event.endOfStream,
    hasContentLength: event.hasContentLength,
  };
  if (event.endOfStream || request.mode === 'none') return judge(state, seen, 'headers');
  switch (request.mode) {
    case 'full_duplex':
      // The answer to the headers is withheld: it is what keeps them from the upstream.
      return { state: { ...state, request: seen }, effects: [] };
    case 'buffered':
    case 'buffered_partial':
      // Envoy itself holds the headers until the body is answered.
      return sending({ ...state, request: seen }, { kind: 'headers', direction: 'request', changes: [] });
    case 'streamed':
    case 'inferred':
      return sending(
        { ...state, request: { ...seen, exposed: true } },
        { kind: 'headers', direction: 'request', changes: [readableAnswer] },
      );
    default:
      return unreachable(request.mode);
  }
}

/** A message of the body: kept until the last one, then all of it is judged. */
export function requestBody(state: ExtProcState, event: Extract<EnvoyMessage, { kind: 'body' }>): Step {
  const { request } = state;
  // Some versions repeat the message that ends the stream (envoyproxy/envoy#46237).
  if (request.ended || request.stage === 'abandoned') return { state, effects: [] };
  if (request.stage === 'judging' || request.stage === 'released') return violation(state);

  const seen: RequestSide = {
    ...request,
    stage: 'collecting',
    exposed: request.exposed || request.stage === 'idle',
    pieces: request.pieces + 1,
    bytes: request.bytes + event.body.length,
    ended: event.endOfStream,
  };
  if (seen.bytes > limits.bodyBytesMax) return refuse(state, seen, 'the request body is larger than bodyBytesMax');
  const hold: Effect = { kind: 'hold', body: event.body };
  switch (request.mode) {
    case 'none':
      return violation(state);
    case 'buffered':
      return judge(state, seen, 'body', hold);
    case 'buffered_partial':
      // What is beyond the cut passes unseen as soon as this message is answered.
      if (!event.endOfStream) return refuse(state, seen, 'Envoy sent only a part of the request body');
      return judge(state, seen, 'body', hold);
    case 'full_duplex':
      if (event.endOfStream) return judge(state, seen, 'body', hold);
      return { state: { ...state, request: seen }, effects: [hold] };
    case 'inferred':
    case 'streamed': {
      if (event.endOfStream) return judge(state, seen, 'body', hold);
      // An empty answer keeps the piece from the upstream; the last answer carries all of them.
      const answer: Answer = {
        kind: 'body',
        direction: 'request',
        body: clear(event.body),
        changes: [],
      };
      return {
        state: { ...state, request: { ...seen, mode: 'streamed' } },
        effects: [hold, { kind: 'send', answer }],
      };
    }
    default:
      return unreachable(request.mode);
  }
}

/** They end the direction, and what was collected is judged. */
export function requestTrailers(state: ExtProcState): Step {
  const { request } = state;
  if (request.stage === 'abandoned') return { state, effects: [] };
  if (request.ended) return violation(state);
  const seen: RequestSide = { ...request, ended: true, withTrailers: true };
  switch (request.stage) {
    case 'judging':
      return { state: { ...state, request: seen }, effects: [] };
    case 'released':
      return sending({ ...state, request: seen }, { kind: 'trailers', direction: 'request' });
    case 'idle':
    case 'collecting':
      // Only an answer to a body message can carry body bytes in STREAMED, and there is none left to answer.
      if (request.mode === 'streamed' && request.bytes > 0) {
        return refuse(state, seen, 'the request body ended with trailers in STREAMED mode');
      }
      return judge(state, seen, 'trailers');
    default:
      return unreachable(request.stage);
  }
}

/** The verdict is to forward: answers everything that waited for it, in order. */
export function requestJudged(state: ExtProcState, event: Extract<ExtProcEvent, { kind: 'judged' }>): Step {
  const { request } = state;
  if (request.stage !== 'judging') return { state, effects: [{ kind: 'abort', cause: 'local_reply' }] };
  // Without a body there is nothing to rewrite: a rewritten one would be lost on the way.
  if (event.changed && request.pieces === 0) {
    return destroyed({ ...state, request: { ...request, stage: 'released' } }, 'failed');
  }

  const answers = request.mode === 'full_duplex' ? duplexAnswers(request, event) : plainAnswers(request, event);
  return {
    state: { ...state, request: { ...request, stage: 'released' } },
    effects: answers.map((answer) => ({ kind: 'send', answer })),
  };
}

function duplexAnswers(request: RequestSide, event: Extract<ExtProcEvent, { kind: 'judged' }>): readonly Answer[] {
  const { body, changed, headers } = event;
  const answers: Answer[] = [];
  const changes = changed && request.hasContentLength ? [headers, withoutContentLength] : [headers];
  // Headers that Envoy did not send (SKIP) are not answered either.
  if (!request.exposed) answers.push({ kind: 'headers', direction: 'request', changes });
  const endOfStream = !request.withTrailers;
  if (request.pieces > 0 && (endOfStream || body.length > 0)) {
    answers.push({ kind: 'streamed', direction: 'request', body, endOfStream });
  }
  if (request.withTrailers) answers.push({ kind: 'trailers', direction: 'request' });
  return answers;
}

function plainAnswers(request: RequestSide, event: Extract<ExtProcEvent, { kind: 'judged' }>): readonly Answer[] {
  const trailers: Answer = { kind: 'trailers', direction: 'request' };
  switch (request.waiting) {
    case 'headers':
      return [{ kind: 'headers', direction: 'request', changes: [event.headers] }];
    case 'trailers':
      return [trailers];
    case 'body': {
      const isWhole = request.pieces === 1 && !event.changed;
      const body: BodyChange = isWhole ? { kind: 'keep' } : replace(event.body);
      // In STREAMED the headers are gone and Envoy ignores these.
      const changes =
        event.changed && request.hasContentLength ? [event.headers, contentLength(event.body.length)] : [event.headers];
      const answer: Answer = {
        kind: 'body',
        direction: 'request',
        body,
        changes: request.mode === 'streamed' ? [] : changes,
      };
      return request.withTrailers ? [answer, trailers] : [answer];
    }
    default:
      return unreachable(request.waiting);
  }
}

function judge(state: ExtProcState, seen: RequestSide, waiting: RequestSide['waiting'], hold?: Effect): Step {
  const ask: Effect = {
    kind: 'judge',
    hasBody: seen.pieces > 0,
    isBodyWithheld: seen.mode === 'none' && !seen.ended,
    canRewrite: seen.mode !== 'none',
  };
  return {
    state: { ...state, request: { ...seen, stage: 'judging', waiting } },
    effects: hold === undefined ? [ask] : [hold, ask],
  };
}

/** Fails closed on what can never be judged whole. */
function refuse(state: ExtProcState, seen: RequestSide, why: string): Step {
  return {
    state: { ...state, request: { ...seen, stage: 'judging' } },
    effects: [{ kind: 'refuse', fault: new Fault('body_too_large', why) }],
  };
}

function sending(state: ExtProcState, answer: Answer): Step {
  return { state, effects: [{ kind: 'send', answer }] };
}

function clear(piece: Buffer): BodyChange {
  return piece.length === 0 ? { kind: 'keep' } : { kind: 'clear' };
}

function replace(body: Buffer): BodyChange {
  return body.length === 0 ? { kind: 'clear' } : { kind: 'replace', body };
}
