import { describe, expect, test } from 'vitest';
import type { BodyError } from '../../../src/llm/dialect.ts';
import { createFramer } from '../../../src/llm/framers.ts';
import type { StreamEvent } from '../../../src/llm/framing.ts';
import { corpusOf, fuzz, piecesOf } from '../../support/mutation.ts';

const json = ['{"a":1}', '"\\u', '\\"', '[', ']', '{', '}', ',', ':', 'null', '1e9', '\ufeff'];
const framings = [
  {
    framing: 'sse',
    words: ['data:', 'data: ', 'event: x', 'id:', 'retry: 1', ':', '\n', '\r', '\r\n', '\n\n', '[DONE]', ...json],
  },
  { framing: 'ndjson', words: ['\n', '\r\n', '\n\n', ' ', ...json] },
  { framing: 'json-array', words: ['[', ']', ',', ',\r\n', '\n]', ...json] },
  {
    framing: 'eventstream',
    words: ['\0\0\0\x10', '\0\0\0\0', ':event-type', ':exception-type', 'chunk', '\x07', ...json],
  },
] as const;

describe.each(framings)('$framing', ({ framing, words }) => {
  test('cut anywhere it is the same; every byte is in an event; JSON written again says the same', () => {
    fuzz(corpusOf(framing), words, 250, (bytes, random) => {
      const whole = readAll([bytes]);
      const inPieces = readAll(piecesOf(bytes, random));
      expect(inPieces.error).toBe(whole.error);
      if (whole.error !== null) return;
      expect(inPieces.events).toEqual(whole.events);
      expect(Buffer.concat(whole.events.map((event) => event.bytes))).toEqual(bytes);
      const framer = createFramer(framing);
      const written = whole.events.map((event) => {
        // What is no JSON no dialect reads, and so it is never written.
        const isWritten = event.payload !== null && valueIn(event.payload) !== notJson;
        return isWritten ? framer.write(event, event.payload) : event.bytes;
      });
      const again = readAll([Buffer.concat(written)]);
      expect([again.error, again.events.map(said)]).toEqual([null, whole.events.map(said)]);
    });
  });

  function readAll(pieces: readonly Buffer[]): {
    readonly error: BodyError['kind'] | null;
    readonly events: StreamEvent[];
  } {
    const framer = createFramer(framing);
    const events: StreamEvent[] = [];
    for (const piece of pieces) {
      const read = framer.push(piece);
      if (!read.ok) return { error: read.error.kind, events };
      events.push(...read.value);
    }
    const rest = framer.end();
    if (!rest.ok) return { error: rest.error.kind, events };
    return { error: null, events: [...events, ...rest.value] };
  }
});

function said({ payload }: StreamEvent): unknown {
  return payload === null ? null : valueIn(payload);
}

const notJson = 'not JSON';

function valueIn(payload: string): unknown {
  try {
    return JSON.parse(payload);
  } catch {
    return notJson;
  }
}
