import { type ContextWalk, type ContextWords, createContextWalk } from './context.ts';

/**
 * The text that rules are tried on: as a string for checks and values, and as code units, which a loop reads three times
 * faster than it can ask a string for them.
 */
export interface RunningText {
  text: string;
  /** As long as the text. */
  units: Uint16Array;
  /** The memory that `units` is a part of, from its beginning. */
  bytes: Buffer;
  /** What has been read of it for the context of a rule, by its order. */
  readonly contexts: (ContextWalk | undefined)[];
}

export function createRunningText(): RunningText {
  return { text: '', units: new Uint16Array(0), bytes: Buffer.allocUnsafeSlow(0), contexts: [] };
}

/** Whether one of a rule's words stands near what begins at `start`. */
export function hasContext(
  { contexts, units }: RunningText,
  order: number,
  words: ContextWords,
  start: number,
): boolean {
  const walk = contexts[order] ?? createContextWalk(words);
  contexts[order] = walk;
  return walk.stands(units, start);
}

export function append(running: RunningText, piece: string): void {
  if (piece === '') return;
  const { units } = running;
  const used = units.length;
  const length = used + piece.length;
  if (2 * length > running.bytes.length) {
    // Its own memory: what lies behind a piece of the common pool belongs to others.
    const bytes = Buffer.allocUnsafeSlow(2 * (used === 0 ? length : Math.max(2 * length, growthMin)));
    bytes.set(running.bytes.subarray(0, 2 * used));
    running.bytes = bytes;
  }
  const { bytes } = running;
  bytes.write(piece, 2 * used, 'utf16le');
  running.units = new Uint16Array(bytes.buffer, 0, length);
  running.text += piece;
}

/** Begins another text in the same memory, unless that is large. */
export function restart(running: RunningText): void {
  if (running.bytes.length > 2 * keptMax) running.bytes = Buffer.allocUnsafeSlow(0);
  running.units = new Uint16Array(running.bytes.buffer, 0, 0);
  running.text = '';
  for (const walk of running.contexts) walk?.forget();
}

/** Lets go of the first units; positions move by as many. */
export function dropFirst(running: RunningText, count: number): void {
  running.text = running.text.slice(count);
  const { units } = running;
  units.copyWithin(0, count);
  running.units = units.subarray(0, units.length - count);
  for (const walk of running.contexts) walk?.forget();
}

/** A stream's text grows by small pieces: room for many of them at once. */
const growthMin = 512;
/** Units of memory that a text leaves to the next one at most. */
const keptMax = 196_608;
