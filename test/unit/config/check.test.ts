import { readdirSync, readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkConfig, type Surroundings } from '../../../src/config/check.ts';
import { formatProblems } from '../../../src/config/problem.ts';

/** A machine with a bundle and nothing else. */
const surroundings: Surroundings = {
  env: { SHORT: 'canary', KEY: 'k'.repeat(32) },
  readText: (path) => (path === 'present.key' ? `${'f'.repeat(40)}\n` : null),
  readPem: () => null,
  kindOf: (path) => (path === '/etc/bundle.tar.gz' ? 'file' : path === '/etc' ? 'directory' : 'missing'),
};

function check(text: string) {
  return checkConfig(text, '/etc/countersign.yaml', surroundings);
}

const bad = new URL('bad/', import.meta.url);

describe('everything that is wrong is listed, with its place and what to do', () => {
  const files = readdirSync(bad).filter((name) => name.endsWith('.yaml'));

  test('in a golden list', async () => {
    const texts = files.map((name) => ({ name, text: readFileSync(new URL(name, bad), 'utf8') }));
    // Formatters refuse a file that is no YAML, so this one stands here.
    const notYaml = { name: 'not_yaml.yaml', text: 'listen:\n  pep: { address: 127.0.0.1:9191\npolicy: [\n' };
    const lists = [...texts, notYaml].map(({ name, text }) => `${formatProblems(name, check(text).problems)}\n`);
    await expect(lists.join('\n')).toMatchFileSnapshot('bad/problems.golden.txt');
  });

  test.each(files)('%s is refused, and no message holds a value from it', (name) => {
    const { config, problems } = check(readFileSync(new URL(name, bad), 'utf8'));
    expect(config).toBeNull();
    expect(problems.filter(({ severity }) => severity === 'error').length).toBeGreaterThan(0);
    expect(JSON.stringify(problems)).not.toContain('canary');
  });
});

test('the least there can be is right, and everything else has its default', () => {
  const { config, problems } = check('policy: { bundle: bundle.tar.gz }');
  expect(problems).toEqual([]);
  expect(config).toEqual({
    listen: {
      pep: { host: '127.0.0.1', port: 9191, tls: null },
      api: { host: '127.0.0.1', port: 9192, tls: null },
      http: { host: '127.0.0.1', port: 9193, tls: null },
    },
    identity: {
      token: { header: 'x-countersign-token', scheme: null },
      forwardToken: false,
      issuers: [],
      workload: { xfccTrusted: false },
      cache: { ttlMs: 60_000, entriesMax: 4_096 },
    },
    policy: { bundle: '/etc/bundle.tar.gz', reloadMs: 5_000, headers: [] },
    detection: {
      tier: 'core',
      countries: null,
      custom: [],
      dictionaries: [],
      decode: { percent: true, html: true, base64: true },
      allow: [],
      allowPatterns: [],
      allowHashes: [],
      allowKey: null,
      presidio: null,
    },
    masking: { scope: 'session', key: null, keyFile: null, keyReloadMs: 5_000 },
    approval: {
      store: { kind: 'embedded', directory: '/etc/data/approvals' },
      maxWaitMs: 50_000,
      retentionMs: 604_800_000,
      statusUrl: null,
    },
    notices: { directory: '/etc/data/notices', link: null, routes: [] },
    audit: {
      directory: '/etc/data/audit',
      readFrom: null,
      origin: 'countersign.local/gateway-0',
      keyFile: null,
      createKeyFile: false,
      sinks: [],
      witnesses: [],
      witness: { required: 0, maxLagMs: 300_000 },
      sinkDirectory: '/etc/data/sinks',
      kek: null,
      previousKeyFiles: [],
      ageRecipients: [],
      retention: {
        metadataMs: null,
        bodiesMs: null,
        shardsMs: null,
        checkMs: 3_600_000,
        settleMs: 172_800_000,
        isHighRisk: false,
      },
      shard: { byMonth: false, recordsMax: null },
      freeBytesMin: 1_073_741_824,
      allowsUnrecorded: false,
    },
    limits: { bodyBytesMax: 16_777_216 },
    gateways: null,
    encoding: { requests: 'identity', answers: 'identity' },
    session: { header: 'x-session-id' },
    access: {
      auditorGroups: [],
      readerGroups: [],
      officerGroups: [],
      callsPerSecond: 50,
      reveal: { approverGroups: [], ttlMs: 86_400_000 },
    },
    log: { level: 'info' },
    routes: [],
    envoy: { messageTimeoutMs: 60_000, maxMessageTimeoutMs: 0 },
  });
});

describe('values', () => {
  const withBundle = (more: string) => check(`policy: { bundle: bundle.tar.gz }\n${more}`);

  test('a warning does not keep from running', () => {
    const { config, problems } = withBundle('audit: { key_file: key.json, create_key_file: true }');
    expect(config?.audit.createKeyFile).toBe(true);
    expect(problems.map(({ severity, setting, line }) => ({ severity, setting, line }))).toEqual([
      { severity: 'warning', setting: 'audit.create_key_file', line: 2 },
    ]);
  });

  test.each([
    { given: '{ metadata: 90d, bodies: 30d }', want: [] },
    { given: '{ metadata: 90d, bodies: 30d, high_risk_ai: true }', want: ['audit.retention.metadata'] },
    { given: '{ metadata: 183d, bodies: 30d, high_risk_ai: true }', want: [] },
    { given: '{ high_risk_ai: true }', want: [] },
  ])('six months of records for high-risk systems: $given', ({ given, want }) => {
    const { config, problems } = withBundle(`audit: { retention: ${given} }`);
    expect([config === null, problems.map(({ setting }) => setting)]).toEqual([false, want]);
    expect(problems.every(({ severity }) => severity === 'warning')).toBe(true);
  });

  test('a folder to read from stands above the log', () => {
    const from = (folder: string) => withBundle(`audit: { directory: logs/w-0, read_from: ${folder} }`);
    expect(from('logs').config?.audit.readFrom).toBe('/etc/logs');
    expect(from('logs/w').problems).toMatchObject([{ severity: 'error', setting: 'audit.read_from' }]);
  });

  test.each([
    {
      given: 'vault: { address: "https://vault:8200", key: audit, token_file: token }',
      want: {
        kind: 'vault',
        tls: null,
        address: 'https://vault:8200',
        mount: 'transit',
        key: 'audit',
        namespace: null,
        token: { file: '/etc/token' },
        timeoutMs: 4_000,
      },
    },
    {
      given: 'aws_kms: { key_id: alias/audit, region: eu-central-1, timeout: 1s }',
      want: {
        kind: 'aws_kms',
        keyId: 'alias/audit',
        region: 'eu-central-1',
        endpoint: null,
        tls: null,
        timeoutMs: 1_000,
      },
    },
    {
      given: 'gcp_kms: { key: projects/p/locations/eu/keyRings/r/cryptoKeys/k }',
      want: {
        kind: 'gcp_kms',
        key: 'projects/p/locations/eu/keyRings/r/cryptoKeys/k',
        endpoint: 'https://cloudkms.googleapis.com',
        timeoutMs: 4_000,
      },
    },
  ])('a key service: $want.kind', ({ given, want }) => {
    const { config, problems } = withBundle(`audit: { kek: { ${given} }, retention: { metadata: 365d, bodies: 90d } }`);
    expect(problems).toEqual([]);
    expect(config?.audit.kek).toEqual(want);
    expect(config?.audit.retention.bodiesMs).toBe(90 * 86_400_000);
  });

  test('an issuer, as the authenticator takes it', () => {
    const { config, problems } = withBundle(`
identity:
  issuers:
    - issuer: https://idp.example.com
      audiences: [countersign]
      algorithms: [ES256]
      token_type: at+jwt
      clock_tolerance: 5s
      jwks: { url: 'https://idp.example.com/keys', fresh: 5m, stale: 2h, cool_down: 10s, timeout: 1s }
      claims:
        subject: oid
        groups: [groups, realm_access.groups]
        tenant_claim: tid
        display_name: [email]
        owners: owners
        email: mail
        actor: null
        keep: [department]
        service: [{ claim: gty, equals: cc }, { claim: sub, equals_claim: azp }, { claim: sub, starts_with: 'svc:' }]
`);
    expect(problems).toEqual([]);
    expect(config?.identity.issuers).toEqual([
      {
        issuer: 'https://idp.example.com',
        audiences: ['countersign'],
        algorithms: ['ES256'],
        tokenType: 'at+jwt',
        clockToleranceS: 5,
        jwks: {
          issuer: 'https://idp.example.com',
          source: { kind: 'url', url: 'https://idp.example.com/keys' },
          freshMs: 300_000,
          staleMs: 7_200_000,
          coolDownMs: 10_000,
          timeoutMs: 1_000,
        },
        claims: {
          subject: 'oid',
          groups: ['groups', 'realm_access.groups'],
          roles: ['roles'],
          tenant: { claim: 'tid' },
          displayName: ['email'],
          email: 'mail',
          owners: 'owners',
          actor: null,
          keep: ['department'],
          service: [
            { claim: 'gty', equals: 'cc' },
            { claim: 'sub', equalsClaim: 'azp' },
            { claim: 'sub', startsWith: 'svc:' },
          ],
        },
      },
    ]);
  });

  test.each([
    {
      name: 'a single server',
      redis: `{ url: 'rediss://redis.example.com:6380/2', username: 'a b', password: '\${env:SHORT}' }`,
      want: { kind: 'single', url: 'rediss://a%20b:canary@redis.example.com:6380/2' },
    },
    {
      name: 'a cluster',
      redis: "{ cluster: ['a:1', '[::1]:2'], tls: true }",
      want: {
        kind: 'cluster',
        nodes: [
          { host: 'a', port: 1 },
          { host: '::1', port: 2 },
        ],
        tls: true,
      },
    },
    {
      name: 'sentinel',
      redis: `{ sentinel: { addresses: ['a:1'], master: m, password: '\${env:SHORT}' }, password: '\${file:present.key}' }`,
      want: {
        kind: 'sentinel',
        sentinels: [{ host: 'a', port: 1 }],
        name: 'm',
        tls: false,
        password: 'f'.repeat(40),
        sentinelPassword: 'canary',
      },
    },
  ])('Redis: $name', ({ redis, want }) => {
    const { config, problems } = withBundle(
      `masking: { key: '\${env:KEY}' }\napproval: { store: { redis: ${redis} } }`,
    );
    expect(problems).toEqual([]);
    const store = config?.approval.store;
    expect(store?.kind === 'redis' ? store.target.reveal() : null).toEqual(want);
  });

  test('secrets are there, and not to be seen', () => {
    const { config } = withBundle(`masking: { key: '\${env:KEY}' }`);
    expect(config?.masking.key?.reveal()).toBe('k'.repeat(32));
    expect(JSON.stringify(config)).not.toContain('kkk');
  });

  test('references stand anywhere in a text, are resolved once, and fall back', () => {
    const { config, problems } = check(
      `policy: { bundle: '\${env:UNSET:-/etc}/bundle.tar.gz' }\naccess: { auditor_groups: ['a\${env:SHORT}b'] }\nmasking: { key: '\${file:present.key}' }`,
    );
    expect(problems).toEqual([]);
    expect(config?.policy.bundle).toBe('/etc/bundle.tar.gz');
    expect(config?.access.auditorGroups).toEqual(['acanaryb']);
    expect(config?.masking.key?.reveal()).toBe('f'.repeat(40));
  });

  test('what a reference puts in is not looked at again', () => {
    const nested = { ...surroundings, env: { A: `\${env:B}`, B: 'b' } };
    const { config } = checkConfig(
      `policy: { bundle: bundle.tar.gz }\naccess: { auditor_groups: ['\${env:A}'] }`,
      '/etc/countersign.yaml',
      nested,
    );
    expect(config?.access.auditorGroups).toEqual([`\${env:B}`]);
  });
});

test('no text makes it throw', () => {
  const pieces = fc.constantFrom(
    'policy:',
    'bundle: b',
    '  ',
    '\n',
    '- ',
    '{',
    '}',
    '[',
    ']',
    '&a ',
    '*a',
    'identity:',
    'issuers:',
    ': ',
    '"',
    "'",
    `\${env:X}`,
    '!!binary ',
    '? ',
    '<<: ',
    '__proto__: ',
    '1',
    'null',
    'listen:',
    'pep:',
    '\t',
    '#',
    '|',
    '>',
    '%YAML 1.1\n',
    '---\n',
    '\u0000',
  );
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 24 }), (parts) => {
      const { config, problems } = check(parts.join(''));
      expect(config === null).toBe(problems.some(({ severity }) => severity === 'error'));
      for (const { line, column } of problems) expect(line > 0 && column > 0).toBe(true);
    }),
  );
});

test('no value in the place of any other makes it throw', () => {
  const full = {
    listen: { pep: { address: 'a:1', tls: { cert_file: 'c', key_file: 'k' }, allow_plaintext: true } },
    identity: {
      token: { header: 'h', scheme: 'Bearer', forward: true },
      issuers: [
        {
          issuer: 'https://idp.example.com',
          audiences: ['a'],
          algorithms: ['ES256'],
          clock_tolerance: '1s',
          jwks: { url: 'https://idp.example.com/keys', file: 'f', fresh: '1m', allow_http: true },
          claims: { groups: ['g'], tenant: 't', tenant_claim: 'c', service: [{ claim: 'x', equals: 'y' }] },
        },
      ],
      cache: { ttl: '1s', entries: 1 },
    },
    policy: { bundle: 'bundle.tar.gz', reload: '1s', headers: ['h'] },
    detection: { tier: 'core', custom: [{ id: 'i', entity: 'AB', pattern: 'p', context: ['c'] }], allow: ['a'] },
    masking: { key: 'k' },
    approval: {
      store: {
        embedded: {},
        redis: { url: 'redis://r', cluster: ['a:1'], sentinel: { addresses: ['a:1'], master: 'm' } },
      },
    },
    audit: { directory: 'd', origin: 'o' },
    routes: [{ path_prefix: '/', dialect: 'd' }],
  };
  const places: (readonly (string | number)[])[] = [];
  const walk = (value: unknown, path: readonly (string | number)[]): void => {
    if (path.length > 0) places.push(path);
    if (typeof value !== 'object' || value === null) return;
    for (const [name, inner] of Object.entries(value))
      walk(inner, [...path, Array.isArray(value) ? Number(name) : name]);
  };
  walk(full, []);
  const put = (value: unknown, path: readonly (string | number)[], what: unknown): unknown => {
    const [first, ...rest] = path;
    if (first === undefined) return what;
    if (Array.isArray(value)) return value.map((item, at) => (at === first ? put(item, rest, what) : item));
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([name, item]) => [name, name === first ? put(item, rest, what) : item]),
    );
  };
  const junk = fc.constantFrom(
    null,
    '',
    'x',
    0,
    -1,
    1e99,
    true,
    [],
    [null],
    {},
    { x: 1 },
    'http://u:p@h/',
    'a:99999',
    '9'.repeat(40),
  );
  fc.assert(
    fc.property(fc.constantFrom(...places), junk, fc.constantFrom(...places), junk, (one, first, other, second) => {
      const { config, problems } = check(JSON.stringify(put(put(full, one, first), other, second)));
      expect(config === null).toBe(problems.some(({ severity }) => severity === 'error'));
    }),
    { numRuns: 50 },
  );
});
