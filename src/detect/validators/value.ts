/** Code units from `start` to `end`. */
export interface Span {
  readonly units: Uint16Array;
  readonly start: number;
  readonly end: number;
}

/**
 * A value to be judged: as a string, for expressions, and as code units, which a loop reads several times faster than it can ask a part
 * of a long string for them.
 */
export interface Value extends Span {
  readonly value: string;
}

/** A text that is a value by itself. */
export function wholeValue(text: string): Value {
  const units = new Uint16Array(text.length);
  for (let at = 0; at < text.length; at++) units[at] = text.charCodeAt(at);
  return { value: text, units, start: 0, end: text.length };
}

/** The value at a place of a text. */
export function valueAt({ text, units, start, end }: Span & { readonly text: string }): Value {
  return { value: text.slice(start, end), units, start, end };
}

/** The beginning of a value, so that a check costs the same whatever an attacker writes. */
export function beginningOf(value: Value, charsMax: number): Value {
  return value.value.length <= charsMax ? value : partOf(value, 0, charsMax);
}

/** From one place of a value to another: places count from its beginning. */
export function partOf({ value, units, start, end }: Value, from: number, to: number): Value {
  return { value: value.slice(from, to), units, start: start + from, end: Math.min(end, start + to) };
}
