import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { checkConfig } from '../../../src/config/check.ts';
import { configurationPage, configurationSchemaFile } from '../../../src/config/document.ts';
import { settings } from '../../../src/config/settings.ts';

describe('the pages that are made from the schema are up to date', () => {
  test('docs/configuration.md', async () => {
    await expect(configurationPage()).toMatchFileSnapshot('../../../docs/configuration.md');
  });

  test('docs/configuration.schema.json', async () => {
    await expect(configurationSchemaFile()).toMatchFileSnapshot('../../../docs/configuration.schema.json');
  });
});

test('every setting says what it means', () => {
  expect(
    settings()
      .filter(({ description }) => !/^\S.*[.:]$/s.test(description))
      .map(({ name }) => name),
  ).toEqual([]);
  expect(settings().length).toBeGreaterThan(80);
});

describe('envoy/countersign.yaml', () => {
  const text = readFileSync(new URL('../../../envoy/countersign.yaml', import.meta.url), 'utf8');
  const check = (file: string, env: Record<string, string>) =>
    checkConfig(text, file, {
      env,
      readText: () => null,
      readPem: () => null,
      kindOf: (path) => (/\.(json|gz)$/.test(path) ? 'file' : 'missing'),
    });

  test('is right, with the places of a demo put in', () => {
    const { config, problems } = check('/demo/countersign.yaml', {
      COUNTERSIGN_DATA: '/demo',
      COUNTERSIGN_BUNDLE: '/demo/bundle.tar.gz',
      COUNTERSIGN_ISSUER: 'https://issuer.demo.invalid',
      COUNTERSIGN_JWKS: '/demo/jwks.json',
    });
    expect(problems.map(({ severity, setting }) => ({ severity, setting }))).toEqual([
      { severity: 'warning', setting: 'audit.create_key_file' },
    ]);
    expect({ bundle: config?.policy.bundle, audit: config?.audit, store: config?.approval.store }).toEqual({
      bundle: '/demo/bundle.tar.gz',
      audit: expect.objectContaining({
        directory: '/demo/audit',
        origin: 'countersign.local/gateway-0',
        keyFile: '/demo/audit-key.json',
        createKeyFile: true,
      }),
      store: { kind: 'embedded', directory: '/demo/approvals' },
    });
    expect(config?.identity.issuers[0]?.jwks.source).toEqual({ kind: 'file', path: '/demo/jwks.json' });
  });

  test('counts relative paths from its own folder when nothing is put in', () => {
    expect(check('/repo/envoy/countersign.yaml', {}).config?.policy.bundle).toBe('/repo/.cache/policy/bundle.tar.gz');
  });

  test('agrees with envoy.yaml on ports and time-outs', () => {
    const envoy = readFileSync(new URL('../../../envoy/envoy.yaml', import.meta.url), 'utf8');
    const ours: unknown = parse(text);
    expect(ours).toMatchObject({ listen: { pep: { address: '127.0.0.1:9191' } }, envoy: { message_timeout: '60s' } });
    expect(envoy).toContain('port_value: 9191');
    expect(envoy).toContain('message_timeout: 60s');
  });
});
