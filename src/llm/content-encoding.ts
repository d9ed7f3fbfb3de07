import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import { limits } from '../lib/limits.ts';
import { err, ok, type Result } from '../lib/result.ts';
import type { BodyError } from './dialect.ts';
import { createDeflateStream, createGzipStream, type StreamInflater } from './gzip-stream.ts';

/** Decodes a body piece by piece. After an error it MUST NOT be used again. */
export interface BodyDecoder {
  push(piece: Buffer): Result<Buffer, BodyError>;
  /** No more bytes; `truncated` when the encoding says that there should be. */
  end(): Result<Buffer, BodyError>;
}

/**
 * Whether every coding of a `content-encoding` value (RFC 9110 section 8.4; null and `identity` included) can be decoded here: gzip,
 * deflate, br, and zstd where this Node has it.
 */
export function isKnownEncoding(encoding: string | null): boolean {
  const codings = codingsOf(encoding);
  return codings.length <= codingsMax && codings.every((coding) => decoderOf(coding) !== null);
}

/**
 * The body without its content encodings; without one the very buffer. Stops at `limits.inflateRatioMax` times the input and at
 * `bodyBytesMax`, each time before the output exists: `body_too_large`. `unsupported_encoding` for an unknown coding, more than
 * two of them, and data that is not what the header says; `truncated` where it breaks off.
 */
export function decodeBody(
  body: Buffer,
  encoding: string | null,
  bodyBytesMax: number = limits.bodyBytesMax,
): Result<Buffer, BodyError> {
  const steps = decoding(body, encoding, bodyBytesMax);
  let step = steps.next();
  while (step.done !== true) {
    step = steps.next(decodeNow(step.value));
  }
  return step.value;
}

/** As `decodeBody`, for one that others wait behind: what may take long is decoded off the event loop. */
export async function decodeBodyAside(
  body: Buffer,
  encoding: string | null,
  bodyBytesMax: number = limits.bodyBytesMax,
): Promise<Result<Buffer, BodyError>> {
  if (body.length <= atOnceBytes) return decodeBody(body, encoding, bodyBytesMax);
  const steps = decoding(body, encoding, bodyBytesMax);
  let step = steps.next();
  while (step.done !== true) {
    step = steps.next(await decodeAside(step.value));
  }
  return step.value;
}

/** Compressed bytes that are decoded on the event loop: with the ratio that is allowed, some milliseconds at worst. */
const atOnceBytes = 16_384;

interface Decoding {
  readonly decode: Decode;
  readonly input: Buffer;
  readonly maxOutputLength: number;
}

/** Asks for one decoding after the other. */
function* decoding(
  body: Buffer,
  encoding: string | null,
  bodyBytesMax: number,
): Generator<Decoding, Result<Buffer, BodyError>, Result<Buffer, BodyError>> {
  const codings = codingsOf(encoding);
  if (codings.length > codingsMax) return err(unsupported('too many content codings'));
  let decoded = body;
  // The last coding named was applied last.
  for (const coding of codings.reverse()) {
    const decode = decoderOf(coding);
    if (decode === null) return err(unsupported('the content coding is not known'));
    if (decoded.length === 0) continue;
    const ratioMax = Math.max(decoded.length * limits.inflateRatioMax, smallOutputBytes);
    const output = yield { decode, input: decoded, maxOutputLength: Math.min(bodyBytesMax, ratioMax) };
    if (!output.ok) return output;
    decoded = output.value;
  }
  return decoded.length > bodyBytesMax ? err(tooLarge(bodyBytesMax)) : ok(decoded);
}

/**
 * A decoder for a body that arrives in pieces, which MUST have a known encoding. gzip and deflate are decoded as they flow; br, zstd and
 * two codings at once are held back and decoded at the end, within the same bounds. Servers seldom compress a stream at all.
 */
export function createBodyDecoder(encoding: string | null, bodyBytesMax: number = limits.bodyBytesMax): BodyDecoder {
  const codings = codingsOf(encoding);
  if (codings.length === 0) return { push: (piece) => ok(piece), end: () => ok(Buffer.alloc(0)) };
  const [only] = codings.length === 1 ? codings : [];
  if (only === 'gzip' || only === 'x-gzip') return createFlowingDecoder(createGzipStream(bodyBytesMax), bodyBytesMax);
  if (only === 'deflate') return createFlowingDecoder(createDeflateStream(bodyBytesMax), bodyBytesMax);
  return createHoldingDecoder(encoding, bodyBytesMax);
}

function createFlowingDecoder(stream: StreamInflater, bodyBytesMax: number): BodyDecoder {
  let received = 0;
  let decoded = 0;
  return {
    push: (piece) => {
      received += piece.length;
      const output = stream.push(piece);
      if (output === 'too_large') return err(tooLarge(bodyBytesMax));
      if (output === 'invalid') return err(unsupported(notAsSaid));
      decoded += output.length;
      const ratioMax = Math.max(received * limits.inflateRatioMax, smallOutputBytes);
      return decoded > ratioMax ? err(tooLarge(ratioMax)) : ok(output);
    },
    end: () => (stream.isComplete() ? ok(Buffer.alloc(0)) : err(breaksOff)),
  };
}

/** Holds all pieces and decodes at the end. */
function createHoldingDecoder(encoding: string | null, bodyBytesMax: number): BodyDecoder {
  const pieces: Buffer[] = [];
  let bytes = 0;
  return {
    push: (piece) => {
      bytes += piece.length;
      if (bytes > bodyBytesMax) return err(tooLarge(bodyBytesMax));
      pieces.push(piece);
      return ok(Buffer.alloc(0));
    },
    end: () => decodeBody(Buffer.concat(pieces, bytes), encoding, bodyBytesMax),
  };
}

/** Two codings are already one more than anyone uses. */
const codingsMax = 2;
/** Output of this size is nobody's bomb, whatever the ratio. */
const smallOutputBytes = 64 * 1024;

type Bound = { readonly maxOutputLength: number };

interface Decode {
  now(body: Buffer, options: Bound): Buffer;
  /** Off the event loop. */
  aside(body: Buffer, options: Bound): Promise<Buffer>;
}

function decoderOf(coding: string): Decode | null {
  switch (coding) {
    case 'gzip':
    case 'x-gzip':
      return gunzip;
    case 'deflate':
      return inflate;
    case 'br':
      return brotli;
    case 'zstd':
      return zstdDecoder();
    default:
      return null;
  }
}

/** Node has zstd since 22.15 and 23.8. */
function zstdDecoder(): Decode | null {
  const decode: unknown = Reflect.get(zlib, 'zstdDecompressSync');
  if (typeof decode !== 'function') return null;
  const now = (body: Buffer, options: Bound): Buffer => {
    const output: unknown = Reflect.apply(decode, zlib, [body, options]);
    return Buffer.isBuffer(output) ? output : Buffer.alloc(0);
  };
  // Fast enough (more than 1 GB/s) to stay on the event loop.
  return { now, aside: async (body, options) => now(body, options) };
}

const gunzip: Decode = {
  now: zlib.gunzipSync,
  aside: promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.gunzip),
};

const inflateZlib = promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.inflate);
const inflateRaw = promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.inflateRaw);

const inflate: Decode = {
  now: (body, options) => (isZlib(body) ? zlib.inflateSync(body, options) : zlib.inflateRawSync(body, options)),
  aside: (body, options) => (isZlib(body) ? inflateZlib(body, options) : inflateRaw(body, options)),
};

/** RFC 9110 means the zlib format; some servers send bare DEFLATE data. The first byte tells (RFC 1950 section 2.2). */
function isZlib(body: Buffer): boolean {
  return ((body[0] ?? 0) & 0x0f) === 8;
}

const brotli: Decode = {
  now: zlib.brotliDecompressSync,
  aside: promisify<Buffer, zlib.BrotliOptions, Buffer>(zlib.brotliDecompress),
};

function decodeNow({ decode, input, maxOutputLength }: Decoding): Result<Buffer, BodyError> {
  try {
    return ok(decode.now(input, { maxOutputLength }));
  } catch (thrown) {
    return err(inflateError(thrown, maxOutputLength));
  }
}

async function decodeAside({ decode, input, maxOutputLength }: Decoding): Promise<Result<Buffer, BodyError>> {
  try {
    return ok(await decode.aside(input, { maxOutputLength }));
  } catch (thrown) {
    return err(inflateError(thrown, maxOutputLength));
  }
}

function inflateError(thrown: unknown, maxOutputLength: number): BodyError {
  const code = thrown instanceof Error && 'code' in thrown ? thrown.code : null;
  if (code === 'ERR_BUFFER_TOO_LARGE') return tooLarge(maxOutputLength);
  return code === 'Z_BUF_ERROR' ? breaksOff : unsupported(notAsSaid);
}

const notAsSaid = 'the body is not encoded as its content-encoding says';
const breaksOff: BodyError = { kind: 'truncated', message: 'the compressed body breaks off' };

/** The codings that a `content-encoding` value names, in the order in which they were applied. */
export function codingsOf(encoding: string | null): string[] {
  if (encoding === null) return [];
  const codings = encoding.split(',').map((coding) => coding.trim().toLowerCase());
  return codings.filter((coding) => coding !== '' && coding !== 'identity');
}

function unsupported(message: string): BodyError {
  return { kind: 'unsupported_encoding', message };
}

function tooLarge(bytesMax: number): BodyError {
  return { kind: 'body_too_large', message: `the decoded body is larger than ${bytesMax} bytes` };
}
