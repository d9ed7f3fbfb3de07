// `npm run eval:kafka`: the Kafka sink against a real broker. Not part of the suite: it brings 55 jars by Maven (once, about a minute)
// and needs Java. Prints what was checked; ends with an error when something did not hold.
import { strict as assert } from 'node:assert';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Kafka, type KafkaMessage, logLevel } from 'kafkajs';
import { createRenderer } from '../../src/audit/sinks/format.ts';
import { createKafkaSink } from '../../src/audit/sinks/kafka-sink.ts';
import { defaultProjection } from '../../src/audit/sinks/projection.ts';
import { testOrigin } from '../support/audit.ts';
import { eventually } from '../support/eventually.ts';
import { testProduct } from '../support/sink-log.ts';
import { sampleRecords } from '../support/sink-samples.ts';
import { freePorts, root } from '../support/stack.ts';

const lib = join(root, '.cache', 'kafka');
const folder = mkdtempSync(join(tmpdir(), 'countersign-kafka-'));
const [port = 0, controller = 0] = await freePorts(2);
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
  await admin.disconnect();
  await sink.close();
  process.stdout.write(`Kafka 3.9.1: ${received.length} events acknowledged, in order, whole, with their ids\n`);
}

/** A single broker in KRaft mode, its limits small enough to reach. */
function startBroker(): () => Promise<void> {
  if (!existsSync(lib)) {
    mkdirSync(lib, { recursive: true });
    const pom = join(root, 'test', 'support', 'kafka-broker.xml');
    must('mvn', ['-q', '-B', '-f', pom, 'dependency:copy-dependencies', `-DoutputDirectory=${lib}`]);
  }
  const properties = join(folder, 'server.properties');
  writeFileSync(
    properties,
    `process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:${controller}
listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controller}
advertised.listeners=PLAINTEXT://127.0.0.1:${port}
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
