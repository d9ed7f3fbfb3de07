import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { limits } from '../../lib/limits.ts';
import { type TlsClient, tlsOptions } from '../tls-client.ts';
import { delivered, type Sink, type SinkEvent } from './sink.ts';
import { framed, type SyslogSender, syslogMessage } from './syslog-message.ts';

export interface SyslogOptions extends SyslogSender {
  readonly address: { readonly host: string; readonly port: number };
  /** Null: plain TCP. */
  readonly tls: TlsClient | null;
}

/**
 * Syslog over TCP or TLS (RFC 5424, octet counting). Syslog has no acknowledgement: a batch counts as delivered when the
 * kernel has taken it, and what the last connection may have lost (its last 1,000 events) is sent again over the next one.
 * Receivers drop the second copy by its `id`. Where nothing may be lost use another sink beside it.
 */
export function createSyslogSink(options: SyslogOptions): Sink {
  let socket: Socket | null = null;
  /** Sent over this connection or the one before; unconfirmed, as everything in syslog. */
  let window: SinkEvent[] = [];

  async function connected(signal: AbortSignal): Promise<Socket> {
    if (socket !== null && !socket.destroyed && socket.writable) return socket;
    const fresh = await open(options, signal);
    // A receiver never writes; what it does write is thrown away, and its end is our end.
    fresh.on('error', () => fresh.destroy());
    fresh.on('end', () => fresh.destroy());
    fresh.resume();
    socket = fresh;
    if (window.length > 0) await write(fresh, window, options, signal);
    return fresh;
  }

  return {
    deliver: async (events, signal) => {
      await write(await connected(signal), events, options, signal);
      window = [...window, ...events].slice(-limits.syslogWindowEventsMax);
      return delivered;
    },
    close: async () => {
      const last = socket;
      socket = null;
      if (last === null || last.destroyed) return;
      await new Promise<void>((resolve) => {
        last.once('close', () => resolve());
        last.setTimeout(1_000, () => last.destroy());
        last.end();
      });
    },
  };
}

function open(options: SyslogOptions, signal: AbortSignal): Promise<Socket> {
  const { host, port } = options.address;
  return new Promise((resolve, reject) => {
    const { tls } = options;
    const made =
      tls === null
        ? connectTcp({ host, port })
        : connectTls({
            host,
            port,
            servername: host,
            ...tlsOptions(tls),
          });
    const giveUp = (): void => {
      made.destroy(new Error('gave up connecting'));
    };
    signal.addEventListener('abort', giveUp, { once: true });
    made.once('error', reject);
    made.once(tls === null ? 'connect' : 'secureConnect', () => {
      signal.removeEventListener('abort', giveUp);
      made.setNoDelay(true);
      made.setKeepAlive(true, 30_000);
      resolve(made);
    });
  });
}

function write(to: Socket, events: readonly SinkEvent[], sender: SyslogSender, signal: AbortSignal): Promise<void> {
  const bytes = Buffer.concat(events.map((event) => framed(syslogMessage(event, sender))));
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => {
      to.destroy();
      reject(error);
    };
    // A receiver that takes nothing leaves the bytes in our buffer: the deadline ends the connection.
    const giveUp = (): void => fail(new Error('the receiver takes nothing'));
    const closed = (): void => fail(new Error('the connection was closed'));
    const done = (): void => {
      signal.removeEventListener('abort', giveUp);
      to.removeListener('close', closed);
    };
    signal.addEventListener('abort', giveUp, { once: true });
    to.once('close', closed);
    to.write(bytes, (error) => {
      done();
      if (error) fail(error);
      else resolve();
    });
  });
}
