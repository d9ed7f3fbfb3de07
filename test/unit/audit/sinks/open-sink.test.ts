import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { openSink } from '../../../../src/audit/sinks/open-sink.ts';
import { loadConfig } from '../../../../src/config/load.ts';
import { sinkSpecs } from '../../../../src/main/sinks.ts';
import { createAuthority } from '../../../support/certificates.ts';
import { startKafkaStandIn } from '../../../support/kafka-stand-in.ts';
import { startReceiver } from '../../../support/receiver.ts';
import { sampleEvent as event } from '../../../support/sink-event.ts';
import { testProduct } from '../../../support/sink-log.ts';

const folder = mkdtempSync(join(tmpdir(), 'open-sink-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('a configuration that names the files of a company reaches its receivers', async () => {
  const company = createAuthority('a company');
  const ours = company.issue('countersign');
  const server = { ...company.issue('receiver'), ca: company.cert, requestCert: true, rejectUnauthorized: true };
  const kafka = await startKafkaStandIn(server, { topic: 'audit' });
  const receiver = await startReceiver(() => ({ status: 200 }), server);
  writeFileSync(join(folder, 'ca.pem'), company.cert);
  writeFileSync(join(folder, 'cert.pem'), ours.cert);
  writeFileSync(join(folder, 'key.pem'), ours.key);
  writeFileSync(join(folder, 'bundle.tar.gz'), '');
  const tls = 'tls: { ca_file: ca.pem, cert_file: cert.pem, key_file: key.pem }';
  const file = join(folder, 'countersign.yaml');
  writeFileSync(
    file,
    `policy: { bundle: bundle.tar.gz }
audit:
  sinks:
    - { name: stream, kafka: { brokers: ["${kafka.broker}"], topic: audit, ${tls} } }
    - { name: hook, webhook: { url: "${receiver.url}/hook", secret: "\${env:TOKEN}", ${tls} } }
    - name: worm
      s3:
        { bucket: evidence, endpoint: "${receiver.url}", access_key_id: made-up, secret_access_key: "\${env:TOKEN}", ${tls} }
`,
  );
  const loaded = loadConfig(file, { TOKEN: 'made-up' });
  if (!loaded.ok) throw new Error(JSON.stringify(loaded.error));

  const signal = AbortSignal.timeout(10_000);
  const surroundings = { product: testProduct, nowMs: () => 0, nowNs: () => 0n, channel: 'channel' };
  for (const spec of sinkSpecs(loaded.value.config.audit)) {
    const opened = await openSink(spec, surroundings);
    if (opened.kind === 'events') {
      expect(await opened.sink.deliver([event], signal)).toMatchObject({ kind: 'settled', rejected: [] });
      await opened.sink.close();
    } else {
      expect(await opened.store.put('one', Buffer.from('a segment'), 'text/plain', signal)).toBe('stored');
      await opened.store.close();
    }
  }
  expect(kafka.clients).toContain('countersign');
  expect(kafka.batches).toHaveLength(1);
  expect(receiver.requests.map(({ path }) => path.split('?')[0])).toEqual(['/hook', '/evidence/one']);
  await kafka.close();
  await receiver.close();
});
