import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import { Fault } from '../lib/fault.ts';
import { codingsOf } from './content-encoding.ts';

/** Encodes a stream piece by piece. */
export interface BodyEncoder {
  /** Whatever comes out can be decoded at once, up to the last byte of this piece; where the coding cannot do that, nothing comes out. */
  push(piece: Buffer): Buffer;
  /** The rest, these last bytes included. */
  end(last: Buffer): Promise<Buffer>;
  /**
   * Ends at once with these last bytes, and without pieces of which nothing came out. Also after `end`, whose bytes then MUST NOT have
   * been sent.
   */
  breakOff(last: Buffer): Buffer;
}

/**
 * The body in these content codings (RFC 9110 section 8.4), which `isKnownEncoding` MUST know; without one the very buffer. Off the event
 * loop. For the speed of a proxy, not for the smallest size.
 */
export async function encodeBody(body: Buffer, encoding: string | null): Promise<Buffer> {
  let encoded = body;
  for (const coding of codingsOf(encoding)) encoded = await coderOf(coding).whole(encoded);
  return encoded;
}

/**
 * An encoder for a stream; null when there is nothing to encode. gzip and deflate flow, with a flush behind each piece. br, zstd and two
 * codings at once are encoded at the end: they were decoded at the end, too (`createBodyDecoder`).
 */
export function createBodyEncoder(encoding: string | null): BodyEncoder | null {
  const codings = codingsOf(encoding);
  const [coding] = codings;
  if (coding === undefined) return null;
  if (codings.length === 1 && (coding === 'gzip' || coding === 'x-gzip')) return createFlowing(gzipFrame);
  if (codings.length === 1 && coding === 'deflate') return createFlowing(zlibFrame);
  return createHolding(encoding);
}

/** What stands around DEFLATE data, and the checksum that it keeps. */
interface Frame<Sum> {
  readonly head: Buffer;
  readonly start: Sum;
  add(sum: Sum, piece: Buffer): Sum;
  tail(sum: Sum): Buffer;
}

const level = 1;
const nothing: Buffer = Buffer.alloc(0);
/** A last block with nothing in it (RFC 1951 section 3.2.6). */
const lastBlock = Buffer.from([0x03, 0x00]);
/** How far back a piece may refer. DEFLATE allows 32 KiB, but setting that up anew costs more than it saves: events are small and alike. */
const windowBits = 12;
const windowBytes = 2 ** windowBits;

/**
 * Node compresses streams off the event loop only. But DEFLATE blocks that end in a flush can be strung together: each piece is compressed for
 * itself, with what came before as its dictionary.
 */
function createFlowing<Sum>(frame: Frame<Sum>): BodyEncoder {
  let head = frame.head;
  let window: Buffer = nothing;
  let sum = frame.start;

  function blocksOf(piece: Buffer): Buffer {
    const dictionary = window.length > 0 ? { dictionary: window } : {};
    return zlib.deflateRawSync(piece, { level, windowBits, finishFlush: zlib.constants.Z_SYNC_FLUSH, ...dictionary });
  }

  /** Changes nothing: what it returns may never be sent, and then other last words are. */
  function finish(last: Buffer): Buffer {
    const blocks = last.length > 0 ? blocksOf(last) : nothing;
    return Buffer.concat([head, blocks, lastBlock, frame.tail(frame.add(sum, last))]);
  }

  return {
    push: (piece) => {
      if (piece.length === 0) return nothing;
      const out = Buffer.concat([head, blocksOf(piece)]);
      head = nothing;
      sum = frame.add(sum, piece);
      window = Buffer.concat([window, piece]).subarray(-windowBytes);
      return out;
    },
    end: async (last) => finish(last),
    breakOff: finish,
  };
}

/** RFC 1952, without name and time. */
const gzipFrame: Frame<{ readonly checksum: number; readonly bytes: number }> = {
  head: Buffer.from([0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0, 0, 0xff]),
  start: { checksum: 0, bytes: 0 },
  add: ({ checksum, bytes }, piece) => ({ checksum: zlib.crc32(piece, checksum), bytes: bytes + piece.length }),
  tail: ({ checksum, bytes }) => {
    const tail = Buffer.alloc(8);
    tail.writeUInt32LE(checksum, 0);
    tail.writeUInt32LE(bytes % 2 ** 32, 4);
    return tail;
  },
};

/** RFC 1950; its checksum is Adler-32. */
const zlibFrame: Frame<{ readonly low: number; readonly high: number }> = {
  head: Buffer.from([0x78, 0x01]),
  start: { low: 1, high: 0 },
  add: ({ low, high }, piece) => {
    for (const byte of piece) {
      low = (low + byte) % 65_521;
      high = (high + low) % 65_521;
    }
    return { low, high };
  },
  tail: ({ low, high }) => {
    const tail = Buffer.alloc(4);
    tail.writeUInt16BE(high, 0);
    tail.writeUInt16BE(low, 2);
    return tail;
  },
};

function createHolding(encoding: string | null): BodyEncoder {
  const pieces: Buffer[] = [];
  return {
    push: (piece) => {
      pieces.push(piece);
      return nothing;
    },
    end: (last) => encodeBody(Buffer.concat([...pieces, last]), encoding),
    breakOff: (last) => codingsOf(encoding).reduce((encoded, coding) => coderOf(coding).small(encoded), last),
  };
}

interface Coder {
  readonly whole: (body: Buffer) => Promise<Buffer>;
  /** On the event loop: for an error's few bytes. */
  readonly small: (body: Buffer) => Buffer;
}

const brotliOptions = { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 4 } };

function coderOf(coding: string): Coder {
  switch (coding) {
    case 'gzip':
    case 'x-gzip':
      return {
        whole: (body) => promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.gzip)(body, { level }),
        small: (body) => zlib.gzipSync(body),
      };
    case 'deflate':
      return {
        whole: (body) => promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.deflate)(body, { level }),
        small: (body) => zlib.deflateSync(body),
      };
    case 'br':
      return {
        whole: (body) => promisify<Buffer, zlib.BrotliOptions, Buffer>(zlib.brotliCompress)(body, brotliOptions),
        small: (body) => zlib.brotliCompressSync(body, brotliOptions),
      };
    case 'zstd': {
      const small = (body: Buffer): Buffer => zstdCompress(body);
      return { whole: async (body) => small(body), small };
    }
    default:
      throw new Fault('internal', 'a content coding that could be decoded cannot be encoded');
  }
}

/** Only reached where this Node could decode it. Fast enough (some 500 MB/s) to stay on the event loop. */
function zstdCompress(body: Buffer): Buffer {
  const compress: unknown = Reflect.get(zlib, 'zstdCompressSync');
  const output: unknown = typeof compress === 'function' ? Reflect.apply(compress, zlib, [body]) : null;
  if (!Buffer.isBuffer(output)) throw new Fault('internal', 'this Node has no zstd');
  return output;
}
