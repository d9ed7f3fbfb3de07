// `npm run eval:kafka`: the Kafka sink against a real broker. Not part of the suite: it brings 55 jars by Maven (once, about a minute)
// and needs Java. Prints what was checked; ends with an error when something did not hold.
import { strict as assert } from 'node:assert';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Kafka, type KafkaMessage, logLevel } from 'kafkajs';
import { createRenderer } from '../../src/audit/sinks/format.ts';
import { createKafkaSink, type KafkaOptions } from '../../src/audit/sinks/kafka-sink.ts';
import { defaultProjection } from '../../src/audit/sinks/projection.ts';
import type { SinkEvent } from '../../src/audit/sinks/sink.ts';
import type { TlsClient } from '../../src/audit/tls-client.ts';
import { testOrigin } from '../support/audit.ts';
import { createAuthority } from '../support/certificates.ts';
import { eventually } from '../support/eventually.ts';
import { testProduct } from '../support/sink-log.ts';
import { sampleRecords } from '../support/sink-samples.ts';
import { freePorts, root } from '../support/stack.ts';

const lib = join(root, '.cache', 'kafka');
const folder = mkdtempSync(join(tmpdir(), 'countersign-kafka-'));
const [port = 0, securePort = 0, loginPort = 0, controller = 0] = await freePorts(4);
const company = createAuthority('a company');
const ours = company.issue('countersign');
const password = ['made', 'up'].join('-');
const stop = startBroker();
try {
  await check();
} finally {
  await stop();
  rmSync(folder, { recursive: true, force: true });
}

async function check(): Promise<void> {
  const brokers = [`127.0.0.1:${port}`];
  const kafka = new Kafka({ brokers, clientId: 'test', logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  await eventually(
    'a broker',
    () =>
      admin.connect().then(
        () => true,
        () => undefined,
      ),
    60_000,
  );
  await admin.createTopics({ topics: [{ topic: 'audit', numPartitions: 1 }], waitForLeaders: true });

  const renderer = createRenderer('ocsf', defaultProjection, testProduct, testOrigin);
  const events = (await sampleRecords()).flatMap((record) => renderer.record(record));
  const sinkOn = (topic: string, at = brokers) =>
    createKafkaSink({ brokers: at, topic, clientId: 'countersign', tls: false, sasl: null, deadlineMs: 10_000 });
  const { signal } = new AbortController();
  const sink = sinkOn('audit');
  assert.deepEqual(await sink.deliver(events, signal), { kind: 'settled', rejected: [], retry: [], afterMs: null });
  const [first] = events;
  assert(first !== undefined);
  const tooLarge = await sink.deliver([{ ...first, json: JSON.stringify('y'.repeat(300_000)) }], signal);
  assert.equal(tooLarge.kind, 'refused');
  assert.equal((await sinkOn('no-such-topic').deliver([first], signal)).kind, 'failed');
  assert.equal((await sinkOn('audit', ['127.0.0.1:1']).deliver([first], signal)).kind, 'failed');

  const consumer = kafka.consumer({ groupId: 'test' });
  const received: KafkaMessage[] = [];
  await consumer.connect();
  await consumer.subscribe({ topic: 'audit', fromBeginning: true });
  await consumer.run({ eachMessage: async ({ message }) => void received.push(message) });
  await eventually('all messages', () => (received.length >= events.length ? true : undefined), 60_000);
  assert.deepEqual(
    received.map(({ key, value, headers }) => [String(key), String(value), String(headers?.['ce_id'])]),
    events.map(({ origin, json, id }) => [origin, json, id]),
  );
  await consumer.disconnect();
  await checkTls(first);
  await admin.disconnect();
  await sink.close();
  process.stdout.write(`Kafka 3.9.1: ${received.length} events acknowledged, in order, whole, with their ids\n`);
}

/** Over TLS with a company's certificates, with and without a login; the broker asks for a certificate of ours each time. */
async function checkTls(event: SinkEvent): Promise<void> {
  const whole: TlsClient = { ca: company.cert, cert: ours.cert, key: ours.key, serverName: null };
  const kindOf = async (at: number, tls: KafkaOptions['tls'], sasl: KafkaOptions['sasl'] = null): Promise<string> => {
    const brokers = [`127.0.0.1:${at}`];
    const sink = createKafkaSink({ brokers, topic: 'audit', clientId: 'countersign', tls, sasl, deadlineMs: 10_000 });
    const { kind } = await sink.deliver([event], new AbortController().signal);
    await sink.close();
    return kind;
  };
  const login = { mechanism: 'plain', username: 'countersign', password } as const;
  const stranger = createAuthority('another company').issue('countersign');
  assert.deepEqual(
    {
      certificate: await kindOf(securePort, whole),
      otherName: await kindOf(securePort, { ...whole, serverName: 'localhost' }),
      login: await kindOf(loginPort, whole, login),
      nodesAuthorities: await kindOf(securePort, true),
      noCertificate: await kindOf(securePort, { ...whole, cert: null, key: null }),
      strangersCertificate: await kindOf(securePort, { ...whole, ...stranger }),
      wrongName: await kindOf(securePort, { ...whole, serverName: 'kafka.example.com' }),
      wrongPassword: await kindOf(loginPort, whole, { ...login, password: 'another' }),
      noCertificateWithLogin: await kindOf(loginPort, { ...whole, cert: null, key: null }, login),
    },
    {
      certificate: 'settled',
      otherName: 'settled',
      login: 'settled',
      nodesAuthorities: 'failed',
      noCertificate: 'failed',
      strangersCertificate: 'failed',
      wrongName: 'failed',
      wrongPassword: 'failed',
      noCertificateWithLogin: 'failed',
    },
  );
  process.stdout.write(
    'Over TLS with certificates of a company, and with a login beside them: taken; six wrong ones: nothing taken\n',
  );
}

/** A single broker in KRaft mode, its limits small enough to reach. */
function startBroker(): () => Promise<void> {
  if (!existsSync(lib)) {
    mkdirSync(lib, { recursive: true });
    const pom = join(root, 'test', 'support', 'kafka-broker.xml');
    must('mvn', ['-q', '-B', '-f', pom, 'dependency:copy-dependencies', `-DoutputDirectory=${lib}`]);
  }
  const properties = join(folder, 'server.properties');
  const { cert, key } = company.issue('broker');
  writeFileSync(join(folder, 'broker.pem'), Buffer.concat([key, cert]));
  writeFileSync(join(folder, 'company.pem'), company.cert);
  writeFileSync(
    properties,
    `process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:${controller}
listeners=PLAINTEXT://127.0.0.1:${port},SSL://127.0.0.1:${securePort},SASL_SSL://127.0.0.1:${loginPort},CONTROLLER://127.0.0.1:${controller}
advertised.listeners=PLAINTEXT://127.0.0.1:${port},SSL://127.0.0.1:${securePort},SASL_SSL://127.0.0.1:${loginPort}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT
ssl.keystore.type=PEM
ssl.keystore.location=${join(folder, 'broker.pem')}
ssl.truststore.type=PEM
ssl.truststore.location=${join(folder, 'company.pem')}
listener.name.ssl.ssl.client.auth=required
listener.name.sasl_ssl.ssl.client.auth=required
listener.name.sasl_ssl.sasl.enabled.mechanisms=PLAIN
listener.name.sasl_ssl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \\
  user_countersign="${password}";
controller.listener.names=CONTROLLER
log.dirs=${join(folder, 'data')}
offsets.topic.replication.factor=1
message.max.bytes=200000
`,
  );
  const java = ['-Xmx512m', '-cp', join(lib, '*')];
  must('java', [...java, 'kafka.tools.StorageTool', 'format', '-t', 'MkU3OEVBNTcwNTJENDM2Qg', '-c', properties]);
  const broker = spawn('java', [...java, 'kafka.Kafka', properties], { stdio: 'ignore' });
  return () =>
    new Promise((resolve) => {
      broker.once('exit', () => resolve());
      broker.kill('SIGKILL');
    });
}

function must(command: string, args: readonly string[]): void {
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'ignore', 'pipe'] });
  if (status !== 0) throw new Error(`${command} failed: ${stderr}`);
}
