import { afterEach, describe, expect, test } from 'vitest';
import { createKafkaSink, type KafkaOptions } from '../../../../src/audit/sinks/kafka-sink.ts';
import type { TlsClient } from '../../../../src/audit/tls-client.ts';
import { createAuthority } from '../../../support/certificates.ts';
import { type KafkaStandIn, startKafkaStandIn } from '../../../support/kafka-stand-in.ts';
import { sampleEvent as event } from '../../../support/sink-event.ts';

const authority = createAuthority('a company');
const ofBroker = authority.issue('broker');
const ours = authority.issue('countersign');
const others = createAuthority('another company');
const stranger = others.issue('countersign');
const whole: TlsClient = { ca: authority.cert, cert: ours.cert, key: ours.key, serverName: null };
let broker: KafkaStandIn | null = null;
afterEach(async () => {
  await broker?.close();
  broker = null;
});

/** What becomes of an event at a broker that takes nobody without a certificate of the company. */
async function deliver(tls: KafkaOptions['tls'], sasl: KafkaOptions['sasl'] = null) {
  const own = { ...ofBroker, ca: authority.cert, requestCert: true, rejectUnauthorized: true };
  const login = sasl === null ? null : ['', 'audit', 'made-up'].join('\0');
  broker = await startKafkaStandIn(own, { topic: 'audit', login });
  const sink = createKafkaSink({
    brokers: [broker.broker],
    topic: 'audit',
    clientId: 'countersign',
    tls,
    sasl,
    deadlineMs: 5_000,
  });
  const delivery = await sink.deliver([event], AbortSignal.timeout(10_000));
  await sink.close();
  const { clients, batches } = broker;
  return { delivery, clients: [...new Set(clients)], events: batches.map((batch) => batch.includes(event.json)) };
}

const settled = { kind: 'settled', rejected: [], retry: [], afterMs: null };

describe('a broker with certificates of a company', () => {
  test('is sent events by who trusts its authority and shows what it asks for', async () => {
    expect(await deliver(whole)).toEqual({ delivery: settled, clients: ['countersign'], events: [true] });
  });

  test('may be known by another name than its address', async () => {
    expect((await deliver({ ...whole, serverName: 'localhost' })).delivery).toEqual(settled);
  });

  test('takes a login beside the certificate', async () => {
    const login = { mechanism: 'plain', username: 'audit', password: 'made-up' } as const;
    expect((await deliver(whole, login)).delivery).toEqual(settled);
    await broker?.close();
    const { delivery, events } = await deliver(whole, { ...login, password: 'another' });
    expect([delivery.kind, events]).toEqual(['failed', []]);
  });

  test.each([
    ['what Node trusts alone', true, /unable to verify|self-signed/],
    ['another authority', { ...whole, ca: others.cert }, /unable to verify|self-signed/],
    ['another name', { ...whole, serverName: 'kafka.example.com' }, /altnames/],
    ['no certificate of ours', { ...whole, cert: null, key: null }, /./],
    ['a certificate of another company', { ...whole, cert: stranger.cert, key: stranger.key }, /./],
  ] as const)('is sent nothing with %s', async (_, tls, reason) => {
    const { delivery, events } = await deliver(tls);
    expect(delivery).toMatchObject({ kind: 'failed', reason: expect.stringMatching(reason) });
    expect(events).toEqual([]);
  });
});
