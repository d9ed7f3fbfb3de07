import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createDetector } from '../../src/detect/detector.ts';
import { cli, jsonLines } from '../support/cli.ts';

const card = '4111 1111 1111 1111';
const email = { entity: 'EMAIL_ADDRESS', detector: 'email', score: 0.9 };
const creditCard = { entity: 'CREDIT_CARD', detector: 'credit-card', score: 1 };

let scratch: string;
beforeAll(() => {
  scratch = mkdtempSync(join(tmpdir(), 'countersign-scan-'));
  const write = (name: string, text: string | Buffer): void => writeFileSync(join(scratch, name), text);
  mkdirSync(join(scratch, 'tree', 'inner'), { recursive: true });
  mkdirSync(join(scratch, 'clean'));
  write('clean/plain.txt', 'nothing to see\n');
  write('tree/card.txt', `a card:\n  ${card}\nand mail to jane@example.com\n`);
  write('tree/inner/wide.txt', Buffer.from(`\ufeffcard ${card}`, 'utf16le'));
  write('tree/picture.bin', Buffer.from([0x89, 0x50, 0, 0, 1]));
  write('tree/large.txt', `${card}\n${'x'.repeat(4_000)}`);
  symlinkSync(join(scratch, 'tree'), join(scratch, 'tree', 'loop'));
  write(
    'own.yaml',
    'detection:\n  custom: [{ id: staff, entity: STAFF_NUMBER, pattern: "EMP-[0-9]{6}" }]\nidentity: { not: of this machine }\n',
  );
  write('bad.yaml', 'detection:\n  tier: everything\n');
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

describe('scan of JSON Lines', () => {
  test('one line for each line, in order, also for an empty text; offsets are UTF-16', async () => {
    const stdin = [
      JSON.stringify({ id: 'a', text: `\u{1f511} ${card}` }),
      JSON.stringify({ id: 7, text: '' }),
      '',
      JSON.stringify({ id: 'c', text: 'nothing', suite: 'passed over' }),
      JSON.stringify({ text: 'jane@example.com' }),
    ].join('\n');
    const { code, stdout, stderr } = await cli(['scan'], { stdin });
    expect(jsonLines(stdout)).toEqual([
      { id: 'a', findings: [{ ...creditCard, start: 3, end: 22 }] },
      { id: 7, findings: [] },
      { id: 'c', findings: [] },
      { id: 5, findings: [{ ...email, start: 0, end: 16 }] },
    ]);
    expect([code, stderr]).toEqual([1, '']);
  });

  test('a line that cannot be read is answered and named; all others are read', async () => {
    const good = JSON.stringify({ id: 1, text: card });
    const stdin = `{"id":"x","text":3}\nnot json\n${good}\n["an array"]\n{"id":2}\n${good}`;
    const { code, stdout, stderr } = await cli(['scan'], { stdin });
    expect(jsonLines(stdout)).toEqual([
      { id: 'x', line: 1, error: 'has a "text" that is no string' },
      { id: null, line: 2, error: expect.stringContaining('is not JSON') },
      { id: 1, findings: [{ ...creditCard, start: 0, end: 19 }] },
      { id: null, line: 4, error: expect.stringContaining('no object') },
      { id: 2, line: 5, error: 'has no "text"' },
      { id: 1, findings: [{ ...creditCard, start: 0, end: 19 }] },
    ]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/error: line 2 is not JSON/);
    expect(stderr).not.toContain('    at ');
  });

  test('thousands of texts, and a text with more findings than a service would bear', async () => {
    const many = `${'jane@example.com, '.repeat(12_000)}${card}`;
    const texts = [
      ...Array.from({ length: 3_000 }, (_, id) => ({ id, text: `call ${id} about ${card}` })),
      { id: 'many', text: many },
    ];
    const { stdout } = await cli(['scan', '--stats'], { stdin: texts.map((text) => JSON.stringify(text)).join('\n') });
    const lines = jsonLines(stdout);
    expect(lines.map((line) => line['id'])).toEqual(texts.map(({ id }) => id));
    const found = lines.at(-1)?.['findings'];
    expect(found).toHaveLength(12_001);
    expect(found).toEqual(
      Array.from({ length: 12_001 }, (_, index) =>
        index < 12_000
          ? { ...email, start: index * 18, end: index * 18 + 16 }
          : { ...creditCard, start: many.length - card.length, end: many.length },
      ),
    );
  });

  test('finds what the service finds, by tier, country and configuration', async () => {
    const text = 'Steuer-ID 86095742719, EMP-123456';
    const stdin = JSON.stringify({ id: 1, text });
    const findings = async (...args: string[]): Promise<unknown> =>
      jsonLines((await cli(['scan', ...args], { stdin })).stdout)[0]?.['findings'];
    const extended = createDetector({ tier: 'extended', countries: ['DE'] }).scan(text).findings;
    expect(extended.length).toBeGreaterThan(0);
    expect(
      await Promise.all([
        findings(),
        findings('--country', 'DE'),
        findings('--tier', 'extended', '--country', 'fr', '--country', 'de'),
        findings('--tier', 'extended', '--country', 'FR'),
        findings('--config', join(scratch, 'own.yaml')),
      ]),
    ).toEqual([
      [],
      extended,
      extended,
      [],
      [{ entity: 'STAFF_NUMBER', detector: 'staff', start: 23, end: 33, score: 0.8 }],
    ]);
  });

  test.each([
    { name: 'nothing at all', stdin: '', args: [], code: 0 },
    { name: 'found, and that is fine', stdin: `{"id":1,"text":"${card}"}`, args: ['--exit-zero'], code: 0 },
    {
      name: 'found, but not surely enough',
      stdin: '{"id":1,"text":"a@b.example"}',
      args: ['--min-score', '1'],
      code: 0,
    },
    { name: 'no such tier', stdin: '', args: ['--tier', 'all'], code: 2 },
    { name: 'no such country', stdin: '', args: ['--country', 'Germany'], code: 2 },
    { name: 'a country without rules', stdin: '', args: ['--country', 'UK'], code: 2 },
    { name: 'no such score', stdin: '', args: ['--min-score', 'high'], code: 2 },
    { name: 'a report for files', stdin: '{}', args: ['--sarif'], code: 2 },
    { name: 'no such configuration', stdin: '', args: ['--config', 'no-such.yaml'], code: 2 },
  ])('exit code: $name', async ({ stdin, args, code }) => {
    expect((await cli(['scan', ...args], { stdin })).code).toBe(code);
  });

  test('what is wrong in a configuration is said with its line', async () => {
    const { code, stderr } = await cli(['scan', '--config', join(scratch, 'bad.yaml')], { stdin: '' });
    expect([code, stderr]).toEqual([2, expect.stringMatching(/bad\.yaml:2:\d+: error: detection\.tier/)]);
  });
});

describe('scan of files', () => {
  test('file:line:column, never the value; links, pictures and large files are skipped with a note', async () => {
    const { code, stdout, stderr } = await cli(['scan', join(scratch, 'tree'), '--max-bytes', '3000']);
    const tree = join(scratch, 'tree');
    expect(stdout.split('\n')).toEqual([
      `${tree}/card.txt:2:3  CREDIT_CARD  credit-card  1`,
      `${tree}/card.txt:3:13  EMAIL_ADDRESS  email  0.9`,
      `${tree}/inner/wide.txt:1:6  CREDIT_CARD  credit-card  1`,
      '',
    ]);
    expect(stderr).toContain('large.txt is larger than 3000 bytes');
    expect(stderr).toContain('picture.bin is no text');
    expect(stderr).toContain('loop is a link');
    expect(code).toBe(1);
  });

  test('values on request, exclusion, JSON, throughput', async () => {
    const tree = join(scratch, 'tree');
    const args = ['scan', tree, '--exclude', 'inner', '--exclude', 'l*', '--exclude', '*.bin', '--show-values'];
    expect((await cli(args)).stdout).toContain(`1  ${card}\n`);
    const { stdout, stderr } = await cli([...args, '--json', '--stats']);
    expect(jsonLines(stdout)).toEqual([
      {
        file: `${tree}/card.txt`,
        findings: [
          { ...creditCard, start: 10, end: 29, line: 2, column: 3, value: card },
          { ...email, start: 42, end: 58, line: 3, column: 13, value: 'jane@example.com' },
        ],
      },
    ]);
    expect(stderr).toMatch(/1 files, 0\.00 MB in \d+\.\d\d s \(\d+\.\d MB\/s\): 2 findings/);
  });

  test('SARIF 2.1.0: rules once, places in UTF-16, notes about what was not read, no value', async () => {
    const tree = join(scratch, 'tree');
    const { code, stdout } = await cli(['scan', `${tree}/card.txt`, `${tree}/picture.bin`, 'no-such-file', '--sarif']);
    expect(code).toBe(2);
    expect(stdout).not.toContain('4111');
    const { version, runs } = JSON.parse(stdout);
    expect([version, runs.length]).toEqual(['2.1.0', 1]);
    const [{ tool, columnKind, results, invocations }] = runs;
    expect([tool.driver.name, columnKind]).toEqual(['countersign', 'utf16CodeUnits']);
    expect(results).toHaveLength(2);
    const [first] = results;
    expect(tool.driver.rules[first.ruleIndex].id).toBe('credit-card');
    expect(first).toMatchObject({
      ruleId: 'credit-card',
      level: 'warning',
      message: { text: 'CREDIT_CARD (score 1)' },
      locations: [{ physicalLocation: { region: { startLine: 2, startColumn: 3, endLine: 2, endColumn: 22 } } }],
    });
    const uri = first.locations[0].physicalLocation.artifactLocation.uri;
    expect(uri).toMatch(/^file:\/\/\/.*\/tree\/card\.txt$/);
    expect(invocations[0].executionSuccessful).toBe(false);
    const levels = invocations[0].toolExecutionNotifications.map((note: { level: string }) => note.level);
    expect(levels).toEqual(['note', 'error']);
  });

  test('a clean folder, a file that is not there, plain text on standard input', async () => {
    expect(await cli(['scan', join(scratch, 'clean')])).toEqual({ code: 0, stdout: '', stderr: '' });
    const gone = await cli(['scan', join(scratch, 'gone')]);
    expect([gone.code, gone.stderr]).toEqual([2, expect.stringContaining('does not exist')]);
    const piped = await cli(['scan', '--text'], { stdin: `one\n${card}` });
    expect([piped.code, piped.stdout]).toEqual([1, '-:2:1  CREDIT_CARD  credit-card  1\n']);
  });
});
