import { Kafka, logLevel, type Producer, type SASLOptions } from 'kafkajs';
import { baseOrigin } from '../shards.ts';
import { type TlsClient, tlsOptions } from '../tls-client.ts';
import { type Delivery, delivered, type Sink, type SinkEvent } from './sink.ts';

export interface KafkaOptions {
  readonly brokers: readonly string[];
  readonly topic: string;
  readonly clientId: string;
  /** False: plain TCP; true: TLS with what Node has. */
  readonly tls: boolean | TlsClient;
  readonly sasl: {
    readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
    readonly username: string;
    readonly password: string;
  } | null;
  readonly deadlineMs: number;
}

/**
 * Kafka, one message an event: key is the origin, so that a log stays in order within its partition, shard after shard; headers are those of
 * CloudEvents' Kafka binding, `ce_id` is what consumers drop duplicates by. All in-sync replicas must have a batch
 * (`acks: -1`; set `min.insync.replicas` on the topic), one batch is in flight, and the client's own retries and its
 * idempotent mode are off: the shipper repeats, ids tell.
 */
export function createKafkaSink(options: KafkaOptions): Sink {
  const { tls, sasl, deadlineMs } = options;
  const kafka = new Kafka({
    clientId: options.clientId,
    brokers: [...options.brokers],
    ssl: typeof tls === 'boolean' ? tls : tlsOptions(tls),
    ...(sasl === null ? {} : { sasl: saslOf(sasl) }),
    connectionTimeout: Math.min(deadlineMs, 10_000),
    requestTimeout: deadlineMs,
    logLevel: logLevel.NOTHING,
    retry: { retries: 0, initialRetryTime: 100, restartOnFailure: async () => false },
  });
  let producer: Producer | null = null;

  async function connected(): Promise<Producer> {
    if (producer !== null) return producer;
    const fresh = kafka.producer({
      idempotent: false,
      maxInFlightRequests: 1,
      allowAutoTopicCreation: false,
      retry: { retries: 0 },
    });
    await fresh.connect();
    producer = fresh;
    return fresh;
  }

  async function drop(): Promise<void> {
    const last = producer;
    producer = null;
    // It failed already, or the sink closes: how it ends changes nothing.
    await last?.disconnect().catch(() => undefined);
  }

  return {
    deliver: async (events) => {
      try {
        const to = await connected();
        await to.send({ topic: options.topic, acks: -1, timeout: deadlineMs, messages: events.map(message) });
        return delivered;
      } catch (thrown) {
        await drop();
        return failure(thrown);
      }
    },
    close: drop,
  };
}

function message(event: SinkEvent) {
  return {
    key: baseOrigin(event.origin),
    value: event.json,
    headers: {
      ce_specversion: '1.0',
      ce_id: event.id,
      ce_source: event.origin,
      ce_type: event.type,
      ce_time: new Date(Number(event.timeNs / 1_000_000n)).toISOString(),
      'content-type': 'application/json',
    },
  };
}

/** Broker errors that no repetition mends: the batch, or a message in it, is too large or malformed. */
const refusals: ReadonlySet<unknown> = new Set([
  'MESSAGE_TOO_LARGE',
  'RECORD_LIST_TOO_LARGE',
  'INVALID_RECORD',
  'CORRUPT_MESSAGE',
]);

function failure(thrown: unknown): Delivery {
  const type: unknown = typeof thrown === 'object' && thrown !== null ? Reflect.get(thrown, 'type') : undefined;
  const reason = thrown instanceof Error ? thrown.message : String(thrown);
  return refusals.has(type) ? { kind: 'refused', reason } : { kind: 'failed', reason, afterMs: null };
}

function saslOf(sasl: NonNullable<KafkaOptions['sasl']>): SASLOptions {
  const { mechanism, username, password } = sasl;
  switch (mechanism) {
    case 'plain':
      return { mechanism: 'plain', username, password };
    case 'scram-sha-256':
      return { mechanism: 'scram-sha-256', username, password };
    case 'scram-sha-512':
      return { mechanism: 'scram-sha-512', username, password };
  }
}
