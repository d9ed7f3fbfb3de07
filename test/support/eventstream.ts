import { crc32 } from 'node:zlib';

/**
 * Binary frames written and read by other code than ours, from lines that people can read: `{"event": …, "payload": …}` is a frame of that
 * `:event-type`, `{"chunk": …}` one whose payload holds the event as Base64, `{"exception": …, "payload": …}` an exception.
 */
export interface FrameLine {
  readonly event?: string;
  readonly exception?: string;
  readonly chunk?: unknown;
  readonly payload?: unknown;
  /** Members beside `bytes` in the payload of a chunk. */
  readonly beside?: Readonly<Record<string, string>>;
}

export function encodeFrames(lines: string): Buffer {
  return Buffer.concat(
    lines
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => encodeFrame(JSON.parse(line))),
  );
}

export function encodeFrame({ event, exception, chunk, payload, beside }: FrameLine): Buffer {
  const kind = exception === undefined ? 'event' : 'exception';
  const headers: (readonly [string, string])[] = [
    [`:${kind}-type`, exception ?? event ?? 'chunk'],
    [':content-type', 'application/json'],
    [':message-type', kind],
  ];
  const body =
    chunk === undefined
      ? payload
      : { bytes: Buffer.from(JSON.stringify(chunk)).toString('base64'), ...(beside ?? { p: 'abcd' }) };
  return frameOf(headersOf(headers), Buffer.from(body === undefined ? '' : JSON.stringify(body)));
}

export function headersOf(headers: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat(
    headers.flatMap(([name, value]) => [
      Buffer.from([name.length]),
      Buffer.from(name),
      Buffer.from([7, value.length >> 8, value.length & 0xff]),
      Buffer.from(value),
    ]),
  );
}

export function frameOf(headers: Buffer, payload: Buffer): Buffer {
  const lengths = Buffer.alloc(8);
  lengths.writeUInt32BE(16 + headers.length + payload.length, 0);
  lengths.writeUInt32BE(headers.length, 4);
  const rest = Buffer.concat([lengths, checksum(lengths), headers, payload]);
  return Buffer.concat([rest, checksum(rest)]);
}

/** The payloads of the frames, one a line, chunks opened; throws at a wrong length or checksum. */
export function readableFrames(bytes: Buffer): string {
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; ) {
    const frame = bytes.subarray(at, at + bytes.readUInt32BE(at));
    at += frame.length;
    if (!checksum(frame.subarray(0, 8)).equals(frame.subarray(8, 12))) throw new Error('prelude checksum');
    if (!checksum(frame.subarray(0, -4)).equals(frame.subarray(-4))) throw new Error('frame checksum');
    const end = 12 + frame.readUInt32BE(4);
    const payload = frame.toString('utf8', end, frame.length - 4);
    const type = /:(event|exception)-type\x07..([A-Za-z]+?)\x0d:/s.exec(frame.toString('latin1', 12, end));
    const encoded = type?.[2] === 'chunk' ? /"bytes":"([^"]*)"/.exec(payload)?.[1] : undefined;
    const opened = encoded === undefined ? payload : Buffer.from(encoded, 'base64').toString('utf8');
    lines.push(`${type?.[1]} ${type?.[2]} ${opened}`);
  }
  return `${lines.join('\n')}\n`;
}

/** CRC-32, big endian. */
export function checksum(bytes: Buffer): Buffer {
  const out = Buffer.alloc(4);
  out.writeUInt32BE(crc32(bytes), 0);
  return out;
}
