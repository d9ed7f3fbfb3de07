import { isJsonObject, type JsonValue, jsonValueOf } from '../../lib/json.ts';
import type { Line } from './lines.ts';

/** A text to be looked at, from a line such as `{"id":"a1","text":"…"}`. */
export interface GivenText {
  /** As given; the number of the line when the line has none. */
  readonly id: JsonValue;
  readonly text: string;
}

/** What a line holds: a text, nothing (a blank line), or a mistake, in words for whoever wrote the line. */
export type ReadLine = { readonly kind: 'text'; readonly given: GivenText } | { readonly kind: 'blank' } | BadLine;

export interface BadLine {
  readonly kind: 'bad';
  /** The id, if there is one in spite of the mistake. */
  readonly id: JsonValue;
  readonly problem: string;
}

/** Reads one line of JSON Lines (https://jsonlines.org). Members other than `id` and `text` are passed over. */
export function readLine(line: Line): ReadLine {
  if (line.text === null) return bad(null, line.problem);
  if (line.text.trim() === '') return { kind: 'blank' };
  const value = jsonValueOf(line.text);
  if (value === undefined) return bad(null, 'is not JSON: each line must be {"id": …, "text": "…"}');
  if (!isJsonObject(value)) return bad(null, 'is JSON, but no object: each line must be {"id": …, "text": "…"}');
  const { id = line.number, text } = value;
  if (typeof text !== 'string') return bad(id, text === undefined ? 'has no "text"' : 'has a "text" that is no string');
  return { kind: 'text', given: { id, text } };
}

function bad(id: JsonValue, problem: string): BadLine {
  return { kind: 'bad', id, problem };
}
