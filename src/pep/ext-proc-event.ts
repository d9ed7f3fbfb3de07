import type { AbortCause, HeaderChanges, Reply, ResponseEnd, ResponsePhase } from '../exchange/exchange.ts';
import type { Fault } from '../lib/fault.ts';

export type Direction = 'request' | 'response';

/**
 * How Envoy sends bodies of one direction. `inferred`: it did not say (no `protocol_config`, Envoy before 1.33); then the first body
 * message tells BUFFERED (it ends the stream) from STREAMED. FULL_DUPLEX_STREAMED and BUFFERED_PARTIAL cannot be inferred.
 */
export type BodyMode = 'none' | 'buffered' | 'buffered_partial' | 'streamed' | 'full_duplex' | 'inferred';

/** A message of Envoy, without what the state does not depend on. */
export type EnvoyMessage =
  | {
      readonly kind: 'headers';
      readonly direction: Direction;
      readonly endOfStream: boolean;
      readonly hasContentLength: boolean;
    }
  | {
      readonly kind: 'body';
      readonly direction: Direction;
      readonly body: Buffer;
      readonly endOfStream: boolean;
    }
  | { readonly kind: 'trailers'; readonly direction: Direction }
  /** A oneof that we do not know: a later Envoy, or no Envoy at all. */
  | { readonly kind: 'unknown' };

/** What can happen to a stream: from Envoy, and from the exchange behind it. */
export type ExtProcEvent =
  | EnvoyMessage
  /** Envoy half-closed: nothing more will come, answers may still be read. */
  | { readonly kind: 'half_closed' }
  /** The stream is gone: nothing can be sent any more. */
  | { readonly kind: 'cancelled'; readonly cause: AbortCause }
  /** The exchange says: forward. `body` is what to send, changed or not. */
  | {
      readonly kind: 'judged';
      readonly body: Buffer;
      readonly changed: boolean;
      readonly headers: HeaderChanges;
    }
  /** The exchange (or `faultReply`) says: answer in the model's place. Null: not even words could be found. */
  | { readonly kind: 'refused'; readonly reply: Reply | null }
  | {
      readonly kind: 'response_opened';
      readonly mode: ResponsePhase['mode'];
      readonly headers: HeaderChanges;
      readonly reply: Reply | null;
    }
  | {
      readonly kind: 'response_released';
      readonly piece: Buffer;
      readonly out: Buffer;
      readonly endOfStream: boolean;
    }
  | { readonly kind: 'response_finished'; readonly end: ResponseEnd }
  /** The response phase failed: the words for it while headers are unsent, and the last bytes for later. */
  | {
      readonly kind: 'response_failed';
      readonly reply: Reply | null;
      readonly tail: Buffer | null;
    };

/** What becomes of the body of one message. */
export type BodyChange =
  | { readonly kind: 'keep' }
  | { readonly kind: 'clear' }
  | { readonly kind: 'replace'; readonly body: Buffer };

/** What is sent to Envoy, before it is encoded. */
export type Answer =
  | {
      readonly kind: 'headers';
      readonly direction: Direction;
      readonly changes: readonly HeaderChanges[];
    }
  | {
      readonly kind: 'body';
      readonly direction: Direction;
      readonly body: BodyChange;
      readonly changes: readonly HeaderChanges[];
    }
  /** FULL_DUPLEX_STREAMED only. May be longer than one message should be: the sender splits it. */
  | {
      readonly kind: 'streamed';
      readonly direction: Direction;
      readonly body: Buffer;
      readonly endOfStream: boolean;
    }
  | { readonly kind: 'trailers'; readonly direction: Direction }
  | { readonly kind: 'immediate'; readonly reply: Reply };

/** No answer to anything: Envoy is to wait so long for the one that is due (`override_message_timeout`). */
export interface MoreTime {
  readonly kind: 'more_time';
  readonly ms: number;
}

/** Why a stream ends with an error status instead of an answer. */
export type EndedBy = 'protocol_violation' | 'failed' | 'client_gone';

/** What the reducer wants done; whoever carries it out decides nothing. */
export type Effect =
  /** Keep this piece of the request body; the reducer itself holds no bytes. */
  | { readonly kind: 'hold'; readonly body: Buffer }
  /** Ask the exchange about the request, with everything held, or with no body. Answered by `judged` or `refused`. */
  | {
      readonly kind: 'judge';
      readonly hasBody: boolean;
      /** Envoy is configured not to show the body that the request has. */
      readonly isBodyWithheld: boolean;
      readonly canRewrite: boolean;
    }
  /** Nobody waits for that verdict any more. */
  | { readonly kind: 'cancel_judging' }
  /** Find words for this fault. Answered by `refused`. */
  | { readonly kind: 'refuse'; readonly fault: Fault }
  /** Answered, synchronously, by `response_opened` or `response_failed`. */
  | { readonly kind: 'open_response' }
  /** Answered, synchronously, by `response_released` or `response_failed`. */
  | {
      readonly kind: 'push';
      readonly piece: Buffer;
      readonly endOfStream: boolean;
    }
  /** Answered by `response_finished` or `response_failed`. */
  | { readonly kind: 'finish' }
  /** Answered, synchronously, by `response_failed`. */
  | { readonly kind: 'fail_response'; readonly fault: Fault }
  /** Feed this message in again, now that the effect before it has been answered. */
  | { readonly kind: 'again'; readonly message: EnvoyMessage }
  | { readonly kind: 'send'; readonly answer: Answer }
  /** Record that the open exchange ends here. */
  | { readonly kind: 'abort'; readonly cause: AbortCause }
  /** End with status OK. To Envoy this allows whatever is unanswered, so nothing may be. */
  | { readonly kind: 'end' }
  /** End with an error status: Envoy answers 500 or resets, and passes nothing on. */
  | { readonly kind: 'destroy'; readonly by: EndedBy };
