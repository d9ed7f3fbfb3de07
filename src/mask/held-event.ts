import { atOnce, type Sliced } from '../lib/slices.ts';
import type { EventReading, EventText } from '../llm/dialect.ts';
import type { StreamEvent } from '../llm/framing.ts';
import type { Edit } from '../llm/json-edit.ts';
import { isAsciiStyle, jsonString } from '../llm/json-string.ts';
import type { RunningText, RunningTexts } from './running-texts.ts';
import { turnChars } from './scan-in-turns.ts';
import type { TextEditor } from './text-editor.ts';

/** An event that goes out when every piece of running text in it is decided. */
export interface HeldEvent {
  readonly event: StreamEvent;
  /** Characters of running text in it. */
  readonly characters: number;
  /** A running text that must be decided further before this event may go; null: nothing that comes later changes it. */
  waitsFor(): RunningText | null;
  /**
   * What is to be changed in the payload. To be called once, in the order in which the events came: it takes the event's pieces
   * from their running texts.
   */
  takeEdits(): readonly Edit[];
}

interface Piece {
  readonly text: RunningText;
  /** Where in the running text the piece ends. */
  readonly end: number;
}

const noPieces: readonly Piece[] = [];
const noEdits: readonly Edit[] = [];

/** Hands the event's pieces to their running texts. `wholes`: the edits of the texts that it carries whole. */
export function holdEvent(
  event: StreamEvent,
  payload: string,
  reading: EventReading,
  texts: RunningTexts,
  wholes: readonly Edit[],
): HeldEvent {
  let characters = 0;
  const pieces: readonly Piece[] =
    reading.deltas.length === 0
      ? noPieces
      : reading.deltas.map((delta) => {
          const text = texts.push(delta);
          characters += delta.text.length;
          return { text, end: text.masker.length() };
        });
  let decided = 0;

  return {
    event,
    characters,
    waitsFor: () => {
      for (let piece = pieces[decided]; piece !== undefined; piece = pieces[++decided]) {
        if (piece.text.masker.decided() < piece.end) return piece.text;
      }
      return null;
    },
    takeEdits: () => {
      let edits: Edit[] | null = null;
      let changed: Set<string> | null = null;
      for (const [index, { text, end }] of pieces.entries()) {
        const masked = text.masker.take(end);
        const delta = reading.deltas[index];
        if (masked === null || delta === undefined || masked === delta.text) continue;
        text.isTouched = true;
        edits ??= [...wholes];
        edits.push(editOf(delta, masked, payload));
        changed ??= new Set();
        changed.add(delta.key);
      }
      for (const { key, whole, isCumulative, start, end, source } of reading.dependents) {
        if (whole !== undefined) continue;
        // What repeats a text that is not in this very event repeats an earlier piece of it.
        const isPiece = !isCumulative && reading.deltas.some((delta) => delta.key === key);
        if (isPiece ? !changed?.has(key) : !texts.get(key)?.isTouched) continue;
        edits ??= [...wholes];
        edits.push({ start, end, source });
      }
      return edits ?? wholes;
    },
  };
}

/** Whether the event carries a text that is edited in several turns. */
export function isLong({ wholes }: EventReading): boolean {
  return wholes.length > 0 && wholes.some(({ text }) => text.length > turnChars);
}

/** Edits the texts that an event carries whole, and what repeats them. */
export function editWholes(reading: EventReading, payload: string, editor: TextEditor): readonly Edit[] {
  return reading.wholes.length === 0 ? noEdits : atOnce(editingWholes(reading, payload, editor));
}

/** The same, giving way in a long text. */
export function* editingWholes(reading: EventReading, payload: string, editor: TextEditor): Sliced<readonly Edit[]> {
  const edits: Edit[] = [];
  const changed = new Set<number>();
  for (const [index, whole] of reading.wholes.entries()) {
    const edited = whole.text.length <= turnChars ? editor.whole(whole) : yield* editor.wholeInTurns(whole);
    if (edited === whole.text) continue;
    edits.push(editOf(whole, edited, payload));
    changed.add(index);
  }
  for (const { whole, start, end, source } of reading.dependents) {
    if (whole !== undefined && changed.has(whole)) edits.push({ start, end, source });
  }
  return edits;
}

/** The new value in the style of the old: ASCII with escapes where that was so. */
function editOf(place: EventText, edited: string, payload: string): Edit {
  const source = jsonString(edited, isAsciiStyle(payload.slice(place.start, place.end)));
  return { start: place.start, end: place.end, source };
}
