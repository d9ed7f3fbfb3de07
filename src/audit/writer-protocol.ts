import type { KeyObject } from 'node:crypto';

/** What a writer is started with. Crosses to its thread by structured clone. */
export interface WriterInit {
  readonly directory: string;
  /** The lock that this process holds; shards of one log share it. */
  readonly lockFile: string;
  readonly origin: string;
  readonly boot: string;
  readonly signingKey: KeyObject;
  /** Content of the lock file that this process holds. */
  readonly lockToken: string;
  readonly segmentBytesMax: number;
  readonly openIntentsMax: number;
  /** Intents of the shard before that wait for their outcome; taken over by a shard that has no record yet. */
  readonly openIntents: readonly (readonly [exchange: string, id: string])[];
  readonly checkpointIntervalMs: number;
  /** Below this much free space nothing more is accepted. */
  readonly freeBytesMin: number;
  /** How often the files, the lock and the free space are looked at. */
  readonly checkIntervalMs: number;
}

export type ToWriter =
  | { readonly kind: 'epoch'; readonly id: string; readonly key: Uint8Array }
  | { readonly kind: 'batch'; readonly batch: Uint8Array }
  | { readonly kind: 'close' };

export type FromWriter =
  /** The log's end was read and is sound. */
  | {
      readonly kind: 'ready';
      readonly nextSequence: number;
      readonly openIntents: readonly (readonly [exchange: string, id: string])[];
      readonly cutBytes: number;
      /** Name of the log that follows this one, which has ended. */
      readonly next: string | null;
      readonly checkpointSize: number;
      readonly freeBytes: number;
    }
  | { readonly kind: 'durable'; readonly sequence: number }
  | { readonly kind: 'published'; readonly size: number }
  /** Free space fell below the floor, or is above it again. */
  | { readonly kind: 'space'; readonly isLow: boolean; readonly freeBytes: number }
  /** Nothing is written any more. `isDamaged`: only an operator can mend it; else opening the log anew may help. */
  | { readonly kind: 'failed'; readonly message: string; readonly isDamaged: boolean }
  /** The last checkpoint is published. `openIntents`: those whose outcome is not in the log. */
  | { readonly kind: 'closed'; readonly openIntents: readonly (readonly [exchange: string, id: string])[] };

/** A running writer, wherever it runs. */
export interface WriterHandle {
  post(message: ToWriter): void;
  /** Ends it. Resolves when it surely writes no more: for a writer stuck in the kernel, only when the kernel lets go. */
  terminate(): Promise<void>;
}

/** Starts a writer. Neither callback is called before this has returned. */
export type StartWriter = (
  init: WriterInit,
  onMessage: (message: FromWriter) => void,
  /** It ended without being told to. */
  onExit: (error: Error) => void,
) => WriterHandle;
