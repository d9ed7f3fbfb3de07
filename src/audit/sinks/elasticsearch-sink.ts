import { limits } from '../../lib/limits.ts';
import type { TlsClient } from '../tls-client.ts';
import { createHttpClient, json, member, unsuccessful } from './http-post.ts';
import type { Delivery, Rejection, Sink, SinkEvent } from './sink.ts';

export interface ElasticsearchOptions {
  /** Of an https: address; null: as Node trusts. */
  readonly tls: TlsClient | null;
  /** Base address, `https://elastic.example.com:9200`. */
  readonly url: string;
  /** An index or data stream. */
  readonly index: string;
  /** Value of the Authorization header: `ApiKey …` or `Basic …`; null: none. */
  readonly authorization: string | null;
}

/**
 * Elasticsearch's and OpenSearch's `_bulk`: `create` with the event's id as `_id`, so that an event that is there already
 * answers 409 and is no second one. Each item is judged by itself.
 */
export function createElasticsearchSink(options: ElasticsearchOptions): Sink {
  const http = createHttpClient(options.tls);
  const url = `${options.url.replace(/\/$/, '')}/_bulk`;
  const headers = {
    'content-type': 'application/x-ndjson',
    ...(options.authorization === null ? {} : { authorization: options.authorization }),
  };
  return {
    batchesMax: limits.sinkBatchesMax,
    deliver: async (events, signal) => {
      const lines = events.map((event) => `${action(event, options.index)}\n${withTimestamp(event)}\n`);
      const answer = await http.post(url, headers, lines.join(''), signal);
      if (answer.status !== 200) return unsuccessful(answer);
      const items = member(json(answer), 'items');
      if (!Array.isArray(items) || items.length !== events.length) {
        return { kind: 'failed', reason: 'the answer does not list every item', afterMs: null };
      }
      return sorted(items, answer.retryAfterMs);
    },
    close: async () => http.close(),
  };
}

function sorted(items: readonly unknown[], afterMs: number | null): Delivery {
  const rejected: Rejection[] = [];
  const retry: number[] = [];
  for (const [index, item] of items.entries()) {
    const created = member(item, 'create');
    const status = member(created, 'status');
    if (status === 200 || status === 201 || status === 409) continue;
    const type = member(member(created, 'error'), 'type');
    if (status === 400 || status === 413) rejected.push({ index, reason: `${status} ${String(type ?? '')}`.trim() });
    else retry.push(index);
  }
  return { kind: 'settled', rejected, retry, afterMs };
}

function action(event: SinkEvent, index: string): string {
  return JSON.stringify({ create: { _index: index, _id: event.id } });
}

/** A data stream takes no document without `@timestamp`, which only ECS has by itself. */
function withTimestamp(event: SinkEvent): string {
  if (event.json.startsWith('{"@timestamp":')) return event.json;
  const time = new Date(Number(event.timeNs / 1_000_000n)).toISOString();
  return `{"@timestamp":"${time}",${event.json.slice(1)}`;
}
