import type { PartialAnswer } from '../audit/entry.ts';
import { limits } from '../lib/limits.ts';
import type { Decision } from '../policy/decision.ts';
import type { Released } from './answer-body.ts';

/** Keeps what the record needs of an answer: references to the pieces, no copies, up to a bound. */
export interface Capture {
  /** From now on also tells somebody what it keeps, piece by piece. */
  follow(partial: PartialAnswer): void;
  receive(piece: Buffer): void;
  release(piece: Pick<Released, 'bytes' | 'masked'>): void;
  taken(): {
    readonly output: Buffer | null;
    readonly released: Buffer | null;
    readonly isTruncated: boolean;
  };
}

/**
 * `full`: what came, and what went out where it differs. `masked`: what went out, with placeholders where values were put back.
 * `metadata`: nothing.
 */
export function createCapture(capture: Decision['capture']): Capture {
  let partial: PartialAnswer | null = null;
  const received = createPile(capture === 'full', (piece) => partial?.add('output', piece));
  const released = createPile(capture !== 'metadata', (piece) => partial?.add('output_released', piece));
  return {
    follow: (other) => {
      partial = other;
    },
    receive: received.add,
    release: ({ bytes, masked }) => released.add(capture === 'full' ? bytes : masked),
    taken: () => {
      const output = received.whole();
      const out = released.whole();
      return {
        output,
        released: out && output?.equals(out) ? null : out,
        isTruncated: received.isTruncated() || released.isTruncated(),
      };
    },
  };
}

function createPile(
  isWanted: boolean,
  onKept: (piece: Buffer) => void,
): {
  add(piece: Buffer): void;
  whole(): Buffer | null;
  isTruncated(): boolean;
} {
  const pieces: Buffer[] = [];
  let bytes = 0;
  let isTruncated = false;
  return {
    add: (piece) => {
      if (!isWanted || piece.length === 0) return;
      if (bytes + piece.length > limits.bodyBytesMax) {
        isTruncated = true;
        return;
      }
      bytes += piece.length;
      pieces.push(piece);
      onKept(piece);
    },
    whole: () => {
      const [only] = pieces;
      return only === undefined ? null : pieces.length === 1 ? only : Buffer.concat(pieces, bytes);
    },
    isTruncated: () => isTruncated,
  };
}
