import { jsonString } from '../llm/json-string.ts';
import { createDecider, type Masking } from './decider.ts';
import { createEditedText } from './edited-text.ts';
import { createJsonView, type Zone } from './json-view.ts';
import { type StreamMasker, tailCharsMax } from './stream-masker.ts';

/**
 * A word outside of strings (number, literal) is replaced as one, and so is held until it is whole; but no JSON number that
 * means anything is longer than this, and nothing may be held without a bound.
 */
const bareWordCharsMax = 256;

/**
 * For text that is a JSON document in pieces (tool-call arguments): found values are read un-escaped and written escaped, quotes
 * and brackets are never touched, and a number that holds a value becomes a string. So the output is valid JSON whenever the
 * input is; the input need not be.
 */
export function createJsonStreamMasker(masking: Masking, role: string): StreamMasker {
  const raw = createEditedText();
  const view = createJsonView();
  /** Masked values in raw offsets, that may touch a bare word whose end has not come. */
  let waiting: {
    readonly start: number;
    readonly end: number;
    readonly replacement: string;
  }[] = [];
  const decider = createDecider(masking, role, (start, end, replacement) => {
    waiting.push({
      start: view.rawAt(start),
      end: view.rawAt(end),
      replacement,
    });
  });
  let isClosed = false;
  let decided = 0;

  function settle(): void {
    let settled = 0;
    for (const value of waiting) {
      const zones = view.zones(value.start, value.end);
      if (zones.some(isGrowing)) break;
      let replacement = jsonString(value.replacement).slice(1, -1);
      for (const zone of zones) {
        if (replaceIn(zone, value.start, value.end, replacement)) replacement = '';
      }
      settled++;
    }
    if (settled > 0) waiting = waiting.slice(settled);
    decided = decidedNow();
  }

  /** Masks what of `[start, end)` lies in the zone. False when nothing does: the replacement is for the next zone then. */
  function replaceIn(zone: Zone, start: number, end: number, replacement: string): boolean {
    const zoneEnd = zone.end ?? raw.length();
    const from = Math.max(start, zone.start);
    const to = Math.min(end, zoneEnd);
    if (zone.kind === 'structure' || from >= to) return false;
    if (zone.kind === 'string') {
      raw.edit(from, to, replacement);
      return true;
    }
    if (zoneEnd - zone.start <= bareWordCharsMax) {
      // A second value in the same word finds it replaced already.
      if (raw.edited() <= zone.start) raw.edit(zone.start, zoneEnd, `"${replacement}"`);
      return true;
    }
    // Too long to have been held: its beginning may be out, without a quote. Digits for digits keep a number a number.
    raw.edit(from, to, zone.kind === 'number' ? raw.slice(from, to).replace(/[0-9]/g, '1') : replacement);
    return true;
  }

  function decidedNow(): number {
    if (masking.plan.isEmpty) return raw.length();
    let safe = view.rawAt(decider.decided());
    const first = waiting[0];
    if (first !== undefined) safe = Math.min(safe, first.start);
    const [zone] = view.zones(safe, safe);
    const isWithin =
      zone !== undefined && isBare(zone) && safe > zone.start && (zone.end === null ? !isClosed : safe < zone.end);
    if (isWithin && (zone.end ?? raw.length()) - zone.start <= bareWordCharsMax) safe = zone.start;
    return Math.max(safe, decided);
  }

  function isGrowing(zone: Zone): boolean {
    return isBare(zone) && zone.end === null && !isClosed && raw.length() - zone.start <= bareWordCharsMax;
  }

  return {
    push: (piece) => {
      isClosed = false;
      raw.append(piece);
      decider.push(view.push(piece));
      settle();
    },
    close: () => {
      isClosed = true;
      const rest = view.close();
      if (rest !== '') decider.push(rest);
      decider.close();
      settle();
    },
    length: raw.length,
    decided: () => decided,
    take: (to) => {
      const text = raw.take(to);
      view.forget(to);
      return text;
    },
    tail: () => (raw.length() - decided > tailCharsMax ? null : raw.slice(decided, raw.length())),
  };
}

function isBare(zone: Zone): boolean {
  return zone.kind === 'number' || zone.kind === 'word';
}

/** A whole text at once, exactly as its pieces would be masked. The very string that was given when nothing was masked. */
export function maskJsonText(text: string, masking: Masking, role: string): string {
  const masker = createJsonStreamMasker(masking, role);
  masker.push(text);
  masker.close();
  return masker.take(masker.length()) ?? text;
}
