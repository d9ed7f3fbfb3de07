import type { SinkEvent } from './sink.ts';

/** RFC 5424 section 6.1: a receiver should take messages of this length; longer ones are shortened here. */
export const syslogBytesMax = 8_192;

export interface SyslogSender {
  readonly host: string;
  readonly processId: number;
  /** Private enterprise number for our structured data (RFC 5424 section 7.2.2). */
  readonly enterprise: number;
}

/** Facility 13 (log audit), severity by OCSF's: informational 6, low 5 (notice), medium 4 (warning), high 3 (error). */
const priorities: Readonly<Record<SinkEvent['severity'], number>> = { 1: 110, 2: 109, 3: 108, 4: 107 };

/**
 * An RFC 5424 message: PRI, version 1, time with microseconds, host, application, process id, message id, structured data,
 * and the document behind a byte order mark. A message beyond 8 KiB keeps its structured data, says `truncated`, and has
 * the id in place of the document: a receiver would cut it anywhere.
 */
export function syslogMessage(event: SinkEvent, sender: SyslogSender): Buffer {
  const whole = format(event, sender, event.json, false);
  if (whole.length <= syslogBytesMax) return whole;
  return format(event, sender, JSON.stringify({ id: event.id, truncated: true }), true);
}

/** RFC 6587 section 3.4.1 (octet counting), which RFC 5425 section 4.3 asks of TLS: length, space, message. */
export function framed(message: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${message.length} `), message]);
}

function format(event: SinkEvent, sender: SyslogSender, text: string, isTruncated: boolean): Buffer {
  const data = [
    '[origin software="countersign"]',
    `[meta sequenceId="${(event.sequence % 2_147_483_647) + 1}"]`,
    `[audit@${sender.enterprise}${parameters({
      id: event.id,
      origin: event.origin,
      idx: String(event.sequence),
      act: event.action,
      ...(isTruncated ? { truncated: '1' } : {}),
    })}]`,
  ].join('');
  const head = [
    `<${priorities[event.severity]}>1`,
    timestamp(event.timeNs),
    name(sender.host, 255),
    'countersign',
    String(sender.processId),
    name(event.kind.toUpperCase(), 32),
    data,
  ].join(' ');
  return Buffer.concat([Buffer.from(`${head} `), byteOrderMark, Buffer.from(text)]);
}

const byteOrderMark: Buffer = Buffer.from([0xef, 0xbb, 0xbf]);

/** RFC 5424 section 6.3.3: backslash, quote and closing bracket are escaped in values. */
function parameters(values: Readonly<Record<string, string>>): string {
  return Object.entries(values)
    .filter(([, value]) => value !== '')
    .map(([key, value]) => ` ${key}="${value.replace(/[\\"\]]/g, '\\$&')}"`)
    .join('');
}

function timestamp(ns: bigint): string {
  const seconds = new Date(Number(ns / 1_000_000_000n) * 1000).toISOString().slice(0, 19);
  return `${seconds}.${String((ns / 1000n) % 1_000_000n).padStart(6, '0')}Z`;
}

/** Printable ASCII without blanks, or `-` for none. */
function name(text: string, most: number): string {
  return text.replace(/[^\x21-\x7e]/g, '').slice(0, most) || '-';
}
