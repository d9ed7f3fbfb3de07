import { readTls } from '../tls-client.ts';
import { createElasticsearchSink } from './elasticsearch-sink.ts';
import { createFileSink } from './file-sink.ts';
import type { Product } from './format.ts';
import { createOtlpSink } from './otlp-sink.ts';
import type { ObjectStore } from './segment-shipper.ts';
import type { Sink } from './sink.ts';
import type { SinkSpec } from './sink-spec.ts';
import { createSplunkHecSink } from './splunk-hec-sink.ts';
import { createStdoutSink } from './stdout-sink.ts';
import { createSyslogSink } from './syslog-sink.ts';
import { createWebhookSink } from './webhook-sink.ts';

export interface SinkSurroundings {
  readonly product: Product;
  readonly nowMs: () => number;
  readonly nowNs: () => bigint;
  /** A GUID of this run. */
  readonly channel: string;
}

/** Waits between two questions to Splunk's indexers, and for their word as a whole. */
const ack = { pollMs: 1_000, waitMs: 120_000 };

/** A sink, or a store of whole segments, as configured. The vendors' clients are loaded only where they are used. */
export async function openSink(
  { target, deadlineMs }: SinkSpec,
  { product, nowMs, nowNs, channel }: SinkSurroundings,
): Promise<
  { readonly kind: 'events'; readonly sink: Sink } | { readonly kind: 'segments'; readonly store: ObjectStore }
> {
  const { host, version } = product;
  switch (target.kind) {
    case 'stdout':
      return events(createStdoutSink(process.stdout));
    case 'file':
      return events(createFileSink(target.path));
    case 'webhook':
      return events(createWebhookSink({ ...target, nowMs, tls: readTls(target.tls) }));
    case 'syslog':
      return events(createSyslogSink({ ...target, host, processId: process.pid, tls: readTls(target.tls) }));
    case 'splunk_hec':
      return events(
        createSplunkHecSink({
          ...target,
          host,
          channel,
          ackPollMs: ack.pollMs,
          ackWaitMs: ack.waitMs,
          tls: readTls(target.tls),
        }),
      );
    case 'elasticsearch':
      return events(createElasticsearchSink({ ...target, tls: readTls(target.tls) }));
    case 'otlp':
      return events(createOtlpSink({ ...target, version, host, nowNs, tls: readTls(target.tls) }));
    case 'kafka': {
      const tls = typeof target.tls === 'boolean' ? target.tls : readTls(target.tls);
      const { createKafkaSink } = await import('./kafka-sink.ts');
      return events(createKafkaSink({ ...target, clientId: 'countersign', deadlineMs, tls }));
    }
    case 's3': {
      const { createS3Store } = await import('./s3-store.ts');
      return { kind: 'segments', store: createS3Store({ ...target, nowMs, tls: readTls(target.tls) }) };
    }
  }
}

function events(sink: Sink): { readonly kind: 'events'; readonly sink: Sink } {
  return { kind: 'events', sink };
}

/** Longest wait for a receiver's word: what is configured, and for Splunk the indexers' time on top. */
export function deadlineOf({ target, deadlineMs }: SinkSpec): number {
  return target.kind === 'splunk_hec' && target.acks ? deadlineMs + ack.waitMs : deadlineMs;
}
