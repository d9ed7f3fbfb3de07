import { Fault } from '../lib/fault.ts';
import { invariant } from '../lib/invariant.ts';
import { limits } from '../lib/limits.ts';
import type { EventDelta } from '../llm/dialect.ts';
import type { StreamMasker } from './stream-masker.ts';
import type { TextEditor } from './text-editor.ts';

/** One text that runs through a stream. */
export interface RunningText {
  readonly masker: StreamMasker;
  readonly json: boolean;
  /** Whether an event went out with a piece of this text changed. */
  isTouched: boolean;
  /** Which piece of all pieces of the stream was the last of this text. */
  lastPiece: number;
}

/** The running texts of one stream by their keys: at most `limits.streamKeysMax`, ended ones included. */
export interface RunningTexts {
  /** Adds the piece to the text that it continues, or begins. Throws Fault `masking_failed` at the bound. */
  push(delta: EventDelta): RunningText;
  get(key: string): RunningText | undefined;
  close(keys: readonly string[]): void;
  closeAll(): void;
  /**
   * Closes a text that others wait for and that seems to be over although nobody said so (reasoning that gave way to the answer): it
   * had no piece for long, and its open end is too short or too plain to matter should it go on after all. False: it stays open.
   */
  closeIdle(text: RunningText): boolean;
}

/** Pieces of other texts after which a text counts as idle; more when many texts take turns. */
const idlePiecesMin = 64;
const idleRoundsMin = 4;
/** Nobody can do anything with so little of a value. */
const idleTailCharsMax = 7;
/** A word of prose with its punctuation: no digit, no capital but the first, nothing that keys are made of. */
const plainWord = /^["'(\u201c\u2018]?\p{L}?\p{Ll}*[.,;:!?)"'\u201d\u2019\u2026]*$/u;

export function createRunningTexts(editor: TextEditor): RunningTexts {
  const texts = new Map<string, RunningText>();
  let pieces = 0;

  function textOf(delta: EventDelta): RunningText {
    const known = texts.get(delta.key);
    if (known) {
      invariant(known.json === delta.json, 'a running text is JSON from its first piece to its last, or never');
      return known;
    }
    if (texts.size >= limits.streamKeysMax) throw new Fault('masking_failed', 'too many running texts in one stream');
    const text = { masker: editor.open(delta), json: delta.json, isTouched: false, lastPiece: 0 };
    texts.set(delta.key, text);
    return text;
  }

  return {
    push: (delta) => {
      const text = textOf(delta);
      // An empty piece says nothing, not even that its text goes on after it was closed.
      if (delta.text !== '') {
        text.masker.push(delta.text);
        text.lastPiece = ++pieces;
      }
      return text;
    },
    get: (key) => texts.get(key),
    close: (keys) => {
      for (const key of keys) texts.get(key)?.masker.close();
    },
    closeAll: () => {
      for (const { masker } of texts.values()) masker.close();
    },
    closeIdle: ({ masker, json, lastPiece }) => {
      if (json || pieces - lastPiece < Math.max(idlePiecesMin, idleRoundsMin * texts.size)) return false;
      const tail = masker.tail();
      if (tail === null || (tail.length > idleTailCharsMax && !plainWord.test(tail))) return false;
      masker.close();
      return true;
    },
  };
}
