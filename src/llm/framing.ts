import type { Result } from '../lib/result.ts';
import type { BodyError } from './dialect.ts';

/** One event of a stream as its framing cut it out. */
export interface StreamEvent {
  /** Exactly the bytes that arrived, delimiter included: all events in a row are the stream, byte for byte. */
  readonly bytes: Buffer;
  /** SSE event name; null where there is none. */
  readonly event: string | null;
  /** The decoded text that the event carries; null when it carries none (a comment, a blank line, a lone `id:`). */
  readonly payload: string | null;
}

/**
 * Cuts a byte stream into events, wherever the pieces were cut: inside a UTF-8 character, a CRLF, a byte order mark. Errors:
 * `invalid_utf8`, and `body_too_large` for an event of more than `limits.eventBytesMax`; after an error it MUST NOT be used again.
 */
export interface Framer {
  push(piece: Buffer): Result<readonly StreamEvent[], BodyError>;
  /** The events of the latest `push`, those that stood before its error included. */
  cut(): readonly StreamEvent[];
  /** No more bytes: what is left is the last event, delimiter or not. */
  end(): Result<readonly StreamEvent[], BodyError>;
  /** The event's bytes with another payload in the same framing. */
  write(event: StreamEvent, payload: string): Buffer;
}

/** Collects pieces and hands out the bytes up to a mark without copying when one piece holds them. */
export interface ByteQueue {
  readonly length: number;
  add(piece: Buffer): void;
  /** The first `count` bytes, of at least so many; they stay. */
  peek(count: number): Buffer;
  /** The first `count` bytes, which are then gone from the queue. */
  take(count: number): Buffer;
}

export function createByteQueue(): ByteQueue {
  let pieces: Buffer[] = [];
  let length = 0;

  function join(): Buffer {
    const [only] = pieces;
    const all = pieces.length === 1 && only !== undefined ? only : Buffer.concat(pieces, length);
    pieces = [all];
    return all;
  }

  return {
    get length() {
      return length;
    },
    add: (piece) => {
      pieces.push(piece);
      length += piece.length;
    },
    peek: (count) => join().subarray(0, count),
    take: (count) => {
      const all = join();
      length -= count;
      pieces = length > 0 ? [all.subarray(count)] : [];
      return all.subarray(0, count);
    },
  };
}
