import type { AbortCause } from '../exchange/exchange.ts';
import { unreachable } from '../lib/invariant.ts';
import { destroyed, release, replied, violation } from './ext-proc-closing.ts';
import type { BodyMode, Effect, ExtProcEvent } from './ext-proc-event.ts';
import {
  idleRequest,
  type RequestSide,
  requestBody,
  requestHeaders,
  requestJudged,
  requestTrailers,
} from './ext-proc-request.ts';
import {
  idleResponse,
  type ResponseSide,
  responseBody,
  responseFailed,
  responseFinished,
  responseHeaders,
  responseOpened,
  responseReleased,
  responseTrailers,
} from './ext-proc-response.ts';

/**
 * Where one ext_proc stream stands. The two directions are independent: each answers its own messages in order, and neither waits for
 * the other (Envoy delivers its own 504 as a response while the request still hangs on an approval).
 */
export interface ExtProcState {
  readonly request: RequestSide;
  readonly response: ResponseSide;
  /** Envoy sends copies and reads no answers. */
  readonly observing: boolean;
  readonly halfClosed: boolean;
  /** Why nothing more will be sent; null while the stream is live. `answered`: by an ImmediateResponse. */
  readonly closed: AbortCause | 'answered' | 'complete' | null;
}

/** Where the stream stands after an event, and what is to be done, in order. */
export interface Step {
  readonly state: ExtProcState;
  readonly effects: readonly Effect[];
}

const noEffects: readonly Effect[] = [];

/** Before the first message. `observing`: Envoy sends copies and reads no answers. */
export function initialState(modes: {
  readonly request: BodyMode;
  readonly response: BodyMode;
  readonly observing: boolean;
}): ExtProcState {
  return {
    request: idleRequest(modes.request),
    response: idleResponse(modes.response),
    observing: modes.observing,
    halfClosed: false,
    closed: null,
  };
}

/**
 * One step of the stream. Pure: what is to be done comes back as effects, to be carried out in order; an effect that has an answer
 * feeds it in as the next event. After a step that closed the stream, no effect sends.
 */
export function reduce(state: ExtProcState, event: ExtProcEvent): Step {
  if (state.closed !== null) return late(state, state.closed, event);
  if (state.observing) return observe(state, event);
  const step = route(state, event);
  return step.state.closed === null ? settle(step) : step;
}

function route(state: ExtProcState, event: ExtProcEvent): Step {
  switch (event.kind) {
    case 'headers':
      return event.direction === 'request' ? requestHeaders(state, event) : responseHeaders(state, event);
    case 'body':
      return event.direction === 'request' ? requestBody(state, event) : responseBody(state, event);
    case 'trailers':
      return event.direction === 'request' ? requestTrailers(state) : responseTrailers(state, event);
    case 'judged':
      return requestJudged(state, event);
    case 'refused':
      // After a local reply took the request's place there is nobody to refuse.
      if (state.request.stage === 'abandoned') return { state, effects: noEffects };
      return event.reply === null ? destroyed(state, 'failed') : replied(state, event.reply);
    case 'response_opened':
      return responseOpened(state, event);
    case 'response_released':
      return responseReleased(state, event);
    case 'response_finished':
      return responseFinished(state, event.end);
    case 'response_failed':
      return responseFailed(state, event);
    case 'half_closed':
      return { state: { ...state, halfClosed: true }, effects: noEffects };
    case 'cancelled':
      return cancelled(state, event.cause);
    case 'unknown':
      return violation(state);
    default:
      return unreachable(event);
  }
}

function cancelled(state: ExtProcState, cause: AbortCause): Step {
  return { state: { ...state, closed: cause }, effects: release(state, cause) };
}

/** What arrives after the stream closed: an exchange that a late verdict opened must still be recorded as ended. */
function late(state: ExtProcState, closed: NonNullable<ExtProcState['closed']>, event: ExtProcEvent): Step {
  switch (event.kind) {
    case 'cancelled':
      return { state: { ...state, closed: event.cause }, effects: noEffects };
    case 'half_closed':
      return closed === 'answered' ? ended({ state, effects: noEffects }) : { state, effects: noEffects };
    case 'judged': {
      const cause = closed === 'answered' || closed === 'complete' ? 'protocol_violation' : closed;
      return { state, effects: [{ kind: 'abort', cause }] };
    }
    default:
      return { state, effects: noEffects };
  }
}

function observe(state: ExtProcState, event: ExtProcEvent): Step {
  if (event.kind === 'half_closed')
    return {
      state: { ...state, closed: 'complete' },
      effects: [{ kind: 'end' }],
    };
  if (event.kind === 'cancelled') return { state: { ...state, closed: event.cause }, effects: noEffects };
  return { state, effects: noEffects };
}

/** Ends the stream when there is nothing left to answer: each stream that we end ourselves spares Envoy a reset. */
function settle(step: Step): Step {
  const { request, response, halfClosed } = step.state;
  const isRequestDone = request.stage === 'released' && request.ended;
  const isResponseDone = response.stage === 'done' && response.ended;
  if (isRequestDone && isResponseDone) return ended(step);
  if (!halfClosed) return step;

  const isWaiting = request.stage === 'judging' || response.stage === 'finishing';
  if (isWaiting) return step;
  const isRequestAnswered = request.stage !== 'collecting';
  const isResponseAnswered = response.stage !== 'opening' && response.stage !== 'open';
  if (isRequestAnswered && isResponseAnswered) {
    const unfinished: readonly Effect[] = release(step.state, 'client_gone');
    return ended({
      state: step.state,
      effects: [...step.effects, ...unfinished],
    });
  }
  const last = destroyed(step.state, 'client_gone');
  return { state: last.state, effects: [...step.effects, ...last.effects] };
}

function ended(step: Step): Step {
  return {
    state: { ...step.state, closed: 'complete' },
    effects: [...step.effects, { kind: 'end' }],
  };
}
