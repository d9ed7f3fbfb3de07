/** What a stretch of JSON text is: inside of a string, a number, another word outside of strings, or quotes, brackets, space. */
export type ZoneKind = 'string' | 'number' | 'word' | 'structure';

export interface Zone {
  readonly kind: ZoneKind;
  /** Raw offset. */
  readonly start: number;
  /** Raw offset; null while the zone may still grow. */
  readonly end: number | null;
}

/**
 * JSON text as a detector should read it: the contents of strings un-escaped (`\u0034111` is a card number's beginning too), all
 * else as it is. Reads piece by piece, escapes cut anywhere; what is no valid JSON is read as well as it can be, never refused.
 * One level deep: JSON inside of a JSON string is seen as the text that it is.
 */
export interface JsonView {
  /** The next raw piece; returns the next piece of the view. An escape that is not yet whole is kept. */
  push(raw: string): string;
  /** Returns what was kept of a cut escape, as it stands. */
  close(): string;
  /** The raw offset where character `view` of the view begins; for the view's length, where its raw text ends. */
  rawAt(view: number): number;
  /** The zones that overlap raw `[start, end)`, and for an empty range the one that `start` lies in, if any. */
  zones(start: number, end: number): readonly Zone[];
  /** Lets go of what is known of raw text before the offset. */
  forget(raw: number): void;
}

/** From view offset `view` on, raw offsets run in step with view offsets, until the next of these. */
interface Step {
  readonly view: number;
  readonly raw: number;
}

/** Steps and zones are cut when this many are dead. */
const deadEntriesMax = 256;

const quote = 0x22;
const backslash = 0x5c;

export function createJsonView(): JsonView {
  let isInString = false;
  /** An escape that has begun: `\`, `\u`, `\u0`, … */
  let partial = '';
  let viewLength = 0;
  let rawLength = 0;
  let steps: Step[] = [{ view: 0, raw: 0 }];
  let zoneStarts: { readonly start: number; readonly kind: ZoneKind }[] = [{ start: 0, kind: 'structure' }];
  let zone: ZoneKind = 'structure';

  function enter(kind: ZoneKind, start: number): void {
    if (kind === zone) return;
    zone = kind;
    const last = zoneStarts[zoneStarts.length - 1];
    // An empty zone (the string "") leaves no trace.
    if (last !== undefined && last.start === start) zoneStarts.pop();
    zoneStarts.push({ start, kind });
  }

  function push(raw: string): string {
    const rawStart = rawLength;
    rawLength += raw.length;
    let out = '';
    /** `raw` from here on is in the view as it stands, up to where the loop is. */
    let run = partial === '' ? 0 : -1;
    for (let i = 0; i < raw.length; i++) {
      const code = raw.charCodeAt(i);
      if (partial !== '') {
        const read = readEscape(partial, raw.charAt(i));
        if (read.kind === 'open') {
          partial += raw.charAt(i);
          continue;
        }
        if (read.kind === 'whole') {
          out += read.char;
          steps.push({ view: viewLength + out.length, raw: rawStart + i + 1 });
          partial = '';
          run = i + 1;
          continue;
        }
        // No escape after all: its characters stand for themselves, and this one is read afresh.
        out += partial;
        partial = '';
        run = i;
      }
      if (isInString) {
        if (code === backslash) {
          out += raw.slice(run, i);
          partial = '\\';
          run = -1;
        } else if (code === quote) {
          isInString = false;
          enter('structure', rawStart + i);
        }
      } else if (code === quote) {
        isInString = true;
        enter('structure', rawStart + i);
        enter('string', rawStart + i + 1);
      } else {
        if (isStructure(code)) enter('structure', rawStart + i);
        else if (zone === 'structure') enter(beginsNumber(code) ? 'number' : 'word', rawStart + i);
      }
    }
    if (run >= 0) out += raw.slice(run);
    viewLength += out.length;
    return out;
  }

  function close(): string {
    const rest = partial;
    partial = '';
    viewLength += rest.length;
    return rest;
  }

  return {
    push,
    close,
    rawAt: (view) => {
      const step = steps[lastAtMost(steps.length, (i) => (steps[i]?.view ?? 0) <= view)];
      return step === undefined ? view : step.raw + (view - step.view);
    },
    zones: (start, end) => {
      const found: Zone[] = [];
      for (
        let i = lastAtMost(zoneStarts.length, (j) => (zoneStarts[j]?.start ?? 0) <= start);
        i < zoneStarts.length;
        i++
      ) {
        const here = zoneStarts[i];
        if (here === undefined || (here.start >= end && found.length > 0)) break;
        found.push({
          kind: here.kind,
          start: here.start,
          end: zoneStarts[i + 1]?.start ?? null,
        });
      }
      return found;
    },
    forget: (raw) => {
      const deadZones = lastAtMost(zoneStarts.length, (i) => (zoneStarts[i]?.start ?? 0) <= raw);
      if (deadZones > deadEntriesMax) zoneStarts = zoneStarts.slice(deadZones);
      const deadSteps = lastAtMost(steps.length, (i) => (steps[i]?.raw ?? 0) <= raw);
      if (deadSteps > deadEntriesMax) steps = steps.slice(deadSteps);
    },
  };
}

type EscapeReading = { readonly kind: 'open' | 'none' } | { readonly kind: 'whole'; readonly char: string };

const open: EscapeReading = { kind: 'open' };
const none: EscapeReading = { kind: 'none' };
const shortEscapes: ReadonlyMap<string, string> = new Map([
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
]);

/** Reads one more character of an escape (RFC 8259 section 7). An unknown short escape stands for its character. */
function readEscape(begun: string, next: string): EscapeReading {
  if (begun === '\\') return next === 'u' ? open : { kind: 'whole', char: shortEscapes.get(next) ?? next };
  if (!/^[0-9A-Fa-f]$/.test(next)) return none;
  if (begun.length < 5) return open;
  return {
    kind: 'whole',
    char: String.fromCharCode(Number.parseInt(begun.slice(2) + next, 16)),
  };
}

/** Whitespace and `{ } [ ] , :`. */
function isStructure(code: number): boolean {
  return (
    code === 0x20 ||
    (code >= 0x09 && code <= 0x0d) ||
    code === 0x2c ||
    code === 0x3a ||
    code === 0x5b ||
    code === 0x5d ||
    code === 0x7b ||
    code === 0x7d
  );
}

/** `-` or a digit. */
function beginsNumber(code: number): boolean {
  return code === 0x2d || (code >= 0x30 && code <= 0x39);
}

/** The last index for which `isAtMost` holds; it holds for a beginning of the indexes. 0 when it holds for none. */
function lastAtMost(length: number, isAtMost: (index: number) => boolean): number {
  let low = 0;
  let high = length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (isAtMost(middle)) low = middle;
    else high = middle - 1;
  }
  return low;
}
