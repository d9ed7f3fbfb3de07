import type { HeaderChanges, Reply, ResponseEnd, ResponsePhase } from '../exchange/exchange.ts';
import { Fault } from '../lib/fault.ts';
import { unreachable } from '../lib/invariant.ts';
import { destroyed, replied, violation } from './ext-proc-closing.ts';
import type { Answer, BodyMode, Effect, EnvoyMessage, ExtProcEvent } from './ext-proc-event.ts';
import {
  bodyAnswer,
  change,
  headersAnswer,
  lastAnswers,
  lengthless,
  streamed,
  trailersAnswer,
} from './ext-proc-response-answers.ts';
import type { ExtProcState, Step } from './ext-proc-state.ts';

/** The response direction. */
export interface ResponseSide {
  readonly mode: BodyMode;
  /**
   * `passing`: nothing was forwarded, so this is Envoy's own answer, and it passes untouched. `open`: the response phase reads it.
   * `finishing`: its end was handed over, and the last answer waits for the record. `failed`: it ended with an error event of ours,
   * and whatever the upstream still says is dropped.
   */
  readonly stage: 'idle' | 'passing' | 'opening' | 'open' | 'finishing' | 'done' | 'failed';
  /** What the response phase asked for. */
  readonly phase: ResponsePhase['mode'];
  readonly changes: HeaderChanges;
  readonly reply: Reply | null;
  /** The answer to the headers is still owed (FULL_DUPLEX_STREAMED, until the body was judged whole). */
  readonly withheld: boolean;
  /** The headers have left for the client: a clean error answer is not possible any more. */
  readonly released: boolean;
  /** The message whose answer waits for the end; `reply`: all of them, an ImmediateResponse takes their place. */
  readonly waiting: 'headers' | 'body' | 'trailers' | 'reply';
  /** The last body message, and what of it may go out already. */
  readonly piece: Buffer;
  readonly out: Buffer;
  readonly ended: boolean;
  readonly withTrailers: boolean;
  readonly hasContentLength: boolean;
}

const noChanges: HeaderChanges = { set: new Map(), remove: [] };
const noBytes: Buffer = Buffer.alloc(0);

/** Before its first message. */
export function idleResponse(mode: BodyMode): ResponseSide {
  return {
    mode,
    stage: 'idle',
    phase: 'pass',
    changes: noChanges,
    reply: null,
    withheld: false,
    released: false,
    waiting: 'headers',
    piece: noBytes,
    out: noBytes,
    ended: false,
    withTrailers: false,
    hasContentLength: false,
  };
}

/** Headers come first and once; behind a body they are a violation. */
export function responseHeaders(state: ExtProcState, event: Extract<EnvoyMessage, { kind: 'headers' }>): Step {
  if (state.response.stage !== 'idle') return violation(state);
  const response: ResponseSide = {
    ...state.response,
    withheld: true,
    ended: event.endOfStream,
    hasContentLength: event.hasContentLength,
  };
  return begin({ ...state, response }, event);
}

/** A message of the body; also the first of the direction, where Envoy keeps the headers from us. */
export function responseBody(state: ExtProcState, event: Extract<EnvoyMessage, { kind: 'body' }>): Step {
  const { response } = state;
  switch (response.stage) {
    case 'idle':
      // Headers that Envoy keeps from us (SKIP) are with the client before the body comes.
      return begin({ ...state, response: { ...response, released: true } }, event);
    case 'passing':
      return response.ended ? { state, effects: [] } : passBody(state, event);
    case 'open':
      return response.ended ? { state, effects: [] } : readBody(state, event);
    case 'finishing':
    case 'done':
      // A repeated end (envoyproxy/envoy#46237), or what a reply takes the place of.
      return response.ended || response.waiting === 'reply' ? { state, effects: [] } : violation(state);
    case 'failed':
      return { state, effects: [] };
    case 'opening':
      return violation(state);
    default:
      return unreachable(response.stage);
  }
}

/** They end the direction. */
export function responseTrailers(state: ExtProcState, event: Extract<EnvoyMessage, { kind: 'trailers' }>): Step {
  const { response } = state;
  if (response.stage === 'failed') return { state, effects: [] };
  if (response.ended && response.waiting !== 'reply') return violation(state);
  const seen: ResponseSide = { ...response, ended: true, withTrailers: true };
  switch (response.stage) {
    case 'idle':
      return begin({ ...state, response: { ...response, released: true } }, event);
    case 'passing':
      return sending({ ...state, response: { ...seen, stage: 'done' } }, [trailersAnswer]);
    case 'open':
      return finish({ ...state, response: { ...seen, piece: noBytes, out: noBytes } }, 'trailers');
    case 'finishing':
      return { state: { ...state, response: seen }, effects: [] };
    case 'done':
      return sending({ ...state, response: seen }, [trailersAnswer]);
    case 'opening':
      return violation(state);
    default:
      return unreachable(response.stage);
  }
}

/** The first message of the direction: whose answer is this? */
function begin(state: ExtProcState, event: Exclude<EnvoyMessage, { kind: 'unknown' }>): Step {
  const { request, response } = state;
  if (request.stage === 'released') {
    const open: Effect = { kind: 'open_response' };
    return {
      state: { ...state, response: { ...response, stage: 'opening' } },
      effects: event.kind === 'headers' ? [open] : [open, { kind: 'again', message: event }],
    };
  }
  if (request.exposed) {
    // The upstream saw headers that nobody had decided about, and answers to them: its answer was never allowed.
    const refuse: Effect = {
      kind: 'refuse',
      fault: new Fault('protocol_violation', 'the upstream answered before its request was judged'),
    };
    const isJudging = request.stage === 'judging';
    return {
      state,
      effects: isJudging ? [{ kind: 'cancel_judging' }, refuse] : [refuse],
    };
  }
  // Nothing was let go, so Envoy answers by itself: 413, 504, a denial by another filter.
  const abandoned: ExtProcState = {
    ...state,
    request: { ...request, stage: 'abandoned' },
    response: { ...response, stage: 'passing' },
  };
  const passed = pass(abandoned, event);
  if (request.stage !== 'judging') return passed;
  return {
    state: passed.state,
    effects: [{ kind: 'cancel_judging' }, ...passed.effects],
  };
}

function pass(state: ExtProcState, event: Exclude<EnvoyMessage, { kind: 'unknown' }>): Step {
  const { response } = state;
  switch (event.kind) {
    case 'headers':
      return sending({ ...state, response: passed(response, event.endOfStream) }, [headersAnswer([])]);
    case 'body':
      return passBody(state, event);
    case 'trailers':
      return sending(
        {
          ...state,
          response: { ...passed(response, true), withTrailers: true },
        },
        [trailersAnswer],
      );
    default:
      return unreachable(event);
  }
}

function passed(response: ResponseSide, endOfStream: boolean): ResponseSide {
  return {
    ...response,
    stage: endOfStream ? 'done' : 'passing',
    ended: endOfStream,
    withheld: false,
    released: true,
  };
}

function passBody(state: ExtProcState, event: Extract<EnvoyMessage, { kind: 'body' }>): Step {
  const next = {
    ...state,
    response: passed(state.response, event.endOfStream),
  };
  return sending(next, [
    state.response.mode === 'full_duplex' ? streamed(event.body, event.endOfStream) : bodyAnswer({ kind: 'keep' }, []),
  ]);
}

/** The exchange has decided how the answer is to be read. */
export function responseOpened(state: ExtProcState, event: Extract<ExtProcEvent, { kind: 'response_opened' }>): Step {
  const response: ResponseSide = {
    ...state.response,
    stage: 'open',
    phase: event.mode,
    changes: event.headers,
    reply: event.reply,
  };
  const opened = { ...state, response };
  if (event.mode === 'reply') return finish(opened, 'reply');
  if (!response.withheld) return { state: opened, effects: [] };
  if (response.ended) return finish(opened, 'headers');
  switch (response.mode) {
    case 'none':
      if (event.mode === 'pass') return finish(opened, 'headers');
      return failing(opened, 'the response has to be read, and response_body_mode is NONE');
    case 'full_duplex':
      if (event.mode === 'whole') return { state: opened, effects: [] };
      return headersOut(opened, event.mode === 'stream' ? lengthless(response) : [response.changes], true);
    case 'streamed':
      return headersOut(opened, [response.changes], true);
    case 'buffered':
    case 'buffered_partial':
    case 'inferred':
      // Envoy holds the headers until the body is answered. (Where it does not, an ImmediateResponse resets: closed as well.)
      return headersOut(opened, [response.changes], false);
    default:
      return unreachable(response.mode);
  }
}

function headersOut(state: ExtProcState, changes: readonly HeaderChanges[], released: boolean): Step {
  const response: ResponseSide = {
    ...state.response,
    withheld: false,
    released,
  };
  return sending({ ...state, response }, [headersAnswer(changes)]);
}

function readBody(state: ExtProcState, event: Extract<EnvoyMessage, { kind: 'body' }>): Step {
  const { response } = state;
  const mode = response.mode === 'inferred' && !event.endOfStream ? 'streamed' : response.mode;
  const isWhole = mode === 'buffered' || event.endOfStream;
  if (mode === 'none') return violation(state);
  if (mode === 'buffered_partial' && !isWhole && response.phase !== 'pass') {
    return failing(state, 'Envoy sent only a part of the response body', 'body_too_large');
  }
  const next: ExtProcState = {
    ...state,
    response: {
      ...response,
      mode,
      released: response.released || mode === 'streamed',
      ended: event.endOfStream,
      piece: event.body,
    },
  };
  if (event.body.length === 0) return responseReleased(next, { out: noBytes, endOfStream: event.endOfStream });
  return {
    state: next,
    effects: [{ kind: 'push', piece: event.body, endOfStream: event.endOfStream }],
  };
}

/** The response phase has read a piece, and says what may go out of all that it has read. */
export function responseReleased(
  state: ExtProcState,
  read: { readonly out: Buffer; readonly endOfStream: boolean },
): Step {
  const { response } = state;
  const { out, endOfStream } = read;
  if (response.mode === 'full_duplex') {
    if (response.phase === 'whole') return endOfStream ? finish(state, 'body') : { state, effects: [] };
    const effects = out.length > 0 ? [send(streamed(out, false))] : [];
    if (!endOfStream) return { state, effects };
    const last = finish({ ...state, response: { ...response, out: noBytes } }, 'body');
    return { state: last.state, effects: [...effects, ...last.effects] };
  }
  const isLast = endOfStream || response.mode === 'buffered' || response.mode === 'buffered_partial';
  if (isLast) return finish({ ...state, response: { ...response, out } }, 'body');
  return sending(state, [bodyAnswer(change(response.piece, response.phase === 'whole' ? noBytes : out), [])]);
}

/** The outcome is on record: answers everything that waited for it. */
export function responseFinished(state: ExtProcState, end: ResponseEnd): Step {
  const { response } = state;
  if (response.waiting === 'reply') {
    const reply = end.reply ?? response.reply;
    return reply === null || response.released ? destroyed(state, 'failed') : replied(state, reply);
  }
  if (end.reply !== null) {
    if (!response.released) return replied(state, end.reply);
    return failing(state, 'the end of the answer was refused after its beginning had left', 'masking_failed');
  }

  const answers = lastAnswers(response, end);
  if (answers === null) return destroyed(state, 'failed');
  const done: ResponseSide = {
    ...response,
    stage: 'done',
    withheld: false,
    released: true,
    piece: noBytes,
    out: noBytes,
  };
  return sending({ ...state, response: done }, answers);
}

/** Ends the direction closed: cleanly while the headers are unsent, by an error event in a stream, else by a reset. */
export function responseFailed(state: ExtProcState, event: Extract<ExtProcEvent, { kind: 'response_failed' }>): Step {
  const { response } = state;
  const failed: ExtProcState = { ...state, response: { ...response, stage: 'failed' } };
  const step = failureStep(failed, event);
  return { state: step.state, effects: [{ kind: 'abort', cause: 'fault' }, ...step.effects] };
}

function failureStep(state: ExtProcState, event: Extract<ExtProcEvent, { kind: 'response_failed' }>): Step {
  const { mode, released, withheld, withTrailers } = state.response;
  if (!released) return event.reply === null ? destroyed(state, 'failed') : replied(state, event.reply);
  if (mode !== 'full_duplex' || withheld || event.tail === null) return destroyed(state, 'failed');
  const last = streamed(event.tail, !withTrailers);
  return sending(state, withTrailers ? [last, trailersAnswer] : [last]);
}

function finish(state: ExtProcState, waiting: ResponseSide['waiting']): Step {
  return {
    state: {
      ...state,
      response: { ...state.response, stage: 'finishing', waiting },
    },
    effects: [{ kind: 'finish' }],
  };
}

function failing(
  state: ExtProcState,
  why: string,
  code: 'protocol_violation' | 'body_too_large' | 'masking_failed' = 'protocol_violation',
): Step {
  return {
    state,
    effects: [{ kind: 'fail_response', fault: new Fault(code, why) }],
  };
}

function send(answer: Answer): Effect {
  return { kind: 'send', answer };
}

function sending(state: ExtProcState, answers: readonly Answer[]): Step {
  return { state, effects: answers.map(send) };
}
