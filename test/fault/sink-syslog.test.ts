import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { createRenderer } from '../../src/audit/sinks/format.ts';
import { defaultProjection } from '../../src/audit/sinks/projection.ts';
import { documentOf, type SinkEvent } from '../../src/audit/sinks/sink.ts';
import { syslogMessage } from '../../src/audit/sinks/syslog-message.ts';
import { createSyslogSink, type SyslogOptions } from '../../src/audit/sinks/syslog-sink.ts';
import { bareEntry, openTestLog, testOrigin } from '../support/audit.ts';
import { eventually } from '../support/eventually.ts';
import { type Rsyslog, startRsyslog } from '../support/rsyslog.ts';
import { startTestShipper, testProduct } from '../support/sink-log.ts';
import { sampleRecords } from '../support/sink-samples.ts';

const root = mkdtempSync(join(tmpdir(), 'sink-syslog-'));
afterAll(() => rmSync(root, { recursive: true }));
let rsyslog: Rsyslog | null = null;
afterEach(async () => {
  await rsyslog?.close();
  rsyslog = null;
});

const sender = { host: 'gw-0', processId: 7, enterprise: 32_473 };

function optionsFor({ port, ca }: Rsyslog): SyslogOptions {
  return {
    ...sender,
    address: { host: '127.0.0.1', port },
    tls: ca === null ? null : { ca, cert: null, key: null, serverName: 'localhost' },
  };
}

const records = await sampleRecords();
const renderer = createRenderer('ocsf', defaultProjection, testProduct, testOrigin);
const events = records.flatMap((record) => renderer.record(record));
const signal = new AbortController().signal;

describe('a real rsyslogd', () => {
  test.each([
    ['TCP', false],
    ['TLS', true],
  ])('over %s understands every part of every message', async (_, isTls) => {
    rsyslog = await startRsyslog(isTls);
    const sink = createSyslogSink(optionsFor(rsyslog));
    await sink.deliver(events, signal);
    await sink.close();
    const server = rsyslog;
    const lines = await eventually('all messages', () => {
      const got = server.lines();
      return got.length >= events.length ? got : undefined;
    });
    expect(lines).toHaveLength(events.length);
    for (const [index, line] of lines.entries()) {
      const event = events[index];
      expect(line).toMatchObject({ host: 'gw-0', app: 'countersign', procid: '7', msgid: event?.kind.toUpperCase() });
      expect(Number(line.pri)).toBe(13 * 8 + 7 - (event?.severity ?? 1));
      expect(line.time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}/);
      expect(line.data).toContain(`[audit@32473 id="${event?.id}" origin="${testOrigin}" idx="${event?.sequence}"`);
      expect(JSON.parse(line.msg.replace(/^\uFEFF/, ''))).toEqual(event && documentOf(event));
    }
  });

  test('refuses us when its certificate is not by the authority that we trust', async () => {
    rsyslog = await startRsyslog(true);
    const tls = { ca: null, cert: null, key: null, serverName: 'localhost' };
    await expect(createSyslogSink({ ...optionsFor(rsyslog), tls }).deliver(events, signal)).rejects.toThrow();
  });

  test('loses nothing by a restart in the middle', async () => {
    rsyslog = await startRsyslog(false);
    const server = rsyslog;
    const directory = join(root, 'log');
    const log = await openTestLog(directory);
    const shipper = await startTestShipper(directory, join(root, 'state'), createSyslogSink(optionsFor(server)));
    const ids: string[] = [];
    for (let round = 0; round < 10; round += 1) {
      const receipts = await Promise.all(Array.from({ length: 50 }, () => log.append(bareEntry('policy'))));
      ids.push(...receipts.map(({ id }) => id));
      if (round === 4) await server.restart();
    }
    await log.close();
    await shipper.stop(20_000);
    const received = await eventually('every id', () => {
      const seen = new Set(server.lines().map(({ data }) => / id="([^"]+)"/.exec(data)?.[1]));
      return ids.every((id) => seen.has(id)) ? seen : undefined;
    });
    expect(received.size).toBeGreaterThanOrEqual(ids.length);
  });
});

test('a receiver that accepts and takes nothing ends by the deadline, and another connection is tried', async () => {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    socket.pause();
    sockets.push(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const sink = createSyslogSink({ ...sender, address: { host: '127.0.0.1', port }, tls: null });
  const many = Array.from({ length: 300 }, () => events).flat();
  const deadline = new AbortController();
  const delivering = sink.deliver(many, deadline.signal);
  await eventually('a connection', () => sockets[0]);
  deadline.abort();
  await expect(delivering).rejects.toThrow('takes nothing');
  void sink.deliver(many, signal).catch(() => undefined);
  await eventually('another connection', () => sockets[1]);
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
});

test('a message beyond 8 KiB keeps its structured data and says that it was cut', () => {
  const [first] = events;
  expect(first).toBeDefined();
  if (first === undefined) return;
  const event: SinkEvent = { ...first, origin: 'a"b]c\\d', json: JSON.stringify({ x: 'y'.repeat(9_000) }) };
  const text = syslogMessage(event, sender).toString();
  expect(text.length).toBeLessThan(1_000);
  expect(text).toContain('origin="a\\"b\\]c\\\\d"');
  expect(text).toContain('truncated="1"');
  expect(text.endsWith(`\uFEFF${JSON.stringify({ id: event.id, truncated: true })}`)).toBe(true);
});
