import { isJsonObject, type JsonValue, jsonValueOf } from '../lib/json.ts';
import { limits } from '../lib/limits.ts';
import type { Analyse } from './external-recogniser.ts';
import type { Finding } from './finding.ts';

export interface PresidioOptions {
  /** Where Presidio Analyzer listens: `http://127.0.0.1:5002`. */
  readonly url: string;
  /** As Presidio calls it: `en`. */
  readonly language: string;
  /** Presidio's names: PERSON, LOCATION, … */
  readonly entities: readonly string[];
  /** Presidio leaves out what it is less sure of, 0 to 1. */
  readonly scoreThreshold: number;
}

/**
 * Presidio Analyzer over HTTP: `POST /analyze` (https://microsoft.github.io/presidio/api-docs/api-docs.html). Its offsets count code
 * points, as Python does; findings count UTF-16 code units. Throws on any status but 200 and on any answer that is not of this shape or
 * lies outside of the text; redirects are not followed.
 */
export function createPresidio(options: PresidioOptions): Analyse {
  const address = new URL('analyze', options.url.endsWith('/') ? options.url : `${options.url}/`);
  return async (text, signal) => {
    const reply = await fetch(address, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: JSON.stringify({
        // Half a surrogate pair has no UTF-8, which Python would trip over; the stand-in is as long.
        text: text.toWellFormed(),
        language: options.language,
        entities: options.entities,
        score_threshold: options.scoreThreshold,
      }),
      redirect: 'error',
      signal,
    }).catch((thrown: unknown) => {
      if (signal.aborted) throw thrown;
      throw new Error('Presidio cannot be reached', { cause: thrown });
    });
    const answer = await readBounded(reply);
    if (reply.status !== 200) throw new Error(`Presidio answered with status ${reply.status}`);
    const value = jsonValueOf(answer);
    if (value === undefined) throw malformed();
    return findingsOf(value, text);
  };
}

async function readBounded(reply: Response): Promise<string> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of reply.body ?? []) {
    bytes += piece.length;
    if (bytes > limits.recogniserAnswerBytesMax) throw new Error('the answer of Presidio is too large');
    pieces.push(piece);
  }
  return Buffer.concat(pieces).toString('utf8');
}

function findingsOf(answer: JsonValue, text: string): readonly Finding[] {
  if (!Array.isArray(answer)) throw malformed();
  if (answer.length > limits.recogniserFindingsMax) throw new Error('Presidio found more than can be handled');
  const unitAt = codePointOffsets(text);
  return answer.map((item: JsonValue) => {
    if (!isJsonObject(item)) throw malformed();
    const { entity_type: entity, start, end, score } = item;
    if (typeof entity !== 'string' || typeof score !== 'number' || !(score >= 0 && score <= 1)) throw malformed();
    if (typeof start !== 'number' || typeof end !== 'number') throw malformed();
    const [from, to] = [unitAt(start), unitAt(end)];
    if (from === null || to === null || from >= to) throw malformed();
    return { entity, detector: 'presidio', start: from, end: to, score };
  });
}

/** From an offset in code points to one in UTF-16 code units; null for what is none of this text. */
function codePointOffsets(text: string): (offset: number) => number | null {
  const pairs: number[] = [];
  let points = 0;
  for (let unit = 0; unit < text.length; points++) {
    const width = (text.codePointAt(unit) ?? 0) > 0xffff ? 2 : 1;
    if (width === 2) pairs.push(points);
    unit += width;
  }
  return (offset) => {
    if (!Number.isInteger(offset) || offset < 0 || offset > points) return null;
    let [low, high] = [0, pairs.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((pairs[middle] ?? 0) < offset) low = middle + 1;
      else high = middle;
    }
    return offset + low;
  };
}

function malformed(): Error {
  return new Error('the answer of Presidio is not of the shape that it should have');
}
