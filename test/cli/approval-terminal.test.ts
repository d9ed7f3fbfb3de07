import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { cli } from '../support/cli.ts';
import { eventually } from '../support/eventually.ts';
import { root, startTestStack, type TestStack } from '../support/stack.ts';

const risky = 'Write a script that drops the users table in production.';
const enter = '\u001b[?1049h\u001b[?25l';
const leave = '\u001b[?25h\u001b[?1049l';
const ctrlC = '03';

let stack: TestStack;
beforeAll(async () => {
  stack = await startTestStack({ serviceConfig: (yaml) => yaml.replace('max_wait: 50s', 'max_wait: 0s') });
});
afterAll(() => stack.stop());

/** The built command line on a pseudo-terminal, as a person has it. */
function onTerminal(columns: number, rows: number, ...args: readonly string[]) {
  const command = [process.execPath, join(root, 'dist', 'main.js'), ...args];
  const child = spawn('python3', [join(root, 'test/support/pseudo-terminal.py'), `${columns}`, `${rows}`, ...command], {
    env: { ...process.env, COUNTERSIGN_TOKEN: stack.tokens.approver },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  let written = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    written += text;
  });
  const ended = new Promise<string>((resolve) => child.once('close', () => resolve(written)));
  return {
    /** What stands on the screen: the last whole picture. */
    picture: () =>
      (written.split('\u001b[H').at(-1) ?? '')
        .replace(/\u001b\[[JK]/g, '')
        .split('\r\n')
        .map((line) => line.trimEnd()),
    tell: (order: string) => void child.stdin.write(`${order}\n`),
    written: () => written,
    ended,
    kill: () => child.kill(),
  };
}

test('watch on a terminal: nothing, something, another size, and the terminal as it was after Ctrl-C', async () => {
  const terminal = onTerminal(200, 24, 'approvals', 'watch', '--api', stack.api);
  try {
    const shows = (what: string, holds: (lines: readonly string[]) => boolean) =>
      eventually(what, () => {
        const lines = terminal.picture();
        return holds(lines) ? lines : undefined;
      });
    const empty = await shows('an empty table', (lines) => lines[0] === '0 waiting');
    expect(empty[2]).toBe('STATE  AGE  LEFT  NEEDS  REQUESTER  MODEL  RULES  ID');
    expect(terminal.written().startsWith(enter)).toBe(true);

    const held = await stack.chat(risky);
    await held.arrayBuffer();
    const id = held.headers.get('x-countersign-approval') ?? '';
    const wide = await shows('the approval', (lines) => lines[0] === '1 waiting' && lines.length > 3);
    expect(wide[3]).toMatch(/^pending .*production/);
    expect(wide[3]).toContain(id);

    terminal.tell('resize 64 24');
    const narrow = await shows('a narrower table', (lines) => !lines[2]?.includes('RULES'));
    expect(Math.max(...narrow.map((line) => line.length))).toBeLessThanOrEqual(64);
    expect(narrow[3]).toContain(id);

    await stack.decide('reject', id);
    await shows('the decision', (lines) => lines[0] === '0 waiting' && (lines[3] ?? '').startsWith('rejected'));

    terminal.tell(`key ${ctrlC}`);
    const all = await terminal.ended;
    expect(all.split(leave)).toHaveLength(2);
    // Nothing is drawn after the cursor is back.
    expect(all.split(leave)[1]?.replaceAll('^C', '').trim()).toBe('exit 0');
  } finally {
    terminal.kill();
  }
});

test('a terminal gets its cursor back when nobody answers, and one line that says so', async () => {
  const terminal = onTerminal(80, 24, 'approvals', 'watch', '--api', '127.0.0.1:1');
  try {
    const all = await terminal.ended;
    expect(all.split(enter)).toHaveLength(2);
    const [, after = ''] = all.split(leave);
    expect(after.trim().split(/[\r\n]+/)).toEqual([
      expect.stringMatching(/^countersign: No service answers/),
      'exit 3',
    ]);
  } finally {
    terminal.kill();
  }
});

test('nor is anything else written where there is no terminal', async () => {
  const env = { COUNTERSIGN_TOKEN: stack.tokens.approver };
  const { code, stdout, stderr } = await cli(['approvals', 'watch', '--api', '127.0.0.1:1'], { env });
  expect([code, stdout, stderr.split('\n').length]).toEqual([3, '', 2]);
});
