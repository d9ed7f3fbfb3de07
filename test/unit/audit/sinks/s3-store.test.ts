import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { nodeFs } from '../../../../src/audit/fs-port.ts';
import { createS3Store } from '../../../../src/audit/sinks/s3-store.ts';
import { startSegmentShipper } from '../../../../src/audit/sinks/segment-shipper.ts';
import type { TlsClient } from '../../../../src/audit/tls-client.ts';
import { createPooledRandom } from '../../../../src/lib/ids.ts';
import { intentEntry, openTestLog, testOrigin } from '../../../support/audit.ts';
import { inlineWriter } from '../../../support/audit-fs.ts';
import { createAuthority } from '../../../support/certificates.ts';
import { eventually } from '../../../support/eventually.ts';
import { type ReceivedRequest, type Reply, startReceiver } from '../../../support/receiver.ts';
import { fastLimits } from '../../../support/sink-log.ts';

const root = mkdtempSync(join(tmpdir(), 'sink-s3-'));
afterAll(() => rmSync(root, { recursive: true }));
const nowMs = Date.UTC(2026, 10, 21);

/** A bucket with Object Lock: takes an object once, whole, signed and locked; the first upload fails. */
function bucket(): { readonly objects: Map<string, Buffer>; answer(request: ReceivedRequest): Reply } {
  const objects = new Map<string, Buffer>();
  let isFirst = true;
  return {
    objects,
    answer: ({ method, path, headers, bytes }) => {
      if (isFirst) {
        isFirst = false;
        return { status: 503 };
      }
      const checksum = createHash('sha256').update(bytes).digest('base64');
      const isRight =
        method === 'PUT' &&
        /^AWS4-HMAC-SHA256 Credential=made-up-id\/\d{8}\/eu-test-1\/s3\/aws4_request, SignedHeaders=\S*x-amz-object-lock-mode/.test(
          String(headers.authorization),
        ) &&
        headers['if-none-match'] === '*' &&
        headers['x-amz-checksum-sha256'] === checksum &&
        headers['x-amz-object-lock-mode'] === 'COMPLIANCE' &&
        headers['x-amz-object-lock-legal-hold'] === 'ON' &&
        Date.parse(String(headers['x-amz-object-lock-retain-until-date'])) === nowMs + 90 * 86_400_000;
      if (!isRight) return { status: 400 };
      const key = decodeURIComponent(path.split('?')[0] ?? '');
      if (objects.has(key)) return { status: 412 };
      objects.set(key, bytes);
      return { status: 200, headers: { 'x-amz-checksum-sha256': checksum } };
    },
  };
}

test('closed segments and checkpoints go to a locked bucket, each once', async () => {
  const directory = join(root, 'log');
  const store = bucket();
  const receiver = await startReceiver(store.answer);
  const ship = (state: string) =>
    startSegmentShipper({
      name: 'worm',
      log: directory,
      origin: testOrigin,
      state: join(root, state),
      store: createS3Store({
        bucket: 'evidence',
        region: 'eu-test-1',
        endpoint: receiver.url,
        tls: null,
        accessKeyId: 'made-up-id',
        secretAccessKey: ['made', 'up', 'secret'].join('-'),
        lockMs: 90 * 86_400_000,
        legalHold: true,
        nowMs: () => nowMs,
      }),
      limits: fastLimits,
      fs: nodeFs,
      random: (size) => Buffer.alloc(size),
      nowMs: () => nowMs,
    });

  const log = await openTestLog(directory, {
    startWriter: inlineWriter(nodeFs),
    limits: { segmentBytesMax: 8_192 },
    random: createPooledRandom(),
  });
  const shipper = await ship('state');
  for (let i = 0; i < 40; i += 1) await log.append(intentEntry(`exchange-${i}`));
  await eventually('some segments', () => (store.objects.size > 2 ? true : undefined));
  await log.close();
  await shipper.stop(60_000);

  const names = readdirSync(join(directory, 'segments'));
  const shipped = [...store.objects.keys()].filter((key) => key.includes('/segments/'));
  // The last segment is not closed before the next run opens one.
  expect(shipped).toEqual(names.slice(0, -1).map((name) => `/evidence/${testOrigin}/segments/${name}`));
  for (const name of names.slice(0, -1)) {
    const bytes = readFileSync(join(directory, 'segments', name));
    expect(store.objects.get(`/evidence/${testOrigin}/segments/${name}`)).toEqual(bytes);
  }
  const checkpoint = readFileSync(join(directory, 'checkpoint'));
  const size = checkpoint.toString().split('\n')[1]?.padStart(16, '0');
  expect(store.objects.get(`/evidence/${testOrigin}/checkpoints/${size}`)).toEqual(checkpoint);

  // Sent again from the beginning, as after a lost cursor: what is there is not written again.
  const before = new Map(store.objects);
  await (await ship('another-state')).stop(60_000);
  expect(store.objects).toEqual(before);
  await receiver.close();
});

describe('a store with certificates of a company', () => {
  const authority = createAuthority('a company');
  const others = createAuthority('another company');
  const ours = authority.issue('countersign');
  const stranger = others.issue('countersign');
  const whole: TlsClient = { ca: authority.cert, cert: ours.cert, key: ours.key, serverName: null };
  const small = Buffer.from('a checkpoint');
  /** The SDK asks first whether it may send so much (`Expect: 100-continue`), in another way than it sends a little. */
  const large = Buffer.alloc(3 * 1024 * 1024, 'x');

  /** Stores at one that takes nobody without a certificate of the company; what it took, by key. */
  async function put(tls: TlsClient | null, bytes: Buffer): Promise<readonly (readonly [string, number])[]> {
    const own = { ...authority.issue('store'), ca: authority.cert, requestCert: true, rejectUnauthorized: true };
    const receiver = await startReceiver(() => ({ status: 200 }), own);
    const store = createS3Store({
      bucket: 'evidence',
      region: 'eu-test-1',
      endpoint: receiver.url,
      tls,
      accessKeyId: 'made-up-id',
      secretAccessKey: ['made', 'up', 'secret'].join('-'),
      lockMs: 0,
      legalHold: false,
      nowMs: () => nowMs,
    });
    try {
      expect(await store.put('one', bytes, 'text/plain', AbortSignal.timeout(10_000))).toBe('stored');
      return receiver.requests.map((request) => [request.path.split('?')[0] ?? '', request.bytes.length] as const);
    } finally {
      await store.close();
      await receiver.close();
    }
  }

  test.each([
    ['a little', whole, small],
    ['a lot', whole, large],
    ['a little, known by another name', { ...whole, serverName: 'localhost' }, small],
    ['a lot, known by another name', { ...whole, serverName: 'localhost' }, large],
  ])('is given %s by who trusts its authority and shows what it asks for', async (_, tls, bytes) => {
    expect(await put(tls, bytes)).toEqual([['/evidence/one', bytes.length]]);
  });

  test.each([
    ['what Node trusts alone', null, /unable to verify|self-signed/],
    ['another authority', { ...whole, ca: others.cert }, /unable to verify|self-signed/],
    ['another name', { ...whole, serverName: 's3.example.com' }, /altnames/],
    ['no certificate of ours', { ...whole, cert: null, key: null }, /SSL|ECONNRESET|EPIPE|hang up/],
    [
      'a certificate of another company',
      { ...whole, cert: stranger.cert, key: stranger.key },
      /SSL|ECONNRESET|EPIPE|hang up/,
    ],
  ])('is given nothing with %s', async (_, tls, reason) => {
    await expect(put(tls, small)).rejects.toThrow(reason);
    await expect(put(tls, large)).rejects.toThrow(reason);
  });
});
