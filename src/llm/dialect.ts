import type { Result } from '../lib/result.ts';
import type { Sliced } from '../lib/slices.ts';
import type { Conversation, OmittedCount, Role, SealedKind, SegmentKind, Uninspected } from './conversation.ts';

/** Why a body could not be read. Each is answered with 400 (or 413) in the caller's dialect, and recorded. */
export type BodyError = {
  readonly kind:
    | 'invalid_json'
    | 'invalid_utf8'
    | 'too_deep'
    | 'too_many_values'
    | 'body_too_large'
    | 'unsupported_encoding'
    | 'unsupported_media_type'
    | 'invalid_framing'
    | 'truncated';
  /** Safe to show: says where (byte or character offset), never what. */
  readonly message: string;
};

/** A body that was read and can be written again with some texts changed. */
export interface ParsedBody {
  readonly conversation: Conversation;
  /**
   * The bytes with segment `i`'s text replaced by `replacements.get(i)`, and values that repeat a changed text (log
   * probabilities, annotations with offsets into it) dropped by the dialect's documented rule. All else byte for byte.
   * Sealed blocks of the kinds `omits` are left out whole, each with one comma. With nothing to change the original buffer itself is returned.
   */
  rewrite(replacements: ReadonlyMap<number, string>, omits?: ReadonlySet<SealedKind>): Sliced<Buffer>;
  /** How many blocks `rewrite` leaves out for these kinds. Absent: none, whatever they are. */
  omitted?(omits: ReadonlySet<SealedKind>): readonly OmittedCount[];
}

/** What is known of a request before its body is read. Header names are lower-case. */
export interface RouteFacts {
  readonly method: string;
  /** Path with query. */
  readonly path: string;
  header(name: string): string | null;
}

/** An error of ours, to be said in the caller's dialect so that the official SDK raises its typed error with our code. */
export interface ClientError {
  readonly status: number;
  /** Stable code: `approval_pending`, `policy_denied`, `audit_unavailable`, … */
  readonly code: string;
  readonly message: string;
  /** Extra members of the error object (`approval_id`, `expires_at`, `rules`), strings only. */
  readonly details: Readonly<Record<string, string>>;
  /** Exchange id, so that a caller can quote it. */
  readonly exchange: string;
}

export interface ErrorBody {
  readonly contentType: string;
  readonly body: Buffer;
  /** Further headers by which the provider's clients tell its errors; lower-case names. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** How the events of a streamed answer are told apart; `text`: they are not, the body is one running text. */
export type StreamFraming = 'sse' | 'ndjson' | 'json-array' | 'eventstream' | 'text';

/** Where in a stream its last event is to stand. */
export interface StreamPlace {
  readonly framing: StreamFraming;
  /** Nothing of the stream has gone out yet. */
  readonly isFirst: boolean;
}

/** A provider's wire format. One file each; registered in `dialects.ts`. Pure: no I/O, no clock. */
export interface Dialect {
  readonly id: string;
  /** True when path (and shape, for ambiguous paths) say that this dialect speaks. Never by model name. */
  matches(route: RouteFacts): boolean;
  /** Gives way between the steps of a large body, as every reader and writer of bodies here. */
  readRequest(body: Buffer, route: RouteFacts): Sliced<Result<ParsedBody, BodyError>>;
  /** A whole (non-streamed) JSON answer. */
  readResponse(body: Buffer): Sliced<Result<ParsedBody, BodyError>>;
  /**
   * The framing of an answer where its media type does not tell, else null: the media type decides. Absent: it always does.
   * `mediaType` is lower-case and without parameters.
   */
  streamFraming?(route: RouteFacts, mediaType: string): StreamFraming | null;
  /** A reader for one streamed answer; it may keep state from event to event. */
  openStream(): StreamReader;
  /** What leaves sealed blocks of these kinds out of one streamed answer, event by event. Absent: the format has none. */
  openBlockFilter?(omits: ReadonlySet<SealedKind>): BlockFilter;
  errorBody(error: ClientError): ErrorBody;
  /** The same error as the last event(s) of a stream that has already begun, framing included; no place: as the provider usually streams. */
  errorEvent(error: ClientError, place?: StreamPlace): Buffer;
}

/**
 * Reads the payloads of a stream, one by one. `payload` is the decoded text of one event: the joined `data:` lines of an
 * SSE event, one NDJSON line, one element of an array, the payload of a binary frame. `event` is the name that the framing gives it, or null.
 */
export interface StreamReader {
  read(payload: string, event: string | null): Result<EventReading, BodyError>;
}

/** Leaves the sealed blocks of one stream out of it, event by event; it keeps state from event to event. */
export interface BlockFilter {
  /**
   * What becomes of an event's payload: the very string that was given where nothing changes, another one, or null: the event is withheld. What
   * is no JSON is left to whoever reads it next. More blocks than `limits.streamKeysMax` are `too_many_values`.
   */
  read(payload: string, event: string | null): Result<string | null, BodyError>;
  /** Blocks left out so far. */
  counts(): readonly OmittedCount[];
}

/** What one event of a stream carries. Offsets are UTF-16 indexes into `payload`. */
export interface EventReading {
  /** Texts that continue a running text (a delta). Emitted in the order in which they stand in the payload. */
  readonly deltas: readonly EventDelta[];
  /** Complete texts: terminal copies, blocks that arrive whole, unknown string leaves. Masked as a batch. */
  readonly wholes: readonly EventText[];
  /** Running texts that end with (before) this event: nothing of them may stay held back beyond it. */
  readonly closes: readonly string[];
  /** True for the event after which no text comes (`[DONE]`, `message_stop`): closes every running text. */
  readonly closesAll: boolean;
  /**
   * Values to overwrite with `null` (or the given source) when what they repeat was changed: see `EventDependent`. A value that
   * depends on several texts stands here once for each of them, and is to be overwritten once.
   */
  readonly dependents: readonly EventDependent[];
  readonly uninspected: readonly Uninspected[];
}

export interface EventText {
  /** Offsets of the value's source in the payload, quotes included. */
  readonly start: number;
  readonly end: number;
  /** The decoded string. */
  readonly text: string;
  readonly role: Role;
  readonly kind: SegmentKind;
  /** True when the text itself is (part of) a JSON document inside a string: tool arguments. */
  readonly json: boolean;
}

export interface EventDelta extends EventText {
  /** Names the running text: choice, item, block, tool call, … unique within the stream. */
  readonly key: string;
}

export interface EventDependent {
  /**
   * The running text that it repeats: it goes when the piece of that text in this event is changed; when there is none in it, or the
   * dependent is cumulative, when any piece was changed so far. '' with `whole`.
   */
  readonly key: string;
  readonly isCumulative?: true;
  /** Index into `wholes`: it repeats that text. */
  readonly whole?: number;
  readonly start: number;
  readonly end: number;
  /** JSON source put in its place. */
  readonly source: string;
}
