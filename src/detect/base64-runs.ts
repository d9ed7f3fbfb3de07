import { limits } from '../lib/limits.ts';
import type { DecodedView } from './escapes.ts';

/** Shorter runs are words, names and ids. Fifteen bytes. */
export const base64CharsMin = 20;

const inRun = new Uint8Array(0x10000);
for (const char of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_') inRun[char.charCodeAt(0)] = 1;

/** A run of characters of base64 or base64url, without its padding. */
export interface Base64Run {
  readonly start: number;
  readonly end: number;
}

/** The next run of at least `base64CharsMin` that begins at or behind `from`; null when there is none before `to`. */
export function nextRun(text: string, from: number, to: number): Base64Run | null {
  let at = from;
  while (at + base64CharsMin <= to) {
    // Look at the far end first: where that is no part of a run, none of this length begins here.
    let last = at + base64CharsMin - 1;
    while (last >= at && inRun[text.charCodeAt(last)]) last--;
    if (last >= at) {
      at = last + 1;
      continue;
    }
    let end = at + base64CharsMin;
    while (end < to && inRun[text.charCodeAt(end)]) end++;
    return { start: at, end };
  }
  return null;
}

/** Where the run that the text ends with begins; `to` when it ends with none. */
export function trailingRun(text: string, from: number, to: number): number {
  let at = to;
  while (at > from && inRun[text.charCodeAt(at - 1)]) at--;
  return at;
}

/** Bytes by which a run is judged before more of it is decoded. */
const headChars = 32;

/** Whether what is there of a run could be text in base64: most runs are not, and need not be held. */
export function maySayText(text: string, start: number, end: number): boolean {
  const head = text.slice(start, Math.min(end, start + headChars));
  return isText(Buffer.from(head.slice(0, head.length - (head.length % 4)), 'base64'));
}

/**
 * What a run says, each unit with the four characters that it comes from; null when that is no text. Where the whole run says
 * nothing, its parts between `/`, `-` and `_` may: those characters separate words as well.
 */
export function decodeRun(text: string, { start, end }: Base64Run): readonly DecodedView[] {
  const whole = decodePart(text, start, end);
  if (whole) return [whole];
  const views: DecodedView[] = [];
  for (const separators of [/[-_]/g, /[-_/]/g]) {
    let from = start;
    const run = text.slice(start, Math.min(end, start + limits.decodedRunCharsMax));
    for (const cut of [...[...run.matchAll(separators)].map(({ index }) => start + index), end]) {
      const view = cut - from >= base64CharsMin ? decodePart(text, from, cut) : null;
      if (view) views.push(view);
      from = cut + 1;
    }
    if (views.length > 0) return views;
  }
  return views;
}

function decodePart(text: string, start: number, end: number): DecodedView | null {
  if (end - start > limits.decodedRunCharsMax || !maySayText(text, start, end)) return null;
  const bytes = Buffer.from(text.slice(start, end), 'base64');
  if (!isText(bytes)) return null;
  const decoded = bytes.toString('utf8');
  return {
    text: decoded,
    origin: (first, last) => ({
      start: start + 4 * Math.floor(Buffer.byteLength(decoded.slice(0, first)) / 3),
      end: Math.min(end, start + 4 * Math.ceil(Buffer.byteLength(decoded.slice(0, last)) / 3)),
      isEncoded: true,
    }),
  };
}

/** Printable, but for a character or so that was cut off at the end. */
function isText(bytes: Buffer): boolean {
  if (bytes.length < 9) return false;
  let odd = 0;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] ?? 0;
    if (byte >= 0x80) return isUtf8(bytes);
    if (byte < 0x20 ? byte !== 0x09 && byte !== 0x0a && byte !== 0x0d : byte === 0x7f) odd++;
  }
  return odd === 0;
}

function isUtf8(bytes: Buffer): boolean {
  const decoded = bytes.toString('utf8');
  // Only the end may be cut within a character.
  const broken = decoded.indexOf('\ufffd');
  if (broken >= 0 && broken < decoded.length - 2) return false;
  return !/[\u0000-\u0008\u000e-\u001f\u007f]/.test(decoded) && /[\u0020-\u007e]/.test(decoded);
}
