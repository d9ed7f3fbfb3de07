import { limits } from '../lib/limits.ts';
import { base64CharsMin, decodeRun, maySayText, nextRun, trailingRun } from './base64-runs.ts';
import { type DecodedView, type Decoding, escapeAt, undoEscapes } from './escapes.ts';
import type { Detector, Finding } from './finding.ts';
import { contextCharsMax } from './rule.ts';

/** Looks at what a running text says once its encodings are undone. Offsets are of the text it is given. */
export interface SecondLook {
  /** Reads on to the end of `text`; with `last`, the text ends there. */
  look(text: string, last: boolean): Look;
  /** `by` units were cut from the beginning of the text. */
  shift(by: number): void;
}

export interface Look {
  /** Findings in what was decoded, at the place of what they were decoded from. */
  readonly findings: readonly Finding[];
  /** First place at which a finding may still come to light. */
  readonly openFrom: number;
}

/** How far left of an escape, and right of one, its text is read with it. */
const besideChars = 64;
/** A word that goes on is read to its end, but no further than this. */
const wordCharsMax = 256;

/** Percent-encoding and HTML references: what stands around them is read with them undone. */
export function lookBehindEscapes(detector: Detector, decoding: Decoding): SecondLook {
  const marks = [...(decoding.percent ? ['%'] : []), ...(decoding.html ? ['&'] : [])];
  /** Next place of each mark at or behind `at`; -1: none so far. */
  const places = marks.map(() => -1);
  let at = 0;

  function nextMark(text: string): number {
    let next = -1;
    for (let i = 0; i < marks.length; i++) {
      let place = places[i] ?? -1;
      if (place < at) {
        place = text.indexOf(marks[i] ?? '', at);
        places[i] = place < 0 ? Number.POSITIVE_INFINITY : place;
      }
      if (place >= 0 && place < text.length && (next < 0 || place < next)) next = place;
    }
    return next;
  }

  /** End of the stretch of text to read with the escapes from `mark` on; null: it may go on behind the end of the text. */
  function endOf(text: string, start: number, mark: number, last: boolean): number | null {
    let end = mark;
    for (let place = mark; place < Math.min(text.length, end + besideChars); ) {
      const found = escapeAt(text, place, decoding);
      if (found === 'open' && !last) return null;
      place += found === null || found === 'open' ? 1 : found.length;
      if (found !== null && found !== 'open') end = place;
      if (end - start >= limits.unescapedCharsMax) return end;
    }
    let to = end + besideChars;
    while (to < text.length && to < end + wordCharsMax && !isSpace(text.charCodeAt(to))) to++;
    if (to >= text.length && !last) return null;
    return Math.min(text.length, to);
  }

  return {
    look: (text, last) => {
      // What was not there before may be there now.
      for (let i = 0; i < places.length; i++) if (places[i] === Number.POSITIVE_INFINITY) places[i] = -1;
      const findings: Finding[] = [];
      for (let mark = nextMark(text); mark >= 0; mark = nextMark(text)) {
        const found = escapeAt(text, mark, decoding);
        if (found === null || (found === 'open' && last)) {
          at = mark + 1;
          continue;
        }
        const start = beginOf(text, mark);
        const end = found === 'open' ? null : endOf(text, start, mark, last);
        if (end === null) {
          at = mark;
          return { findings, openFrom: start };
        }
        findings.push(...findIn(detector, text, start, undoEscapes(text, start, end, decoding)));
        at = end;
      }
      at = text.length;
      return { findings, openFrom: text.length };
    },
    shift: (by) => {
      at -= by;
      for (let i = 0; i < places.length; i++) places[i] = Math.max(-1, (places[i] ?? 0) - by);
    },
  };
}

/** Runs of base64 that say something readable. */
export function lookIntoBase64(detector: Detector): SecondLook {
  let at = 0;
  return {
    look: (text, last) => {
      const findings: Finding[] = [];
      for (let run = nextRun(text, at, text.length); run; run = nextRun(text, at, text.length)) {
        const { start, end } = run;
        if (end === text.length && !last && end - start <= limits.decodedRunCharsMax) {
          at = start;
          return { findings, openFrom: openPart(text, start, end) };
        }
        for (const view of decodeRun(text, run)) findings.push(...findIn(detector, text, start, view));
        at = end;
      }
      at = Math.max(at, trailingRun(text, Math.max(at, text.length - base64CharsMin), text.length));
      return { findings, openFrom: last ? text.length : at };
    },
    shift: (by) => {
      // A run that says nothing is not held: its beginning may be gone.
      at = Math.max(0, at - by);
    },
  };
}

/** From where on a run that goes on may turn out to say something. */
function openPart(text: string, start: number, end: number): number {
  if (end - start < base64CharsMin || maySayText(text, start, end)) return start;
  let part = end;
  while (part > start && !'-_/'.includes(text.charAt(part - 1))) part--;
  return end - part < base64CharsMin || maySayText(text, part, end) ? part : end;
}

/**
 * What the detector finds in a decoded stretch of text, read behind what stands before it, so that words to the left count.
 * Only what was encoded at least in part: the rest is found where it stands.
 */
function findIn(detector: Detector, text: string, start: number, view: DecodedView): Finding[] {
  const from = Math.max(0, start - contextCharsMax);
  const before = start - from;
  const found: Finding[] = [];
  for (const finding of detector.scan(text.slice(from, start) + view.text).findings) {
    if (finding.end <= before) continue;
    const { start: begin, end, isEncoded } = view.origin(Math.max(0, finding.start - before), finding.end - before);
    if (isEncoded) found.push({ ...finding, start: finding.start < before ? from + finding.start : begin, end });
  }
  return found;
}

/** Where the word that holds `at` begins, with groups of digits before it. */
function beginOf(text: string, at: number): number {
  const limit = Math.max(0, at - besideChars);
  let begin = at;
  while (begin > limit) {
    const isBlank = isSpace(text.charCodeAt(begin - 1));
    if (isBlank && !(begin >= 2 && isDigit(text.charCodeAt(begin - 2)))) break;
    begin--;
  }
  return begin;
}

function isSpace(unit: number): boolean {
  return unit === 0x20 || (unit >= 0x09 && unit <= 0x0d);
}

function isDigit(unit: number): boolean {
  return unit >= 0x30 && unit <= 0x39;
}
