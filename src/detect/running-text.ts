import { type CompiledRule, kindOf } from './compiled-rule.ts';
import { type ContextWalk, type ContextWords, createContextWalk } from './context.ts';
import { createRunWalk, type RunWalk } from './run-walk.ts';

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
  /** The same for what must not follow it, by `notAfterId`. */
  readonly runs: (RunWalk | undefined)[];
}

export function createRunningText(): RunningText {
  return { text: '', units: new Uint16Array(0), bytes: Buffer.allocUnsafeSlow(0), contexts: [], runs: [] };
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

/** Whether no value of a rule can end there: wherever one does, what must not follow it does. */
export function endsNowhere({ runs, units }: RunningText, rule: CompiledRule, start: number): boolean {
  const { notAfter, notAfterId } = rule;
  if (notAfter === null) return false;
  const lengths = rule.lengths();
  if (lengths === null || lengths.longest > rule.maxLength) return false;
  if (notAfter[kindOf(units[start + lengths.shortest] ?? 0)] !== 1) return false;
  const walk = runs[notAfterId] ?? createRunWalk(notAfter);
  runs[notAfterId] = walk;
  return walk.covers(units, start + lengths.shortest, start + lengths.longest);
}

/** Begins another text in the same memory, unless that is large. */
export function restart(running: RunningText): void {
  if (running.bytes.length > 2 * keptMax) running.bytes = Buffer.allocUnsafeSlow(0);
  running.units = new Uint16Array(running.bytes.buffer, 0, 0);
  running.text = '';
  forget(running);
}

/** Lets go of the first units; positions move by as many. */
export function dropFirst(running: RunningText, count: number): void {
  running.text = running.text.slice(count);
  const { units } = running;
  units.copyWithin(0, count);
  running.units = units.subarray(0, units.length - count);
  forget(running);
}

function forget({ contexts, runs }: RunningText): void {
  for (const walk of contexts) walk?.forget();
  for (const walk of runs) walk?.forget();
}

/** A stream's text grows by small pieces: room for many of them at once. */
const growthMin = 512;
/** Units of memory that a text leaves to the next one at most. */
const keptMax = 196_608;
