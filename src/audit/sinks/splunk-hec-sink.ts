import { limits } from '../../lib/limits.ts';
import type { TlsClient } from '../tls-client.ts';
import { createHttpClient, json, member, unsuccessful } from './http-post.ts';
import { pause } from './log-tail.ts';
import { type Delivery, delivered, type Sink, type SinkEvent } from './sink.ts';

export interface SplunkHecOptions {
  /** Of an https: address; null: as Node trusts. */
  readonly tls: TlsClient | null;
  /** Base address, `https://splunk.example.com:8088`. */
  readonly url: string;
  readonly token: string;
  readonly index: string | null;
  readonly host: string;
  /** Wait for the indexers' word (Splunk Enterprise; the token must have acknowledgement enabled). */
  readonly acks: boolean;
  /** A GUID of this sender; receivers keep acknowledgements by it. */
  readonly channel: string;
  readonly ackWaitMs: number;
  readonly ackPollMs: number;
}

/** Codes of HEC for a body that it will never take: no data, invalid format, incorrect index, bad event field, nesting. */
const badBody: ReadonlySet<unknown> = new Set([5, 6, 7, 12, 13, 15]);

/**
 * Splunk's HTTP Event Collector. Without acknowledgement a 200 only says that Splunk has accepted the events; with it a
 * batch counts as delivered when the indexers have it, and is sent again when they have not said so in time.
 */
export function createSplunkHecSink(options: SplunkHecOptions): Sink {
  const http = createHttpClient(options.tls);
  const base = options.url.replace(/\/$/, '');
  const headers = {
    authorization: `Splunk ${options.token}`,
    'content-type': 'application/json',
    ...(options.acks ? { 'x-splunk-request-channel': options.channel } : {}),
  };

  async function deliver(events: readonly SinkEvent[], signal: AbortSignal): Promise<Delivery> {
    const body = events.map((event) => hecEvent(event, options)).join('\n');
    const answer = await http.post(`${base}/services/collector/event`, headers, body, signal);
    const code = member(json(answer), 'code');
    if (answer.status !== 200) {
      if (answer.status === 400 && !badBody.has(code)) {
        return { kind: 'failed', reason: `HTTP 400, code ${String(code)}`, afterMs: answer.retryAfterMs };
      }
      return unsuccessful(answer);
    }
    if (code !== 0) return { kind: 'failed', reason: `code ${String(code)}`, afterMs: null };
    if (!options.acks) return delivered;
    const ackId = member(json(answer), 'ackId');
    if (typeof ackId !== 'number') return { kind: 'failed', reason: 'no ackId: acknowledgement is off', afterMs: null };
    return indexed(ackId, signal);
  }

  async function indexed(ackId: number, signal: AbortSignal): Promise<Delivery> {
    const url = `${base}/services/collector/ack?channel=${options.channel}`;
    const endMs = performance.now() + options.ackWaitMs;
    while (performance.now() < endMs && !signal.aborted) {
      const answer = await http.post(url, headers, JSON.stringify({ acks: [ackId] }), signal);
      if (answer.status === 200 && member(member(json(answer), 'acks'), String(ackId)) === true) return delivered;
      await pause(options.ackPollMs, signal);
    }
    return { kind: 'failed', reason: 'the indexers have not acknowledged', afterMs: null };
  }

  const batchesMax = options.acks ? limits.sinkAcksMax : limits.sinkBatchesMax;
  return { batchesMax, deliver, close: async () => http.close() };
}

function hecEvent(event: SinkEvent, { index, host }: SplunkHecOptions): string {
  const seconds = event.timeNs / 1_000_000_000n;
  const micros = String((event.timeNs / 1000n) % 1_000_000n).padStart(6, '0');
  const head = JSON.stringify({
    host,
    source: 'countersign',
    sourcetype: event.type,
    ...(index === null ? {} : { index }),
    fields: { record_id: event.id },
  });
  // As a number with all its digits, and the document as it was serialised once.
  return `{"time":${seconds}.${micros},${head.slice(1, -1)},"event":${event.json}}`;
}
