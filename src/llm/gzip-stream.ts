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

/** `deflate`: the zlib format (RFC 1950), or bare DEFLATE data, which some servers send under that name. */
export function createDeflateStream(outputBytesMax: number): StreamInflater {
  const inflater = createInflater(outputBytesMax);
  let head: Buffer | null = Buffer.alloc(0);
  let isDone = false;
  let isEmpty = true;
  return {
    push: (piece) => {
      if (piece.length === 0 || isDone) return nothing;
      isEmpty = false;
      let input = piece;
      if (head !== null) {
        input = Buffer.concat([head, piece]);
        if (input.length < 2) {
          head = input;
          return nothing;
        }
        head = null;
        // RFC 1950 section 2.2: method 8, and a header that is a multiple of 31.
        const isZlib = ((input[0] ?? 0) & 0x0f) === 8 && input.readUInt16BE(0) % 31 === 0;
        if (isZlib) input = input.subarray(2);
      }
      const inflated = inflater.push(input);
      if (inflated.kind === 'invalid' || inflated.kind === 'too_large') return inflated.kind;
      // What follows is the zlib checksum, or nothing.
      isDone = inflated.kind === 'done';
      return inflated.output;
    },
    isComplete: () => isDone || isEmpty,
  };
}

const nothing: Buffer = Buffer.alloc(0);

/** Length of the member header, once it is all there. */
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
  if ((flags & 0x02) !== 0) at += 2;
  return at > input.length ? null : at;
}

/** No server names a response so long. */
const headerBytesMax = 64 * 1024 + 1024;
