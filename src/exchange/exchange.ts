import type { JsonObject } from '../lib/json.ts';

/**
 * The product as a PEP sees it. One call judges a request; where it says `forward`, the open exchange that comes with it judges the
 * answer. Nothing has to be correlated by an id.
 */
export interface ExchangeService {
  /** Whatever goes wrong is a reply. `body` null: the request has none, or none that is shown. */
  request(
    head: RequestHead,
    body: Buffer | null,
    options: RequestPhaseOptions,
    signal: AbortSignal,
  ): Promise<RequestVerdict>;
  /** A reply for a fault that happened outside of a phase (protocol violation, draining), in the dialect the path suggests. */
  faultReply(head: RequestHead | null, fault: unknown): Reply;
}

/** What Envoy tells of a request before its body. Header names lower-case; repeated headers joined by `, `. */
export interface RequestHead {
  readonly method: string;
  /** Path with query. */
  readonly path: string;
  readonly host: string;
  readonly headers: ReadonlyMap<string, string>;
  /** Source address and verified principal, where Envoy told. */
  readonly source: {
    readonly address: string;
    readonly principal: string | null;
  };
  readonly destination: string;
  readonly contextExtensions: Readonly<Record<string, string>>;
  /** Envoy-written dynamic metadata (`filter_metadata`), by namespace: it cannot be set by a client. */
  readonly metadata: JsonObject;
}

/** What is known of an answer before its body. Header names as in a request. */
export interface ResponseHead {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
}

/** Header changes in the direction in question; names lower-case. */
export interface HeaderChanges {
  readonly set: ReadonlyMap<string, string>;
  readonly remove: readonly string[];
}

/** A whole HTTP answer of ours, in the caller's dialect. */
export interface Reply {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Buffer;
  /** For Envoy's access log (`%RESPONSE_CODE_DETAILS%`): `countersign_<code>`. */
  readonly details: string;
}

/** What becomes of a request. */
export type RequestVerdict =
  /** Send it on. `body` null: byte for byte as it came. The record is durable. */
  | {
      readonly kind: 'forward';
      readonly body: Buffer | null;
      readonly headers: HeaderChanges;
      readonly exchange: OpenExchange;
      /** What ext_authz puts into dynamic metadata (its namespace, key `countersign`) for the ext_proc filter behind it. */
      readonly handover: JsonObject;
    }
  /** Answer in the model's place: denied, held, or failed closed. The record is durable, or the reply says that it is not. */
  | { readonly kind: 'reply'; readonly reply: Reply };

/** How the Envoy filter that asks can act on the verdict. */
export interface RequestPhaseOptions {
  /** ext_authz cannot rewrite a body: a decision that demands masking is then a deny with code `masking_not_possible`. */
  readonly canRewrite: boolean;
  /** Whether it will see how the exchange goes on: else the intent may stay the only record. Absent: as `canRewrite`. */
  readonly isFollowed?: boolean;
  /**
   * The object that ext_authz's verdict on this same exchange put into Envoy-written dynamic metadata (`handover` of the
   * forward verdict), found by ext_proc in `metadata_context`; null: decide. Sealed with a MAC, so a forged one is refused.
   */
  readonly handover: JsonObject | null;
  /** The request has a body that the gateway is configured not to show. */
  readonly isBodyWithheld: boolean;
  /**
   * People have to agree first, for which the request is to wait at most `wantedMs`: asks the gateway for that time where it can be
   * asked. Returns how long it will stand, `wantedMs` at most. Called once at most. Absent: as long as wanted.
   */
  readonly askForTime?: (wantedMs: number) => number;
}

/** An exchange that was forwarded: the response phase goes on from it. */
export interface OpenExchange {
  readonly id: string;
  /** Decides about the answer. Called once, when its headers are known. Does not throw: what goes wrong is a phase in mode `reply`. */
  openResponse(head: ResponseHead): ResponsePhase;
  /**
   * The exchange is over without a (further) answer: the client or Envoy went away, the upstream failed. Idempotent;
   * after `complete` it does nothing. Resolves when the outcome is recorded (or recording failed and was logged).
   */
  abort(why: AbortCause): Promise<void>;
}

/** Why an exchange ended without its answer; the outcome's `ended` on record. */
export type AbortCause = 'client_gone' | 'upstream_gone' | 'protocol_violation' | 'draining' | 'local_reply' | 'fault';

/**
 * The answer as it flows. Calls are strictly in order: `push` for each piece, then `finish` once; in mode `reply` only `finish`.
 * A throw is a Fault: the PEP ends the exchange closed (`failed` gives the words, `abort` the record) and sends no byte of what it held.
 */
export interface ResponsePhase {
  /**
   * `stream`: header changes now, and body bytes as `push` releases them. `whole`: withhold the headers until `finish`, because the
   * body can only be judged whole (JSON). `pass`: nothing to read (no text media type and policy lets it pass). `reply`: policy denies it
   * by its headers; the answer is `reply`, once `finish` has put that on record.
   */
  readonly mode: 'stream' | 'whole' | 'pass' | 'reply';
  readonly headers: HeaderChanges;
  /** Only in mode `reply`: the answer is denied before a byte of it went out. */
  readonly reply: Reply | null;
  /**
   * Takes the next piece, returns what may go out now (often empty). Never returns a byte that could still be part of a finding. `isLast`: no
   * other comes behind it, and `finish` may return what this could have.
   */
  push(piece: Buffer, isLast?: boolean): Buffer;
  /**
   * No more body. Resolves when the outcome record is durable, with the last bytes to send. In mode `whole` these are the
   * whole body, and `headers` the final header changes.
   */
  finish(): Promise<ResponseEnd>;
  /** The last bytes for a stream that must end closed in the middle: an in-dialect error event; null when there is none to give. */
  failureTail(fault: unknown): Buffer | null;
  /** A clean error answer in the caller's dialect, for as long as no header has been sent. */
  failureReply(fault: unknown): Reply;
}

/** The end of an answer, which may leave once it is there: the outcome is durable. */
export interface ResponseEnd {
  readonly tail: Buffer;
  readonly headers: HeaderChanges;
  /** Set when the whole answer is refused (policy, fault) and can still be replaced: mode `whole` only. */
  readonly reply: Reply | null;
}
