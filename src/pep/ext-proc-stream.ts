import type {
  AbortCause,
  ExchangeService,
  OpenExchange,
  Reply,
  RequestHead,
  RequestVerdict,
  ResponsePhase,
} from '../exchange/exchange.ts';
import { Fault } from '../lib/fault.ts';
import { invariant, unreachable } from '../lib/invariant.ts';
import { isJsonObject, type JsonObject } from '../lib/json.ts';
import type { Log, Metrics } from '../telemetry/telemetry.ts';
import { askedTime, type EnvoyTime, longestWaitMs } from './envoy-time.ts';
import type { Incoming } from './ext-proc-decode.ts';
import type { Answer, Effect, EndedBy, ExtProcEvent, MoreTime } from './ext-proc-event.ts';
import { type ExtProcState, initialState, reduce } from './ext-proc-state.ts';
import { type HeaderBlock, requestHead, responseHead } from './request-head.ts';

/** The wire, as the stream sees it. Nothing is called after `end` or `destroy`. */
export interface ExtProcWire {
  send(answer: Answer | MoreTime): void;
  end(): void;
  destroy(by: EndedBy): void;
}

export interface ExtProcStream {
  receive(incoming: Incoming): void;
  halfClosed(): void;
  /** Comes after every end, the normal one too. */
  cancelled(cause: AbortCause): void;
}

export interface ExtProcStreamDeps {
  readonly exchange: ExchangeService;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Absent: it is not known, and Envoy is not asked for time. */
  readonly envoyTime?: EnvoyTime;
}

/** Carries out what the reducer decides: the one place where an ext_proc stream meets the exchange. */
export function createExtProcStream(deps: ExtProcStreamDeps, wire: ExtProcWire): ExtProcStream {
  const { exchange, log, metrics } = deps;
  const judging = new AbortController();
  let state: ExtProcState | null = null;
  let head: RequestHead | null = null;
  let responseBlock: HeaderBlock | null = null;
  let held: Buffer[] = [];
  let forwarded: OpenExchange | null = null;
  let phase: ResponsePhase | null = null;

  function receive(incoming: Incoming): void {
    const { message } = incoming;
    if (state === null) {
      state = initialState({ ...(incoming.modes ?? inferred), observing: incoming.observing });
      if (incoming.observing) log.warn('envoy only observes: nothing is enforced', { phase: 'ext_proc' });
    }
    if (message.kind === 'headers' && message.direction === 'response') responseBlock = incoming.headers;
    else head ??= requestHead(incoming.headers, incoming);
    dispatch(message);
  }

  function dispatch(event: ExtProcEvent): void {
    if (state === null) return;
    try {
      const step = reduce(state, event);
      state = step.state;
      for (const effect of step.effects) perform(effect);
    } catch (thrown) {
      // A bug of ours. Left alone it would leave Envoy waiting, or end the process.
      report(Fault.from(thrown));
      if (state.closed === null) {
        state = { ...state, closed: 'fault' };
        judging.abort();
        abort('fault');
        wire.destroy('failed');
      }
    }
  }

  function perform(effect: Effect): void {
    switch (effect.kind) {
      case 'send':
        wire.send(effect.answer);
        return;
      case 'hold':
        held.push(effect.body);
        return;
      case 'judge':
        void judge(effect);
        return;
      case 'cancel_judging':
        judging.abort();
        return;
      case 'refuse':
        refuse(effect.fault);
        return;
      case 'open_response':
        openResponse();
        return;
      case 'push':
        push(effect.piece, effect.endOfStream);
        return;
      case 'finish':
        void finish();
        return;
      case 'fail_response':
        failResponse(effect.fault);
        return;
      case 'again':
        dispatch(effect.message);
        return;
      case 'abort':
        abort(effect.cause);
        return;
      case 'end':
        wire.end();
        return;
      case 'destroy':
        if (effect.by === 'protocol_violation') {
          report(new Fault('protocol_violation', 'a message that the ext_proc protocol does not allow here'));
        }
        wire.destroy(effect.by);
        return;
      default:
        unreachable(effect);
    }
  }

  async function judge({ hasBody, canRewrite, isBodyWithheld }: Extract<Effect, { kind: 'judge' }>): Promise<void> {
    invariant(head !== null, 'a request is judged after a message of it was seen');
    const body = hasBody ? whole(held) : null;
    held = [];
    let verdict: RequestVerdict;
    try {
      const time = deps.envoyTime;
      const options = {
        canRewrite,
        isBodyWithheld,
        handover: handoverOf(head.metadata),
        ...(time === undefined ? {} : { askForTime: (wantedMs: number) => askForTime(wantedMs, time) }),
      };
      verdict = await exchange.request(head, body, options, judging.signal);
    } catch (thrown) {
      refuse(Fault.from(thrown));
      return;
    }
    if (verdict.kind === 'reply') {
      dispatch({ kind: 'refused', reply: verdict.reply });
      return;
    }
    forwarded = verdict.exchange;
    dispatch({
      kind: 'judged',
      body: verdict.body ?? body ?? noBytes,
      changed: verdict.body !== null,
      headers: verdict.headers,
    });
  }

  /** FULL_DUPLEX_STREAMED has no timer that could be set anew. */
  function askForTime(wantedMs: number, time: EnvoyTime): number {
    const isLive = state !== null && state.closed === null && !state.observing;
    if (state?.request.mode === 'full_duplex') return Math.min(wantedMs, longestWaitMs(time));
    const { waitMs, overrideMs } = askedTime(wantedMs, time);
    if (isLive && overrideMs !== null) wire.send({ kind: 'more_time', ms: overrideMs });
    return waitMs;
  }

  function refuse(fault: Fault): void {
    if (!judging.signal.aborted) report(fault);
    dispatch({ kind: 'refused', reply: attempt(() => exchange.faultReply(head, fault)) });
  }

  function openResponse(): void {
    try {
      invariant(forwarded !== null, 'a response is opened after its request was forwarded');
      phase = forwarded.openResponse(responseHead(responseBlock));
    } catch (thrown) {
      failResponse(thrown);
      return;
    }
    const { mode, headers, reply } = phase;
    dispatch({ kind: 'response_opened', mode, headers, reply });
  }

  function push(piece: Buffer, endOfStream: boolean): void {
    let out: Buffer;
    try {
      invariant(phase !== null, 'a piece is read by an open response phase');
      out = phase.push(piece, endOfStream);
    } catch (thrown) {
      failResponse(thrown);
      return;
    }
    dispatch({ kind: 'response_released', piece, out, endOfStream });
  }

  async function finish(): Promise<void> {
    let end: Awaited<ReturnType<ResponsePhase['finish']>>;
    try {
      invariant(phase !== null, 'an open response phase is finished');
      end = await phase.finish();
    } catch (thrown) {
      failResponse(thrown);
      return;
    }
    dispatch({ kind: 'response_finished', end });
  }

  function failResponse(thrown: unknown): void {
    const fault = Fault.from(thrown);
    const open = phase;
    // An open phase reports its own faults when it is asked for the words.
    if (open === null) report(fault);
    dispatch({
      kind: 'response_failed',
      reply: attempt(() => (open === null ? exchange.faultReply(head, fault) : open.failureReply(fault))),
      tail: open === null ? null : attempt(() => open.failureTail(fault)),
    });
  }

  function abort(cause: AbortCause): void {
    forwarded?.abort(cause).catch((thrown) => report(Fault.from(thrown)));
  }

  /** Null when even the words fail: then the stream ends with an error status. */
  function attempt<T extends Reply | Buffer | null>(words: () => T): T | null {
    try {
      return words();
    } catch (thrown) {
      report(Fault.from(thrown));
      return null;
    }
  }

  function report(fault: Fault): void {
    metrics.failure(fault.code);
    const id = forwarded === null ? {} : { exchange: forwarded.id };
    log.warn('ext_proc stream failed closed', { ...id, code: fault.code, reason: fault.message });
  }

  return {
    receive,
    halfClosed: () => dispatch({ kind: 'half_closed' }),
    cancelled: (cause) => dispatch({ kind: 'cancelled', cause }),
  };
}

const noBytes = Buffer.alloc(0);
const inferred = { request: 'inferred', response: 'inferred' } as const;

function whole(pieces: readonly Buffer[]): Buffer {
  const [first, ...others] = pieces;
  if (first === undefined) return noBytes;
  return others.length === 0 ? first : Buffer.concat(pieces);
}

/** Dynamic metadata that ext_authz's answer set. Envoy writes it, a client cannot; the exchange checks its seal all the same. */
export function handoverOf(metadata: JsonObject): JsonObject | null {
  const written = metadata['envoy.filters.http.ext_authz'];
  const handover = isJsonObject(written) ? written['countersign'] : undefined;
  return isJsonObject(handover) ? handover : null;
}
