import { isJsonObject, type JsonObject, type JsonValue } from '../../lib/json.ts';
import { limits } from '../../lib/limits.ts';
import { baseOrigin } from '../shards.ts';
import type { TlsClient } from '../tls-client.ts';
import { createHttpClient, json, member } from './http-post.ts';
import { type Delivery, delivered, documentOf, type Sink, type SinkEvent } from './sink.ts';

export interface OtlpOptions {
  /** Of an https: address; null: as Node trusts. */
  readonly tls: TlsClient | null;
  /** Base address of the collector, `https://collector.example.com:4318`; `/v1/logs` is added. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly version: string;
  readonly host: string;
  readonly nowNs: () => bigint;
}

/** The statuses that OTLP/HTTP lets a client retry; a 4xx beyond these is the payload's fault, or an operator's to mend. */
const retryable: ReadonlySet<number> = new Set([429, 502, 503, 504]);
const payload: ReadonlySet<number> = new Set([400, 413, 415, 422]);

/**
 * OTLP/HTTP logs in JSON. Events in the OpenTelemetry format become records with attributes; others travel as the body, as
 * text. `log.record.uid` is the event's id either way. A partial success does not say which records were refused, and must
 * not be sent again: then the whole batch counts as dead letters, unless it is a single event or none was refused.
 */
export function createOtlpSink(options: OtlpOptions): Sink {
  const http = createHttpClient(options.tls);
  const url = `${options.url.replace(/\/$/, '')}/v1/logs`;
  const headers = { ...options.headers, 'content-type': 'application/json' };
  return {
    batchesMax: limits.sinkBatchesMax,
    deliver: async (events, signal) => {
      const answer = await http.post(url, headers, exportRequest(events, options), signal);
      const reason = `HTTP ${answer.status}`;
      if (answer.status !== 200) {
        if (payload.has(answer.status)) return { kind: 'refused', reason };
        const afterMs = retryable.has(answer.status) ? answer.retryAfterMs : null;
        return { kind: 'failed', reason, afterMs };
      }
      return partial(events, Number(member(member(json(answer), 'partialSuccess'), 'rejectedLogRecords') ?? 0));
    },
    close: async () => http.close(),
  };
}

function partial(events: readonly SinkEvent[], rejected: number): Delivery {
  if (!(rejected > 0)) return delivered;
  const reason = `the collector has rejected ${rejected} of ${events.length} records and not said which`;
  return { kind: 'settled', rejected: events.map((_, index) => ({ index, reason })), retry: [], afterMs: null };
}

function exportRequest(events: readonly SinkEvent[], options: OtlpOptions): string {
  const { version, host } = options;
  const observed = String(options.nowNs());
  const byOrigin = grouped(events);
  return JSON.stringify({
    resourceLogs: [...byOrigin].map(([origin, own]) => ({
      resource: {
        attributes: keyValues({
          'service.name': 'countersign',
          'service.version': version,
          'service.instance.id': baseOrigin(origin),
          'host.name': host,
        }),
      },
      scopeLogs: [
        { scope: { name: 'countersign.audit', version }, logRecords: own.map((e) => logRecord(e, observed)) },
      ],
    })),
  });
}

function grouped(events: readonly SinkEvent[]): ReadonlyMap<string, readonly SinkEvent[]> {
  const groups = new Map<string, SinkEvent[]>();
  for (const event of events) {
    const own = groups.get(event.origin) ?? [];
    own.push(event);
    groups.set(event.origin, own);
  }
  return groups;
}

const severities = {
  1: [9, 'INFO'],
  2: [10, 'INFO2'],
  3: [13, 'WARN'],
  4: [17, 'ERROR'],
} as const;

function logRecord(event: SinkEvent, observed: string): JsonObject {
  const attributes = event.json.startsWith('{"event_name":') ? documentOf(event)['attributes'] : undefined;
  const isOtel = isJsonObject(attributes);
  const [severityNumber, severityText] = severities[event.severity];
  return {
    timeUnixNano: String(event.timeNs),
    observedTimeUnixNano: observed,
    severityNumber,
    severityText,
    eventName: event.type,
    ...(isOtel ? {} : { body: { stringValue: event.json } }),
    attributes: keyValues(isOtel ? attributes : { 'log.record.uid': event.id }),
    ...(event.trace ? { traceId: event.trace.id, spanId: event.trace.span, flags: 1 } : {}),
  };
}

function keyValues(attributes: JsonObject): readonly JsonObject[] {
  return Object.entries(attributes).map(([key, value]) => ({ key, value: anyValue(value) }));
}

/** The JSON form of AnyValue: 64-bit integers are strings. */
function anyValue(value: JsonValue): JsonObject {
  if (typeof value === 'string') return { stringValue: value };
  if (typeof value === 'boolean') return { boolValue: value };
  if (typeof value === 'number') {
    return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
  }
  if (Array.isArray(value)) return { arrayValue: { values: value.map(anyValue) } };
  if (isJsonObject(value)) return { kvlistValue: { values: keyValues(value) } };
  return {};
}
