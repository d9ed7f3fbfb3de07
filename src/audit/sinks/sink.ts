import { type JsonObject, jsonObjectOf } from '../../lib/json.ts';

/** One event as a receiver gets it: a record of the log, a finding about it, or a checkpoint. */
export interface SinkEvent {
  /** The same for the same event, however often it is sent: receivers drop duplicates by it. */
  readonly id: string;
  /** Name of the log. */
  readonly origin: string;
  /** Number of the record in its log; of a checkpoint: how many records it covers. */
  readonly sequence: number;
  /** Kind of the record, `finding` or `checkpoint`. */
  readonly kind: string;
  /** What the document is: `ocsf:6003`, `ecs`, the name of an OpenTelemetry event, `countersign.intent`. */
  readonly type: string;
  /** What was decided, in one word; empty where nothing was. */
  readonly action: string;
  /** Nanoseconds since the epoch. */
  readonly timeNs: bigint;
  /** OCSF's scale: 1 informational to 4 high. */
  readonly severity: 1 | 2 | 3 | 4;
  readonly trace: { readonly id: string; readonly span: string } | null;
  /** The document, serialised. `documentOf` reads it. */
  readonly json: string;
}

/** What stands in an event, as a receiver reads it. */
export function documentOf({ json }: Pick<SinkEvent, 'json'>): JsonObject {
  return jsonObjectOf(json) ?? {};
}

export interface Rejection {
  /** Index in the batch. */
  readonly index: number;
  /** Why, for operators. Never holds what was sent. */
  readonly reason: string;
}

/** What became of a batch. Whoever is named nowhere in `settled` was delivered. */
export type Delivery =
  | {
      readonly kind: 'settled';
      /** Will never be taken: they become dead letters. */
      readonly rejected: readonly Rejection[];
      /** Indexes to send again later. */
      readonly retry: readonly number[];
      /** Earliest time to send them again, as the receiver asked; null: it did not say. */
      readonly afterMs: number | null;
    }
  /** The receiver will not have this batch as it is. It is divided until the event at fault is found. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** Nothing of it counts as delivered; the same batch is sent again later. */
  | { readonly kind: 'failed'; readonly reason: string; readonly afterMs: number | null };

/**
 * Where events go. `deliver` MUST NOT settle before the receiver has said that it has them, MUST end soon after `signal` is
 * aborted, and may throw, which counts as `failed`. Batches are never empty, and come one at a time and in order, unless a sink says that it
 * takes several.
 */
export interface Sink {
  /** How many batches it takes at a time while it catches up; receivers may then see them out of order. Default 1. */
  readonly batchesMax?: number;
  deliver(events: readonly SinkEvent[], signal: AbortSignal): Promise<Delivery>;
  close(): Promise<void>;
}

export const delivered: Delivery = { kind: 'settled', rejected: [], retry: [], afterMs: null };
