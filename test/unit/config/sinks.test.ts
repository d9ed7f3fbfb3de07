import { expect, test } from 'vitest';
import { createWitnessKey } from '../../../src/audit/witness/witness-key.ts';
import { checkConfig, type Surroundings } from '../../../src/config/check.ts';

const surroundings: Surroundings = {
  env: { TOKEN: 'made-up' },
  readText: () => null,
  readPem: () => null,
  kindOf: (path) => (path === '/etc/bundle.tar.gz' ? 'file' : 'missing'),
};

function check(sinks: string, more = ''): ReturnType<typeof checkConfig> {
  const text = `policy: { bundle: bundle.tar.gz }\naudit:\n  sinks:\n${sinks.replace(/^/gm, '    ')}\n${more}`;
  return checkConfig(text, '/etc/countersign.yaml', surroundings);
}

const kinds: readonly (readonly [string, string, object])[] = [
  ['stdout', 'stdout: {}', { kind: 'stdout' }],
  ['file', 'file: { path: audit.jsonl }', { kind: 'file', path: '/etc/audit.jsonl' }],
  [
    'webhook',
    'webhook: { url: "https://hook.example.com/x", secret: "${env:TOKEN}", authorization: "${env:TOKEN}" }',
    { kind: 'webhook', secret: 'made-up', headers: { authorization: 'made-up' } },
  ],
  [
    'syslog',
    'syslog: { address: "10.0.0.1:6514", tls: { server_name: siem } }',
    {
      kind: 'syslog',
      address: { host: '10.0.0.1', port: 6514 },
      enterprise: 32_473,
      tls: { serverName: 'siem', caFile: null },
    },
  ],
  [
    'splunk_hec',
    'splunk_hec: { url: "https://splunk.example.com:8088", token: "${env:TOKEN}", tls: { server_name: siem } }',
    { kind: 'splunk_hec', acks: true, index: null, token: 'made-up', tls: { serverName: 'siem', caFile: null } },
  ],
  [
    'elasticsearch',
    'elasticsearch: { url: "http://127.0.0.1:9200" }',
    { kind: 'elasticsearch', index: 'logs-countersign.audit-default', authorization: null },
  ],
  ['otlp', 'otlp: { url: "http://[::1]:4318" }', { kind: 'otlp', headers: {} }],
  [
    'kafka',
    'kafka: { brokers: ["k1:9092"], topic: audit, sasl: { username: u, password: "${env:TOKEN}" } }',
    { kind: 'kafka', tls: true, sasl: { mechanism: 'scram-sha-512', username: 'u', password: 'made-up' } },
  ],
  [
    's3',
    's3: { bucket: evidence, lock: 30d }',
    { kind: 's3', lockMs: 30 * 86_400_000, legalHold: false, endpoint: null, tls: null },
  ],
];

test.each(kinds)('a sink of kind %s', (_, yaml, want) => {
  const { config, problems } = check(`- name: one\n  ${yaml}`);
  expect(problems).toEqual([]);
  const [sink] = config?.audit.sinks ?? [];
  expect(sink?.target.reveal()).toMatchObject(want);
  expect(JSON.stringify(config)).not.toContain('made-up');
  expect(sink).toMatchObject({
    name: 'one',
    format: 'ocsf',
    projection: { caller: 'pseudonym', source: true, reasons: true },
    batch: { records: 500, bytes: 1_048_576, waitMs: 1_000 },
  });
});

test.each([
  ['two kinds at once', '- { name: a, stdout: {}, file: { path: x } }', 'must have exactly one of'],
  ['no kind', '- { name: a }', 'must have exactly one of'],
  ['a name twice', '- { name: a, stdout: {} }\n- { name: a, stdout: {} }', 'must not use a name twice'],
  ['plain HTTP beyond this machine', '- { name: a, otlp: { url: "http://collector:4318" } }', 'must be an https: URL'],
  [
    'a token in the file',
    '- { name: a, splunk_hec: { url: "https://s", token: t } }',
    'holds a secret in the file itself',
  ],
  ['a name that is a path', '- { name: ../a, stdout: {} }', 'must be a name such as siem'],
])('%s is refused', (_, yaml, why) => {
  const { config, problems } = check(yaml);
  expect(config).toBeNull();
  expect(problems.map(({ message }) => message).join('\n')).toContain(why);
});

test('a witness is known by its verifier key alone', () => {
  const key = createWitnessKey('w.example/1', Buffer.alloc(32, 1)).verifierKey;
  const witness = (given: string): string => `  witnesses: [{ name: w, key: "${given}", url: "https://w.example" }]\n`;
  const { config, problems } = check('- { name: a, stdout: {} }', witness(key));
  expect(problems).toEqual([]);
  expect(config?.audit.witnesses[0]).toMatchObject({
    name: 'w',
    url: 'https://w.example',
    key: { name: 'w.example/1' },
  });
  expect(check('- { name: a, stdout: {} }', witness(key.replace('+', '+0'))).config).toBeNull();

  const one = check('- { name: a, stdout: {} }', `${witness(key)}  witness: { required: 1 }\n`);
  expect(one.config?.audit.witness).toEqual({ required: 1, maxLagMs: 300_000 });
  expect(one.problems).toMatchObject([
    { severity: 'warning', message: expect.stringContaining('one that is away has every exchange refused') },
  ]);
});

test('prompts leave only where a sink asks for them, with a warning, and where they fit', () => {
  const plain = check('- { name: a, stdout: {} }').config?.audit.sinks[0];
  expect(plain?.promptBytesMax).toBe(0);
  const asked = check('- { name: a, prompt: masked, prompt_bytes: 512, stdout: {} }');
  expect(asked.config?.audit.sinks[0]?.promptBytesMax).toBe(512);
  expect(asked.problems).toMatchObject([
    { severity: 'warning', setting: 'audit.sinks[0].prompt', message: expect.stringContaining('leave to a') },
  ]);
  for (const kind of ['syslog: { address: "10.0.0.1:514" }', 's3: { bucket: evidence }']) {
    const { config, problems } = check(`- name: a\n  prompt: masked\n  ${kind}`);
    expect([config, problems[0]?.message]).toEqual([null, expect.stringContaining('cannot be carried by')]);
  }
});
