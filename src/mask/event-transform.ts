import { Fault } from '../lib/fault.ts';
import { invariant } from '../lib/invariant.ts';
import { limits } from '../lib/limits.ts';
import type { Result } from '../lib/result.ts';
import { atOnce, type Sliced } from '../lib/slices.ts';
import type { Uninspected } from '../llm/conversation.ts';
import type { BlockFilter, BodyError, EventReading, StreamReader } from '../llm/dialect.ts';
import type { Framer, StreamEvent } from '../llm/framing.ts';
import { applyEdits, type Edit } from '../llm/json-edit.ts';
import { editingWholes, editWholes, type HeldEvent, holdEvent, isLong } from './held-event.ts';
import { createRunningTexts } from './running-texts.ts';
import { createStepGuard } from './step-guard.ts';
import type { StreamTransform } from './stream-transform.ts';
import type { TextEditor } from './text-editor.ts';

/**
 * A queue of events. Nothing is reordered and nothing is made up: an event goes out byte for byte, or with only the changed string
 * values written anew in it. A value that spans events leaves its replacement in the first and '' in the others. What the filter withholds is
 * as if it had never come, and is held up by nothing: it is judged before the event is read.
 */
export function createEventTransform(
  framer: Framer,
  reader: StreamReader,
  filter: BlockFilter | null,
  editor: TextEditor,
  onHeldBack: (characters: number) => void,
): StreamTransform {
  const guard = createStepGuard();
  const texts = createRunningTexts(editor);
  const uninspected = new Map<string, Uninspected>();
  /** Events before `head` are released. */
  let queue: HeldEvent[] = [];
  let head = 0;
  let heldBytes = 0;
  let heldCharacters = 0;
  let out: Buffer[] = [];
  let isTouched = false;
  let isTruncated = false;
  let eventsReleased = 0;
  let eventsHeldMax = 0;
  let charactersHeldMax = 0;

  /** What is still to be done in turns, if an event is large; nearly none is. */
  function accept(came: StreamEvent): Sliced<void> | null {
    const event = filter === null ? came : filtered(filter, came);
    if (event === null) return null;
    const { payload } = event;
    if (payload === null) {
      acceptBare(event);
      return null;
    }
    const reading = orFault(reader.read(payload, event.event));
    if (isLong(reading)) return accepting(event, payload, reading);
    acceptReading(event, payload, reading, editWholes(reading, payload, editor));
    return null;
  }

  function* accepting(event: StreamEvent, payload: string, reading: EventReading): Sliced<void> {
    acceptReading(event, payload, reading, yield* editingWholes(reading, payload, editor));
  }

  function filtered(by: BlockFilter, event: StreamEvent): StreamEvent | null {
    if (event.payload === null) return event;
    const payload = orFault(by.read(event.payload, event.event));
    if (payload === event.payload) return event;
    isTouched = true;
    return payload === null ? null : { ...event, payload, bytes: framer.write(event, payload) };
  }

  function acceptReading(event: StreamEvent, payload: string, reading: EventReading, wholes: readonly Edit[]): void {
    for (const part of reading.uninspected) {
      if (!uninspected.has(part.kind)) uninspected.set(part.kind, part);
    }
    const item = holdEvent(event, payload, reading, texts, wholes);
    if (reading.closesAll) texts.closeAll();
    else if (reading.closes.length > 0) texts.close(reading.closes);
    enqueue(item);
  }

  /** A comment or the like: no text of the answer, but a byte that goes out is looked at all the same. */
  function acceptBare(event: StreamEvent): void {
    const text = event.bytes.toString('utf8');
    const edited = editor.between(text);
    if (edited !== text) isTouched = true;
    const bytes = edited === text ? event.bytes : Buffer.from(edited, 'utf8');
    enqueue({ event: { ...event, bytes }, characters: 0, waitsFor: () => null, takeEdits: () => [] });
  }

  function enqueue(item: HeldEvent): void {
    queue.push(item);
    heldBytes += item.event.bytes.length;
    heldCharacters += item.characters;
    drain();
    const held = queue.length - head;
    if (held > limits.eventsHeldMax) throw new Fault('masking_failed', 'too many events wait behind a held text');
    if (heldBytes > limits.streamHeldBytesMax)
      throw new Fault('masking_failed', 'too many bytes wait behind a held text');
    if (held > eventsHeldMax) eventsHeldMax = held;
    if (heldCharacters > charactersHeldMax) charactersHeldMax = heldCharacters;
  }

  function drain(): void {
    for (let item = queue[head]; item !== undefined; item = queue[head]) {
      const text = item.waitsFor();
      if (text === null) {
        release(item);
        head++;
      } else if (!texts.closeIdle(text)) break;
    }
    if (head === queue.length || head > limits.eventsHeldMax) {
      queue = queue.slice(head);
      head = 0;
    }
  }

  function release(item: HeldEvent): void {
    const { event } = item;
    const edits = item.takeEdits();
    out.push(edits.length === 0 ? event.bytes : rewrite(event, edits));
    eventsReleased++;
    heldBytes -= event.bytes.length;
    heldCharacters -= item.characters;
    if (item.characters > 0) onHeldBack(heldCharacters);
  }

  function rewrite(event: StreamEvent, edits: readonly Edit[]): Buffer {
    invariant(event.payload !== null, 'only a payload has texts');
    isTouched = true;
    return framer.write(event, applyEdits(event.payload, edits));
  }

  /** What is left when the bytes end. A rest that breaks off in the middle cannot be judged, so it is not let out. */
  function acceptRest(): void {
    const rest = framer.end();
    if (!rest.ok && rest.error.kind !== 'invalid_utf8' && rest.error.kind !== 'truncated') throw faultOf(rest.error);
    isTruncated = !rest.ok;
    for (const came of rest.ok ? rest.value : []) {
      const event = filter === null ? came : filtered(filter, came);
      if (event === null) continue;
      const reading = event.payload === null ? null : reader.read(event.payload, event.event);
      if (reading?.ok === false) isTruncated = true;
      else if (event.payload === null || reading === null) acceptBare(event);
      else acceptReading(event, event.payload, reading.value, editWholes(reading.value, event.payload, editor));
    }
  }

  function* pushing(bytes: Buffer): Sliced<Buffer> {
    const pushed = framer.push(bytes);
    // Those before an error are as good as any.
    for (const event of framer.cut()) {
      const rest = accept(event);
      if (rest !== null) yield* rest;
    }
    if (!pushed.ok) throw faultOf(pushed.error);
    return taken();
  }

  function taken(): Buffer {
    const [only] = out;
    const bytes = out.length === 1 && only !== undefined ? only : Buffer.concat(out);
    out = [];
    return bytes;
  }

  return {
    push: (bytes) => atOnce(guard.running(() => pushing(bytes))),
    pushing: (bytes) => guard.running(() => pushing(bytes)),
    finish: () =>
      guard.run(() => {
        acceptRest();
        texts.closeAll();
        drain();
        invariant(head === queue.length, 'when every text is closed, every event is decided');
        return taken();
      }),
    proven: taken,
    summary: () => ({
      counts: editor.counts(),
      uninspected: [...uninspected.values()],
      omitted: filter?.counts() ?? [],
      isTouched,
      isTruncated,
      eventsReleased,
      eventsHeldMax,
      charactersHeldMax,
    }),
  };
}

function orFault<T>(result: Result<T, BodyError>): T {
  if (!result.ok) throw faultOf(result.error);
  return result.value;
}

/** `message` of a BodyError says where, never what. */
function faultOf(error: BodyError): Fault {
  return new Fault('masking_failed', `the stream cannot be read: ${error.message}`);
}
