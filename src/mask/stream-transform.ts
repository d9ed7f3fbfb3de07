import type { Sliced } from '../lib/slices.ts';
import type { OmittedCount, Uninspected } from '../llm/conversation.ts';
import type { BlockFilter, StreamFraming, StreamReader } from '../llm/dialect.ts';
import { createFramer } from '../llm/framers.ts';
import type { Masking } from './decider.ts';
import { createEventTransform } from './event-transform.ts';
import { createMaskingEditor } from './masking-editor.ts';
import type { Restorer } from './restorables.ts';
import { createRestoringEditor } from './restoring-editor.ts';
import { createTally, type FindingCount } from './tally.ts';
import type { TextEditor } from './text-editor.ts';
import { createTextTransform } from './text-transform.ts';

/**
 * Masks one streamed answer as it flows. Whatever the cutting of the bytes, the released bytes are the same; no byte goes out that
 * could still be part of a value to be masked; without such a value the released bytes are the very bytes that came.
 *
 * A throw is a Fault `masking_failed` (an event that cannot be read, a bound that was reached) or a detector's: the transform is dead
 * then, what it held is gone, and it throws on every further call but `proven`.
 */
export interface StreamTransform {
  /** Takes the next bytes, which MUST NOT be modified afterwards; returns what may go out now, often nothing. */
  push(bytes: Buffer): Buffer;
  /** The same for others to have a turn in the middle of an event that is large: no other call may begin before it is over. */
  pushing(bytes: Buffer): Sliced<Buffer>;
  /** The stream is over, by its own word or cut off: what is held is judged as it stands, masked, and returned. */
  finish(): Buffer;
  /** What a call that threw had released until then: it may go out like all that was released before. Once. */
  proven(): Buffer;
  summary(): StreamSummary;
}

/** What the record of an answer needs. May be asked at any time. */
export interface StreamSummary {
  /** Every place where a value stood, copies (log of the whole answer in a closing event) included. */
  readonly counts: readonly FindingCount[];
  /** The first part of each kind that could not be read. */
  readonly uninspected: readonly Uninspected[];
  /** Sealed blocks that were left out. */
  readonly omitted: readonly OmittedCount[];
  /** Whether any released byte is not as it came. */
  readonly isTouched: boolean;
  /** Whether the stream ended inside of an event that could not be read: that rest was not released. */
  readonly isTruncated: boolean;
  /** Events released; pieces for plain text. */
  readonly eventsReleased: number;
  /** The most events and the most characters of text that were held back at one time. */
  readonly eventsHeldMax: number;
  readonly charactersHeldMax: number;
}

export interface StreamTransformOptions extends Omit<Masking, 'tally'> {
  /** `text`: the body is one running text, and `reader` is not asked. */
  readonly framing: StreamFraming;
  readonly reader: StreamReader;
  /** Leaves sealed blocks out before anything else is done; absent or null: they stay. */
  readonly filter?: BlockFilter | null;
  /** Told, whenever an event with text is released, how many characters of the stream were held back until then. */
  readonly onHeldBack: (characters: number) => void;
}

export function createStreamTransform(options: StreamTransformOptions): StreamTransform {
  const { framing, reader, filter = null, detector, plan, minter, onHeldBack } = options;
  const editor = createMaskingEditor({ detector, plan, minter, tally: createTally() });
  return createTransform(framing, reader, filter, editor, onHeldBack);
}

export interface RestoringTransformOptions {
  readonly framing: StreamFraming;
  /** A reader of its own: it reads what masking released. */
  readonly reader: StreamReader;
  readonly restorer: Restorer;
}

/**
 * Puts values back into a masked stream, so that what is put back is not masked again. Holds back what may still be a placeholder; in
 * all else as above, but for its counts, which the restorer keeps.
 */
export function createRestoringTransform({ framing, reader, restorer }: RestoringTransformOptions): StreamTransform {
  return createTransform(framing, reader, null, createRestoringEditor(restorer), () => {});
}

function createTransform(
  framing: StreamFraming,
  reader: StreamReader,
  filter: BlockFilter | null,
  editor: TextEditor,
  onHeldBack: (characters: number) => void,
): StreamTransform {
  if (framing === 'text') return createTextTransform(editor, onHeldBack);
  return createEventTransform(createFramer(framing), reader, filter, editor, onHeldBack);
}
