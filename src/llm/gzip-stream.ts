import { crc32 } from 'node:zlib';
import { createInflater, type Inflater } from './inflate.ts';

/** Decodes one content coding of a stream. After a failure it MUST NOT be used again. */
export interface StreamInflater {
  push(piece: Buffer): Buffer | StreamFailure;
  /** Whether the data may end here. */
  isComplete(): boolean;
}

export type StreamFailure = 'invalid' | 'too_large';

/** gzip (RFC 1952), with checksums verified; members in a row are one stream. */
export function createGzipStream(outputBytesMax: number): StreamInflater {
  let input: Buffer = Buffer.alloc(0);
  let member: Inflater | null = null;
  let isTrailerNext = false;
  let checksum = 0;
  let memberBytes = 0;
  let total = 0;

  /** Output of the bytes in `input`; null when more of them are needed. */
  function advance(): Buffer | StreamFailure | null {
    if (isTrailerNext) {
      if (input.length < 8) return null;
      if (input.readUInt32LE(0) !== checksum || input.readUInt32LE(4) !== memberBytes % 2 ** 32) return 'invalid';
      input = input.subarray(8);
      isTrailerNext = false;
      return nothing;
    }
    if (member === null) {
      const headerBytes = gzipHeaderBytes(input);
      if (headerBytes === null || headerBytes === 'invalid') return headerBytes;
      input = input.subarray(headerBytes);
      member = createInflater(outputBytesMax - total);
      checksum = 0;
      memberBytes = 0;
      return nothing;
    }
    const inflated = member.push(input);
    if (inflated.kind === 'invalid' || inflated.kind === 'too_large') return inflated.kind;
    input = inflated.kind === 'done' ? Buffer.from(inflated.rest) : nothing;
    checksum = crc32(inflated.output, checksum);
    memberBytes += inflated.output.length;
    total += inflated.output.length;
    if (inflated.kind === 'done') {
      member = null;
      isTrailerNext = true;
    }
    return inflated.output;
  }

  return {
    push: (piece) => {
      input = input.length === 0 ? piece : Buffer.concat([input, piece]);
      const outputs: Buffer[] = [];
      while (input.length > 0) {
        const output = advance();
        if (output === null) break;
        if (!Buffer.isBuffer(output)) return output;
        outputs.push(output);
      }
      return Buffer.concat(outputs);
    },
    isComplete: () => member === null && !isTrailerNext && input.length === 0,
  };
}

/** `deflate`: the zlib format (RFC 1950), its checksum verified, or bare DEFLATE data, which some servers send under that name. */
export function createDeflateStream(outputBytesMax: number): StreamInflater {
  const inflater = createInflater(outputBytesMax);
  let head: Buffer | null = Buffer.alloc(0);
  let isZlib = false;
  let isInflated = false;
  let checksum = 1;
  let trailer: Buffer = Buffer.alloc(0);
  let isEmpty = true;

  function inflate(input: Buffer): Buffer | StreamFailure {
    const inflated = inflater.push(input);
    if (inflated.kind === 'invalid' || inflated.kind === 'too_large') return inflated.kind;
    if (isZlib) checksum = adler32(inflated.output, checksum);
    if (inflated.kind !== 'done') return inflated.output;
    isInflated = true;
    return isZlib && !isTrailerGood(inflated.rest) ? 'invalid' : inflated.output;
  }

  /** Takes what follows the data; what follows the checksum is nobody's. */
  function isTrailerGood(rest: Uint8Array): boolean {
    if (trailer.length < trailerBytes)
      trailer = Buffer.concat([trailer, rest.subarray(0, trailerBytes - trailer.length)]);
    return trailer.length < trailerBytes || trailer.readUInt32BE(0) === checksum;
  }

  return {
    push: (piece) => {
      if (piece.length === 0) return nothing;
      isEmpty = false;
      if (isInflated) return isZlib && !isTrailerGood(piece) ? 'invalid' : nothing;
      if (head === null) return inflate(piece);
      const input: Buffer = Buffer.concat([head, piece]);
      head = input;
      if (input.length < 2) return nothing;
      head = null;
      isZlib = (input.readUInt8(0) & 0x0f) === 8;
      if (!isZlib) return inflate(input);
      // RFC 1950 section 2.2: a header that is a multiple of 31, without a dictionary that nobody has.
      return input.readUInt16BE(0) % 31 === 0 && (input.readUInt8(1) & 0x20) === 0
        ? inflate(input.subarray(2))
        : 'invalid';
    },
    isComplete: () => isEmpty || (isInflated && (!isZlib || trailer.length === trailerBytes)),
  };
}

const trailerBytes = 4;

/** RFC 1950 section 8.2. */
function adler32(bytes: Buffer, before: number): number {
  let a = before & 0xffff;
  let b = before >>> 16;
  for (let at = 0; at < bytes.length; ) {
    // So many sums stay below 2^32.
    const end = Math.min(at + 3_800, bytes.length);
    for (; at < end; at++) {
      a += bytes[at] ?? 0;
      b += a;
    }
    a %= 65_521;
    b %= 65_521;
  }
  return ((b << 16) | a) >>> 0;
}

const nothing: Buffer = Buffer.alloc(0);

/** Length of the member header, once it is all there; its checksum, where it has one, is verified. */
function gzipHeaderBytes(input: Buffer): number | 'invalid' | null {
  if (input.length < 10) return null;
  const flags = input.readUInt8(3);
  if (input.readUInt16BE(0) !== 0x1f8b || input.readUInt8(2) !== 8 || (flags & 0xe0) !== 0) return 'invalid';
  let at = 10;
  if ((flags & 0x04) !== 0) {
    if (input.length < at + 2) return null;
    at += 2 + input.readUInt16LE(at);
  }
  // The file's name and a comment, each up to a zero byte.
  for (const flag of [0x08, 0x10]) {
    if ((flags & flag) === 0) continue;
    const zero = input.indexOf(0, at);
    if (zero < 0) return input.length > headerBytesMax ? 'invalid' : null;
    at = zero + 1;
  }
  if ((flags & 0x02) !== 0) {
    if (input.length < at + 2) return null;
    // RFC 1952 section 2.3.1: the lower half of the checksum over the header before it.
    if (input.readUInt16LE(at) !== (crc32(input.subarray(0, at)) & 0xffff)) return 'invalid';
    at += 2;
  }
  return at > input.length ? null : at;
}

/** No server names a response so long. */
const headerBytesMax = 64 * 1024 + 1024;
