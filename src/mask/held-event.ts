import type { EventReading, EventText } from '../llm/dialect.ts';
import type { StreamEvent } from '../llm/framing.ts';
import { type Edit, isAsciiStyle, jsonString } from '../llm/json-edit.ts';
import type { Masking } from './decider.ts';
import { maskJsonText } from './json-stream-masker.ts';
import { maskCounted } from './mask-text.ts';
import type { RunningText, RunningTexts } from './running-texts.ts';

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

/** Hands the event's pieces to their running texts and masks the texts that it carries whole. */
export function holdEvent(
  event: StreamEvent,
  payload: string,
  reading: EventReading,
  texts: RunningTexts,
  masking: Masking,
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
  const wholes = reading.wholes.length === 0 ? noEdits : maskWholes(reading, payload, masking);
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

function maskWholes(reading: EventReading, payload: string, masking: Masking): readonly Edit[] {
  const edits: Edit[] = [];
  const changed = new Set<number>();
  for (const [index, whole] of reading.wholes.entries()) {
    const edit = maskWhole(whole, payload, masking);
    if (edit === null) continue;
    edits.push(edit);
    changed.add(index);
  }
  for (const { whole, start, end, source } of reading.dependents) {
    if (whole !== undefined && changed.has(whole)) edits.push({ start, end, source });
  }
  return edits;
}

function maskWhole(whole: EventText, payload: string, masking: Masking): Edit | null {
  const { text, role } = whole;
  const { detector, plan, minter, tally } = masking;
  const masked = whole.json
    ? maskJsonText(text, masking, role)
    : maskCounted(text, detector.scan(text).findings, role, plan, minter, tally);
  return masked === text ? null : editOf(whole, masked, payload);
}

/** The new value in the style of the old: ASCII with escapes where that was so. */
function editOf(place: EventText, masked: string, payload: string): Edit {
  const source = jsonString(masked, isAsciiStyle(payload.slice(place.start, place.end)));
  return { start: place.start, end: place.end, source };
}
