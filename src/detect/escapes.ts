/** Which ways of writing characters are undone, one level deep, before a second look. */
export interface Decoding {
  /** `%34` (RFC 3986 section 2.1). */
  readonly percent: boolean;
  /** `&#52;`, `&#x34;`, `&nbsp;` (HTML, section on named character references). */
  readonly html: boolean;
  /** Runs of base64 or base64url that decode to text (RFC 4648). */
  readonly base64: boolean;
}

/** A text as it reads once its encoding is undone, with the way back. */
export interface DecodedView {
  readonly text: string;
  /** What units `first` up to `end` come from; `isEncoded`: whether any of them was written in another way. */
  origin(first: number, end: number): { readonly start: number; readonly end: number; readonly isEncoded: boolean };
}

/** A character written in another way: `length` units stand for `text`. */
interface Escape {
  readonly length: number;
  readonly text: string;
}

/** The escape that begins at `at`; null: there is none; `open`: there may be one when more text comes. */
export function escapeAt(text: string, at: number, { percent, html }: Decoding): Escape | 'open' | null {
  const mark = text.charCodeAt(at);
  if (mark === 0x25 && percent) return percentAt(text, at);
  if (mark === 0x26 && html) return entityAt(text, at);
  return null;
}

/** Undoes the escapes of `text` from `from` to `to`. */
export function undoEscapes(text: string, from: number, to: number, decoding: Decoding): DecodedView {
  const undone: { readonly at: number; readonly length: number; readonly place: number; readonly units: number }[] = [];
  let decoded = '';
  let kept = from;
  for (let at = from; at < to; ) {
    const found = escapeAt(text, at, decoding);
    if (found === null || found === 'open' || at + found.length > to) {
      at++;
      continue;
    }
    decoded += text.slice(kept, at);
    undone.push({ at, length: found.length, place: decoded.length, units: found.text.length });
    decoded += found.text;
    at += found.length;
    kept = at;
  }
  decoded += text.slice(kept, to);

  /** Where a unit that is none of an escape's stands in the text as it came, and the escape that it is one of otherwise. */
  function originOf(unit: number): { start: number; end: number; isEscape: boolean } {
    let shift = from;
    for (const { at, length, place, units } of undone) {
      if (unit < place) break;
      if (unit < place + units) return { start: at, end: at + length, isEscape: true };
      shift = at + length - (place + units);
    }
    return { start: unit + shift, end: unit + shift + 1, isEscape: false };
  }

  return {
    text: decoded,
    origin: (first, end) => ({
      start: originOf(first).start,
      end: originOf(end - 1).end,
      isEncoded: undone.some(({ place, units }) => place < end && place + units > first),
    }),
  };
}

function percentAt(text: string, at: number): Escape | 'open' | null {
  const first = byteAt(text, at);
  if (first === 'open' || first === null) return first;
  const count = first < 0x80 ? 1 : first >= 0xc2 && first < 0xe0 ? 2 : first >= 0xe0 && first < 0xf0 ? 3 : 4;
  if (count === 1) return { length: 3, text: String.fromCharCode(first) };
  const bytes = [first];
  for (let i = 1; i < count; i++) {
    const next = byteAt(text, at + 3 * i);
    if (next === 'open') return 'open';
    if (next === null || next < 0x80 || next > 0xbf) return null;
    bytes.push(next);
  }
  const decoded = Buffer.from(bytes).toString('utf8');
  return decoded.includes('\ufffd') ? null : { length: 3 * count, text: decoded };
}

function byteAt(text: string, at: number): number | 'open' | null {
  if (at >= text.length) return 'open';
  if (text.charCodeAt(at) !== 0x25) return null;
  const digits = text.slice(at + 1, at + 3);
  if (!/^[0-9A-Fa-f]*$/.test(digits)) return null;
  return digits.length === 2 ? Number.parseInt(digits, 16) : 'open';
}

/** Longer than any reference that stands for something below. */
const entityCharsMax = 18;
const entity = /^&(?:#(\d{1,7})|#[xX]([0-9A-Fa-f]{1,6})|([A-Za-z]{2,14}));/;
const entityBegun = /^&(?:#\d{0,7}|#[xX][0-9A-Fa-f]{0,6}|[A-Za-z]{0,14})$/;

function entityAt(text: string, at: number): Escape | 'open' | null {
  const window = text.slice(at, at + entityCharsMax);
  const match = entity.exec(window);
  if (!match)
    return window.length < entityCharsMax && at + window.length === text.length && entityBegun.test(window)
      ? 'open'
      : null;
  const [whole, decimal, hex, name] = match;
  const code = decimal !== undefined ? Number(decimal) : hex !== undefined ? Number.parseInt(hex, 16) : -1;
  if (name !== undefined) {
    const named = namedReferences.get(name);
    return named === undefined ? null : { length: whole.length, text: named };
  }
  const isCharacter = code > 0 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff);
  return isCharacter ? { length: whole.length, text: String.fromCodePoint(code) } : null;
}

/** The references that stand for a character that values are written with. */
const namedReferences: ReadonlyMap<string, string> = new Map([
  ['amp', '&'],
  ['lt', '<'],
  ['gt', '>'],
  ['quot', '"'],
  ['apos', "'"],
  ['nbsp', ' '],
  ['ensp', ' '],
  ['emsp', ' '],
  ['thinsp', ' '],
  ['Tab', '\t'],
  ['NewLine', '\n'],
  ['commat', '@'],
  ['period', '.'],
  ['comma', ','],
  ['colon', ':'],
  ['semi', ';'],
  ['sol', '/'],
  ['bsol', '\\'],
  ['equals', '='],
  ['plus', '+'],
  ['num', '#'],
  ['dollar', '$'],
  ['percnt', '%'],
  ['excl', '!'],
  ['quest', '?'],
  ['ast', '*'],
  ['lowbar', '_'],
  ['UnderBar', '_'],
  ['hyphen', '-'],
  ['dash', '-'],
  ['ndash', '-'],
  ['mdash', '-'],
  ['minus', '-'],
  ['lpar', '('],
  ['rpar', ')'],
  ['lsqb', '['],
  ['rsqb', ']'],
  ['lcub', '{'],
  ['rcub', '}'],
  ['vert', '|'],
  ['grave', '`'],
  ['shy', '\u00ad'],
  ['zwj', '\u200d'],
  ['zwnj', '\u200c'],
  ['ZeroWidthSpace', '\u200b'],
]);
