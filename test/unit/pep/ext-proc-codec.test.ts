import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  ProcessingRequest,
  ProcessingResponse,
} from '../../../src/gen/envoy/service/ext_proc/v3/external_processor.ts';
import { decodeProcessingRequest } from '../../../src/pep/ext-proc-decode.ts';
import { encodeProcessingResponse, streamedPieces } from '../../../src/pep/ext-proc-encode.ts';
import type { Answer, BodyChange, Direction } from '../../../src/pep/ext-proc-event.ts';

/** The codec written by hand against the generated one, which is the reference. */

const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
/** Some that the decoder knows, and some that differ from those in one letter. */
const name = fc.oneof(
  fc.stringMatching(/^[a-z][a-z0-9-]{0,12}$/),
  fc.constantFrom('content-length', 'content-type', 'x-request-id', 'accept', 'accepz', 'acbept', 'bccept', 'accept-'),
);
const headerMap = fc.record({
  headers: fc.array(fc.record({ key: name, value: fc.string(), rawValue: bytes }), { maxLength: 5 }),
});
const struct = fc.dictionary(name, fc.oneof(fc.string(), fc.boolean(), fc.integer(), fc.constant(null)), {
  maxKeys: 3,
});

const request: fc.Arbitrary<ProcessingRequest> = fc.record({
  request: fc.oneof(
    ...(['requestHeaders', 'responseHeaders'] as const).map(($case) =>
      fc.record({ $case: fc.constant($case), value: fc.record({ headers: headerMap, endOfStream: fc.boolean() }) }),
    ),
    ...(['requestBody', 'responseBody'] as const).map(($case) =>
      fc.record({ $case: fc.constant($case), value: fc.record({ body: bytes, endOfStream: fc.boolean() }) }),
    ),
    ...(['requestTrailers', 'responseTrailers'] as const).map(($case) =>
      fc.record({ $case: fc.constant($case), value: fc.record({ trailers: headerMap }) }),
    ),
    fc.constant(undefined),
  ),
  metadataContext: fc.option(fc.record({ filterMetadata: fc.dictionary(name, struct, { maxKeys: 2 }) }), {
    nil: undefined,
  }),
  attributes: fc.dictionary(fc.constant('envoy.filters.http.ext_proc'), struct, { maxKeys: 1 }),
  observabilityMode: fc.boolean(),
  protocolConfig: fc.option(
    fc.record({
      requestBodyMode: fc.constantFrom(0, 1, 2, 3, 4) as fc.Arbitrary<0 | 1 | 2 | 3 | 4>,
      responseBodyMode: fc.constantFrom(0, 1, 2, 3, 4) as fc.Arbitrary<0 | 1 | 2 | 3 | 4>,
      sendBodyWithoutWaitingForHeaderResponse: fc.boolean(),
    }),
    { nil: undefined },
  ),
});

const modeNames: readonly string[] = ['none', 'streamed', 'buffered', 'buffered_partial', 'full_duplex'];

test('a message is read as the generated codec wrote it', () => {
  fc.assert(
    fc.property(request, (message) => {
      const read = decodeProcessingRequest(Buffer.from(ProcessingRequest.encode(message).finish()));
      const { request: oneof } = message;
      const direction: Direction = oneof?.$case.startsWith('response') ? 'response' : 'request';
      switch (oneof?.$case) {
        case undefined:
          expect(read.message).toEqual({ kind: 'unknown' });
          break;
        case 'requestHeaders':
        case 'responseHeaders': {
          const expected = new Map<string, string>();
          for (const { key, value, rawValue } of oneof.value.headers?.headers ?? []) {
            const text = rawValue.length > 0 ? rawValue.toString('utf8') : value;
            const before = expected.get(key);
            expected.set(key, before === undefined ? text : `${before}, ${text}`);
          }
          expect(read.headers?.headers).toEqual(expected);
          expect(read.message).toEqual({
            kind: 'headers',
            direction,
            endOfStream: oneof.value.endOfStream,
            hasContentLength: expected.has('content-length'),
          });
          break;
        }
        case 'requestBody':
        case 'responseBody':
          expect(read.message).toEqual({
            kind: 'body',
            direction,
            body: oneof.value.body,
            endOfStream: oneof.value.endOfStream,
          });
          break;
        default:
          expect(read.message).toEqual({ kind: 'trailers', direction });
      }
      expect(read.metadata).toEqual(message.metadataContext?.filterMetadata ?? null);
      expect(read.attributes).toEqual(message.attributes['envoy.filters.http.ext_proc'] ?? null);
      expect(read.observing).toBe(message.observabilityMode);
      expect(read.modes).toEqual(
        message.protocolConfig === undefined
          ? null
          : {
              request: modeNames[message.protocolConfig.requestBodyMode],
              response: modeNames[message.protocolConfig.responseBodyMode],
            },
      );
    }),
  );
});

test('fields of a later Envoy are skipped, and no bytes make the decoder do anything but read or throw', () => {
  fc.assert(
    fc.property(bytes, request, (noise, message) => {
      const encoded = Buffer.from(ProcessingRequest.encode(message).finish());
      // Field 100, length-delimited.
      const unknown = Buffer.concat([
        Buffer.from([0xa2, 0x06, noise.length & 0x7f]),
        noise.subarray(0, noise.length & 0x7f),
      ]);
      expect(() => decodeProcessingRequest(Buffer.concat([encoded, unknown]))).not.toThrow();
      try {
        decodeProcessingRequest(noise);
      } catch (thrown) {
        expect(thrown).toBeInstanceOf(Error);
      }
    }),
  );
});

test('a length beyond the message is malformed, however deep it lies', () => {
  // requestBody{body: 0x7f bytes} in a message that ends before.
  for (const malformed of ['2203', '22020a7f', '12040a020a7f', '12060a040a020a7f']) {
    expect(() => decodeProcessingRequest(Buffer.from(malformed, 'hex'))).toThrow();
  }
});

const headerChanges = fc.record({
  set: fc.array(fc.tuple(name, fc.string()), { maxLength: 3 }).map((entries) => new Map(entries)),
  remove: fc.array(name, { maxLength: 3 }),
});
const direction = fc.constantFrom<Direction>('request', 'response');
const bodyChange: fc.Arbitrary<BodyChange> = fc.oneof(
  fc.constant<BodyChange>({ kind: 'keep' }),
  fc.constant<BodyChange>({ kind: 'clear' }),
  fc.record({ kind: fc.constant('replace' as const), body: bytes.filter((body) => body.length > 0) }),
);
const answer: fc.Arbitrary<Answer> = fc.oneof(
  fc.record({ kind: fc.constant('headers' as const), direction, changes: fc.array(headerChanges, { maxLength: 2 }) }),
  fc.record({
    kind: fc.constant('body' as const),
    direction,
    body: bodyChange,
    changes: fc.array(headerChanges, { maxLength: 2 }),
  }),
  fc.record({ kind: fc.constant('streamed' as const), direction, body: bytes, endOfStream: fc.boolean() }),
  fc.record({ kind: fc.constant('trailers' as const), direction }),
  fc.record({
    kind: fc.constant('immediate' as const),
    reply: fc.record({
      status: fc.integer({ min: 200, max: 599 }),
      headers: headerChanges.map(({ set }) => set),
      body: bytes,
      details: fc.string(),
    }),
  }),
);

test('an answer is read by the generated codec, and written by it to the same bytes', () => {
  fc.assert(
    fc.property(answer, (given) => {
      const encoded = encodeProcessingResponse(given);
      const read = ProcessingResponse.decode(encoded);
      expect(Buffer.from(ProcessingResponse.encode(read).finish())).toEqual(orderedAlike(given, encoded));
      expect(read.response).toEqual(expected(given));
    }),
  );
});

/** With several sets of header changes ours keeps their order, where the generated codec writes all `set` before all `remove`. */
function orderedAlike(given: Answer, encoded: Buffer): Buffer {
  const isReordered = (given.kind === 'headers' || given.kind === 'body') && given.changes.length > 1;
  return isReordered ? Buffer.from(ProcessingResponse.encode(ProcessingResponse.decode(encoded)).finish()) : encoded;
}

function expected(given: Answer): ProcessingResponse['response'] {
  if (given.kind === 'trailers') {
    const $case = given.direction === 'request' ? 'requestTrailers' : 'responseTrailers';
    return { $case, value: { headerMutation: undefined } };
  }
  if (given.kind === 'immediate') {
    const { reply } = given;
    return {
      $case: 'immediateResponse',
      value: {
        status: { code: reply.status },
        headers: mutation([{ set: reply.headers, remove: [] }]),
        body: reply.body,
        grpcStatus: undefined,
        details: reply.details,
      },
    };
  }
  const changes = given.kind === 'streamed' ? [] : given.changes;
  const $case = `${given.direction}${given.kind === 'headers' ? 'Headers' : 'Body'}` as const;
  return {
    $case,
    value: {
      response: {
        status: 0,
        headerMutation: mutation(changes),
        bodyMutation: bodyMutation(given),
        clearRouteCache: false,
      },
    },
  };
}

function mutation(changes: Extract<Answer, { kind: 'headers' }>['changes']) {
  const setHeaders = changes.flatMap(({ set }) =>
    [...set].map(([key, value]) => ({
      header: { key, value: '', rawValue: Buffer.from(value) },
      append: undefined,
      appendAction: 0 as const,
      keepEmptyValue: false,
    })),
  );
  const removeHeaders = changes.flatMap(({ remove }) => remove);
  return setHeaders.length + removeHeaders.length === 0 ? undefined : { setHeaders, removeHeaders };
}

function bodyMutation(given: Answer) {
  if (given.kind === 'streamed') {
    const { body, endOfStream } = given;
    return { mutation: { $case: 'streamedResponse' as const, value: { body, endOfStream } } };
  }
  if (given.kind !== 'body' || given.body.kind === 'keep') return undefined;
  return given.body.kind === 'clear'
    ? { mutation: { $case: 'clearBody' as const, value: true } }
    : { mutation: { $case: 'body' as const, value: given.body.body } };
}

describe('streamedPieces', () => {
  test.each([
    { bytes: 0, want: [0] },
    { bytes: 62_000, want: [62_000] },
    { bytes: 62_001, want: [62_000, 1] },
    { bytes: 124_000, want: [62_000, 62_000] },
  ])('$bytes bytes', ({ bytes: size, want }) => {
    const pieces = streamedPieces({
      kind: 'streamed',
      direction: 'response',
      body: Buffer.alloc(size),
      endOfStream: true,
    });
    expect(pieces.map((piece) => (piece.kind === 'streamed' ? piece.body.length : -1))).toEqual(want);
    expect(pieces.map((piece) => piece.kind === 'streamed' && piece.endOfStream)).toEqual(
      want.map((_size, at) => at === want.length - 1),
    );
  });
});

test('an ImmediateResponse never has a status below 200, which a client would see as 200', () => {
  const reply = { status: 0, headers: new Map<string, string>(), body: Buffer.alloc(0), details: '' };
  const read = ProcessingResponse.decode(encodeProcessingResponse({ kind: 'immediate', reply }));
  expect(read.response).toMatchObject({ $case: 'immediateResponse', value: { status: { code: 500 } } });
});
