import { createPrivateKey } from 'node:crypto';
import { expect, test } from 'vitest';
import { checkConfig, type Surroundings } from '../../../src/config/check.ts';
import { createAuthority } from '../../support/certificates.ts';

const company = createAuthority('a company');
const ours = company.issue('countersign');
const kept: Readonly<Record<string, string>> = {
  'ca.pem': `# ours\n${company.cert}\n${createAuthority('the one before').cert}`,
  'cert.pem': `${ours.cert}\n${company.cert}`,
  'key.pem': String(ours.key),
  'other-key.pem': String(company.issue('countersign').key),
  'locked-key.pem': String(
    createPrivateKey(ours.key).export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'made-up' }),
  ),
  'text.pem': 'no PEM',
  'broken.pem': `${company.cert}\n${String(company.cert).replace(/\nM.{40}/, '\nMAAA')}`,
};

const surroundings: Surroundings = {
  env: { TOKEN: 'made-up' },
  readText: () => null,
  readPem: (path) => kept[path.replace('/etc/', '')] ?? null,
  kindOf: (path) => (path.replace('/etc/', '') in { ...kept, 'bundle.tar.gz': '' } ? 'file' : 'missing'),
};

/** Everything that takes a section `tls` of a client, with what else it needs. */
const takers: Readonly<Record<string, string>> = {
  'sinks[0].webhook': 'url: "https://hook.example.com", secret: "${env:TOKEN}"',
  'sinks[0].syslog': 'address: "10.0.0.1:6514"',
  'sinks[0].splunk_hec': 'url: "https://splunk.example.com:8088", token: "${env:TOKEN}"',
  'sinks[0].elasticsearch': 'url: "https://elastic.example.com:9200"',
  'sinks[0].otlp': 'url: "https://collector.example.com:4318"',
  'sinks[0].kafka': 'brokers: ["k1:9092"], topic: audit',
  'sinks[0].s3': 'bucket: evidence, endpoint: "https://minio.example.com:9000"',
  'kek.vault': 'address: "https://vault.example.com:8200", key: audit, token: "${env:TOKEN}"',
  'kek.aws_kms': 'key_id: alias/audit, region: eu-central-1',
};

function check(taker: string, tls: string): ReturnType<typeof checkConfig> {
  const [section, kind] = taker.split('.');
  const inner = `${kind}: {\n ${takers[taker]},\n tls: ${tls} }`;
  const audit = section === 'kek' ? `kek: { ${inner} }` : `sinks: [{ name: one, ${inner} }]`;
  return checkConfig(`policy: { bundle: bundle.tar.gz }\naudit: { ${audit} }`, '/etc/countersign.yaml', surroundings);
}

function told(taker: string, tls: string): readonly string[] {
  const { problems } = check(taker, tls);
  return problems.map(({ line, setting, message }) => `${line} ${setting.replace(`audit.${taker}.`, '')} ${message}`);
}

test.each(Object.keys(takers))('the files may be given to %s, and are looked for and read', (taker) => {
  const given = '{ ca_file: ca.pem, cert_file: cert.pem, key_file: key.pem, server_name: receiver }';
  expect(told(taker, given)).toEqual([]);
  expect(told(taker, '{ ca_file: lost.pem }')).toEqual(['4 tls.ca_file names /etc/lost.pem, which does not exist']);
  expect(told(taker, '{ ca_file: text.pem }')).toEqual([
    '4 tls.ca_file names /etc/text.pem, in which there is no certificate',
  ]);
  expect(told(taker, '{ cert_file: cert.pem }')).toEqual(['4 tls must have cert_file and key_file, or neither']);
  expect(told(taker, '{ ca: ca.pem }')).toEqual(['4 tls.ca is no known setting']);
  expect(told(taker, '{ ca_file: 1 }')).toEqual(['4 tls.ca_file must be a text']);
});

test.each([
  ['{ ca_file: broken.pem }', 'ca_file names /etc/broken.pem, whose certificate number 2 cannot be read'],
  ['{ ca_file: key.pem }', 'ca_file names /etc/key.pem, in which there is no certificate'],
  [
    '{ cert_file: cert.pem, key_file: other-key.pem }',
    'key_file names /etc/other-key.pem, which is not the key of the certificate in cert_file',
  ],
  [
    '{ cert_file: cert.pem, key_file: locked-key.pem }',
    'key_file names /etc/locked-key.pem, in which there is no private key that can be read',
  ],
  [
    '{ cert_file: cert.pem, key_file: cert.pem }',
    'key_file names /etc/cert.pem, in which there is no private key that can be read',
  ],
])('%s: what stands in them is told', (tls, want) => {
  expect(told('sinks[0].s3', tls)).toEqual([`4 tls.${want}`]);
});

test('to Kafka TLS is a section, or a word', () => {
  const kafka = 'sinks[0].kafka';
  expect([told(kafka, 'true'), told(kafka, 'false')]).toEqual([[], []]);
  expect(told(kafka, '"yes"')).toEqual(['4 tls must be true or false, or a section']);
  expect(check(kafka, '{ ca_file: ca.pem }').config?.audit.sinks[0]?.target.reveal()).toMatchObject({
    tls: { caFile: '/etc/ca.pem', certFile: null, keyFile: null, serverName: null },
  });
});
