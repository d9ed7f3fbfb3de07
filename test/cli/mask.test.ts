import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createKeyRing, createLocalKek } from '../../src/audit/keys.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { openKeyFile } from '../../src/main/masking-keys.ts';
import { createMinter } from '../../src/mask/placeholder.ts';
import { createSessionKeys } from '../../src/mask/session-keys.ts';
import { cli, jsonLines } from '../support/cli.ts';

const card = '4111 1111 1111 1111';

let scratch: string;
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'countersign-mask-'));
  mkdirSync(join(scratch, 'folder'));
  writeFileSync(join(scratch, 'one.txt'), `one ${card}\n`);
  writeFileSync(join(scratch, 'two.txt'), 'two jane@example.com\n');
  writeFileSync(join(scratch, 'keyed.yaml'), "masking: { key: '${env:MASK_KEY}' }\n");
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe('mask', () => {
  test('plain text, by default with labels; another method for some', async () => {
    const stdin = `mail jane@example.com \u{1f511}\ncard ${card}`;
    expect(await cli(['mask'], { stdin })).toEqual({
      code: 0,
      stdout: 'mail EMAIL_ADDRESS_REDACTED \u{1f511}\ncard CREDIT_CARD_REDACTED',
      stderr: '',
    });
    const args = ['mask', '--method', 'drop', '--entity', '*_CARD=partial', '--entity', 'EMAIL*=keep'];
    expect((await cli(args, { stdin })).stdout).toBe('mail jane@example.com \u{1f511}\ncard CREDIT_CARD_ENDING_1111');
  });

  test('JSON Lines: one line for each line, in order, with equal tokens for equal values', async () => {
    const stdin = `{"id":"a","text":"${card} and jane@example.com"}\n{"id":2,"text":""}\n{"id":3}\n{"text":"4111111111111111"}`;
    const { code, stdout, stderr } = await cli(['mask', '--method', 'token'], { stdin });
    const [a, two, three, four] = jsonLines(stdout);
    expect(a).toEqual({
      id: 'a',
      text: expect.stringMatching(/^CREDIT_CARD_[0-9A-Z]{10} and EMAIL_ADDRESS_[0-9A-Z]{10}$/),
    });
    expect(two).toEqual({ id: 2, text: '' });
    expect(three).toEqual({ id: 3, line: 3, error: 'has no "text"' });
    expect(four).toEqual({ id: 4, text: String(a?.['text']).slice(0, 22) });
    expect([code, stderr]).toEqual([2, expect.stringContaining('line 3 has no "text"')]);
  });

  test('what standard input is can be said', async () => {
    const stdin = '{"id":1,"text":"x"}\n';
    expect((await cli(['mask', '--text'], { stdin })).stdout).toBe(stdin);
    const refused = await cli(['mask', '--jsonl'], { stdin: 'plain text' });
    expect([refused.code, jsonLines(refused.stdout)]).toEqual([2, [expect.objectContaining({ line: 1 })]]);
  });

  test('tokens of one key and scope are equal in every run, and mean nothing in another', async () => {
    const run = async (MASK_KEY: string, scope: string): Promise<string> => {
      const args = ['mask', '--method', 'token', '--config', join(scratch, 'keyed.yaml'), '--scope', scope];
      return (await cli(args, { stdin: card, env: { MASK_KEY } })).stdout;
    };
    const one = await run('k'.repeat(40), 'a');
    expect(one).toMatch(/^CREDIT_CARD_[0-9A-Z]{10}$/);
    expect(await run('k'.repeat(40), 'a')).toBe(one);
    expect(await run('l'.repeat(40), 'a')).not.toBe(one);
  });

  test('partial: how many characters stay, for all and for some', async () => {
    const stdin = `${card} 536-22-8726 +1 415 555 2671`;
    const args = ['mask', '--method', 'partial', '--keep', '2', '--entity', 'CREDIT_CARD=partial:6'];
    expect((await cli(args, { stdin })).stdout).toBe(
      'CREDIT_CARD_ENDING_111111 US_SSN_ENDING_26 PHONE_NUMBER_ENDING_71',
    );
  });

  test('a hash is the one that the service writes for that tenant, with the keys of masking.key_file', async () => {
    const config = join(scratch, 'with-key-file.yaml');
    const secret = (byte: number): string => Buffer.alloc(32, byte).toString('base64');
    writeFileSync(join(scratch, 'sealing-keys.json'), JSON.stringify({ kek: secret(7), signing: secret(8) }));
    writeFileSync(join(scratch, 'policy.tar.gz'), '');
    writeFileSync(
      config,
      'policy: { bundle: policy.tar.gz }\naudit: { key_file: sealing-keys.json }\nmasking: { key_file: tenant-keys.json }\n',
    );
    const hash = (tenant: string): ReturnType<typeof cli> =>
      cli(['mask', '--method', 'hash', '--config', config, '--tenant', tenant], { stdin: card });
    const early = await hash('acme');
    expect([early.code, early.stdout]).toEqual([2, '']);
    expect(early.stderr).toContain('countersign keys rotate');
    expect((await cli(['keys', 'rotate', '--config', config])).code).toBe(0);
    const auditKeys = createKeyRing({
      signingSeed: Buffer.alloc(32, 8),
      keks: [createLocalKek(Buffer.alloc(32, 7), () => Buffer.alloc(12))],
      age: null,
    });
    const epochs = await openKeyFile(join(scratch, 'tenant-keys.json'), auditKeys);
    const entities = new Set(['CREDIT_CARD']);
    const { key } = createSessionKeys({ clock: systemClock, entities }, epochs).of('acme', 'any', []);
    expect((await hash('acme')).stdout).toBe(createMinter({ key, scope: '', entities }).hash('CREDIT_CARD', card));
    expect((await hash('other')).stdout).not.toBe((await hash('acme')).stdout);
  });

  test('files one after the other; what cannot be masked is said and never printed', async () => {
    const { code, stdout, stderr } = await cli([
      'mask',
      join(scratch, 'one.txt'),
      join(scratch, 'folder'),
      join(scratch, 'two.txt'),
    ]);
    expect(stdout).toBe('one CREDIT_CARD_REDACTED\ntwo EMAIL_ADDRESS_REDACTED\n');
    expect([code, stderr]).toEqual([2, expect.stringContaining('folder is a folder')]);
  });

  test('a long text with more findings than a service would bear', async () => {
    const lines = 15_000;
    const { code, stdout } = await cli(['mask'], { stdin: `note to jane@example.com, thanks\n`.repeat(lines) });
    expect(code).toBe(0);
    expect(stdout).toBe(`note to EMAIL_ADDRESS_REDACTED, thanks\n`.repeat(lines));
  });

  test('keys rotate and list: the keys of placeholders, wrapped by the audit log’s key', async () => {
    const config = join(scratch, 'service.yaml');
    const secret = (byte: number): string => Buffer.alloc(32, byte).toString('base64');
    const auditKeys = (kek: number): string => JSON.stringify({ kek: secret(kek), signing: secret(2) });
    writeFileSync(join(scratch, 'audit-keys.json'), auditKeys(1));
    writeFileSync(join(scratch, 'bundle.tar.gz'), '');
    writeFileSync(
      config,
      'policy: { bundle: bundle.tar.gz }\naudit: { key_file: audit-keys.json }\nmasking: { key_file: placeholder-keys.json }\n',
    );
    const rotated = await cli(['keys', 'rotate', '--config', config, '--json']);
    expect([rotated.code, rotated.stderr]).toEqual([0, '']);
    const second = await cli(['keys', 'rotate', '--config', config, '--in', '12h', '--json']);
    const [first, later] = [...jsonLines(rotated.stdout), ...jsonLines(second.stdout)];
    expect(Date.parse(String(later?.['from'])) - Date.parse(String(first?.['from']))).toBeGreaterThan(11 * 3_600_000);
    const listed = await cli(['keys', 'list', '--config', config, '--json']);
    expect([listed.code, jsonLines(listed.stdout)]).toEqual([
      0,
      [first, later].map((key) => ({ id: key?.['id'], from: key?.['from'], kek: expect.any(String), opens: true })),
    ]);
    writeFileSync(join(scratch, 'audit-keys.json'), auditKeys(3));
    expect((await cli(['keys', 'list', '--config', config])).code).toBe(1);
  });

  test.each([
    ['--method', 'shred'],
    ['--entity', 'CREDIT_CARD'],
    ['--entity', 'CREDIT_CARD=shred'],
    ['--max-bytes', '0'],
    ['--keep', '9'],
    ['--entity', 'US_SSN=partial:0'],
    ['--entity', 'US_SSN=drop:2'],
  ])('wrong usage: %s %s', async (...args) => {
    const { code, stderr } = await cli(['mask', ...args], { stdin: '' });
    expect([code, stderr]).toEqual([2, expect.stringContaining('is invalid')]);
  });
});
