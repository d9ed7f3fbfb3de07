import { appendFileSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, expect, test } from 'vitest';
import { createFileSink } from '../../../../src/audit/sinks/file-sink.ts';
import { createRenderer } from '../../../../src/audit/sinks/format.ts';
import { defaultProjection } from '../../../../src/audit/sinks/projection.ts';
import { documentOf } from '../../../../src/audit/sinks/sink.ts';
import { createStdoutSink } from '../../../../src/audit/sinks/stdout-sink.ts';
import { testOrigin } from '../../../support/audit.ts';
import { testProduct } from '../../../support/sink-log.ts';
import { sampleRecords } from '../../../support/sink-samples.ts';

const root = mkdtempSync(join(tmpdir(), 'sink-file-'));
afterAll(() => rmSync(root, { recursive: true }));
const renderer = createRenderer('record', defaultProjection, testProduct, testOrigin);
const events = (await sampleRecords()).flatMap((record) => renderer.record(record));
const signal = new AbortController().signal;

function lines(path: string): unknown[] {
  return readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
}

test('a file takes JSON lines, follows a rotation, and closes the part of a line that a crash left', async () => {
  const path = join(root, 'deep', 'audit.jsonl');
  const sink = createFileSink(path);
  await sink.deliver(events, signal);
  renameSync(path, `${path}.1`);
  await sink.deliver(events.slice(0, 2), signal);
  await sink.close();
  expect(lines(`${path}.1`)).toEqual(events.map(documentOf));
  expect(lines(path)).toEqual(events.slice(0, 2).map(documentOf));

  appendFileSync(path, '{"half');
  const again = createFileSink(path);
  await again.deliver(events.slice(0, 1), signal);
  await again.close();
  expect(readFileSync(path, 'utf8').split('\n').slice(2)).toEqual(['{"half', events[0]?.json, '']);
});

test('standard output takes JSON lines, and its failure is one', async () => {
  const out = new PassThrough();
  await createStdoutSink(out).deliver(events.slice(0, 2), signal);
  expect(String(out.read())).toBe(
    events
      .slice(0, 2)
      .map(({ json }) => `${json}\n`)
      .join(''),
  );
  out.on('error', () => undefined);
  out.destroy();
  await expect(createStdoutSink(out).deliver(events, signal)).rejects.toThrow();
});
