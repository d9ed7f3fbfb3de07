import { TextDecoder } from 'node:util';
import { Fault } from '../lib/fault.ts';
import { limits } from '../lib/limits.ts';
import { createStepGuard } from './step-guard.ts';
import type { StreamTransform } from './stream-transform.ts';
import type { TextEditor } from './text-editor.ts';

/** A body that is one running text in UTF-8, cut anywhere. A byte order mark is kept; ill-formed UTF-8 is a Fault. */
export function createTextTransform(editor: TextEditor, onHeldBack: (characters: number) => void): StreamTransform {
  const guard = createStepGuard();
  const masker = editor.open({ role: 'assistant', kind: 'text', json: false });
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  /** Text that is not released, as it came. */
  let held = '';
  let released = 0;
  let isTouched = false;
  let isTruncated = false;
  let piecesReleased = 0;
  let charactersHeldMax = 0;

  function accept(text: string): void {
    if (text === '') return;
    held += text;
    masker.push(text);
  }

  function release(): Buffer {
    let to = masker.decided();
    // Half of a surrogate pair has no UTF-8: the pair goes out together.
    if (to > released && to < masker.length() && isHighSurrogate(held.charCodeAt(to - released - 1))) to--;
    const asItCame = held.slice(0, to - released);
    const masked = masker.take(to);
    held = held.slice(to - released);
    released = to;
    if (held.length > limits.streamHeldBytesMax) throw new Fault('masking_failed', 'too much text waits in one stream');
    if (held.length > charactersHeldMax) charactersHeldMax = held.length;
    if (asItCame === '') return nothing;
    if (masked !== null) isTouched = true;
    piecesReleased++;
    onHeldBack(held.length);
    return Buffer.from(masked ?? asItCame, 'utf8');
  }

  function push(bytes: Buffer): Buffer {
    return guard.run(() => {
      accept(decode(decoder, bytes));
      return release();
    });
  }

  return {
    push,
    // biome-ignore lint/correctness/useYield: without events a small piece is little work.
    pushing: function* (bytes) {
      return push(bytes);
    },
    finish: () =>
      guard.run(() => {
        isTruncated = !endsWhole(decoder);
        masker.close();
        return release();
      }),
    proven: () => nothing,
    summary: () => ({
      counts: editor.counts(),
      uninspected: [],
      omitted: [],
      isTouched,
      isTruncated,
      eventsReleased: piecesReleased,
      eventsHeldMax: 0,
      charactersHeldMax,
    }),
  };
}

const nothing = Buffer.alloc(0);

function decode(decoder: TextDecoder, bytes: Buffer): string {
  try {
    return decoder.decode(bytes, { stream: true });
  } catch (thrown) {
    throw new Fault('masking_failed', 'the text is not valid UTF-8', thrown);
  }
}

/** False when the bytes ended inside of a character, of which the rest is dropped. */
function endsWhole(decoder: TextDecoder): boolean {
  try {
    decoder.decode();
    return true;
  } catch {
    return false;
  }
}

function isHighSurrogate(code: number): boolean {
  return code >= 0xd800 && code <= 0xdbff;
}
