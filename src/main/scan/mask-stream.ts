import { limits } from '../../lib/limits.ts';
import type { Masking } from '../../mask/decider.ts';
import { createTextStreamMasker } from '../../mask/stream-masker.ts';
import { createTally, type Tally } from '../../mask/tally.ts';

/** Masks text as it flows: nothing is released that could still be part of a value, and no more than that is held. */
export interface TextMasker {
  push(text: string): string;
  finish(): string;
  /** Findings that were masked or left, so far. */
  total(): number;
}

/**
 * As the service masks a streamed answer, without its bound on findings: after many of them a new masker goes on at a line end where
 * nothing is held. Throws Fault `masking_failed` when no such line end comes.
 */
export function createTextMasker(masking: Omit<Masking, 'tally'>): TextMasker {
  let before = 0;
  let tally: Tally = createTally();
  let masker = createTextStreamMasker({ ...masking, tally }, 'user');
  /** What was taken of this masker, and the text after that, as it came. */
  let taken = 0;
  let held = '';

  function release(): string {
    let decided = masker.decided();
    // Half of a surrogate pair has no UTF-8: the pair goes out together.
    if (decided > taken && decided < masker.length() && isHighSurrogate(held.charCodeAt(decided - taken - 1)))
      decided--;
    const asItCame = held.slice(0, decided - taken);
    held = held.slice(decided - taken);
    taken = decided;
    return masker.take(decided) ?? asItCame;
  }

  function pushPiece(piece: string): string {
    held += piece;
    masker.push(piece);
    const out = release();
    if (tally.total() < limits.findingsMax / 2 || held !== '' || !piece.endsWith('\n')) return out;
    masker.close();
    before += tally.total();
    tally = createTally();
    masker = createTextStreamMasker({ ...masking, tally }, 'user');
    taken = 0;
    return out;
  }

  return {
    push: (text) => {
      let out = '';
      for (let at = 0; at < text.length; ) {
        const piece = text.slice(at, at + pieceChars);
        const line = piece.slice(0, piece.lastIndexOf('\n') + 1) || piece;
        out += pushPiece(line);
        at += line.length;
      }
      return out;
    },
    finish: () => {
      masker.close();
      return release();
    },
    total: () => before + tally.total(),
  };
}

const pieceChars = 8_192;

function isHighSurrogate(code: number): boolean {
  return code >= 0xd800 && code <= 0xdbff;
}
