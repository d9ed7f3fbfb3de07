import { mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { acquireLock } from '../../../src/audit/lock.ts';
import { createPooledRandom } from '../../../src/lib/ids.ts';

const random = createPooledRandom();
let directory = '';
let path = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'audit-lock-'));
  path = join(directory, 'lock');
});
afterEach(() => rmSync(directory, { recursive: true }));

/** A lock as this process would write it, with some of its claims changed. */
async function leaveBehind(changes: Record<string, unknown>): Promise<void> {
  const lock = await acquireLock(path, random, 1);
  writeFileSync(path, JSON.stringify({ ...JSON.parse(lock.token), ...changes }));
}

describe('lock', () => {
  test('is held by one, and free once released', async () => {
    const first = await acquireLock(path, random, 1);
    expect(readFileSync(path, 'utf8')).toBe(first.token);
    await expect(acquireLock(path, random, 1)).rejects.toMatchObject({
      code: 'audit_unavailable',
      message: `${path} is held by another writer (process ${process.pid})`,
    });
    first.release();
    const second = await acquireLock(path, random, 1);
    expect(second.token).not.toBe(first.token);
    expect(readdirSync(directory)).toEqual(['lock']);
  });

  test('releasing does not take away the lock of whoever came after', async () => {
    const first = await acquireLock(path, random, 1);
    writeFileSync(path, 'of another');
    first.release();
    expect(readFileSync(path, 'utf8')).toBe('of another');
  });

  test.each([
    { name: 'no such process', changes: { pid: 2 ** 22 + 1 } },
    { name: 'the process id was given to another since', changes: { start: '1' } },
  ])('a dead holder is succeeded at once: $name', async ({ changes }) => {
    await leaveBehind(changes);
    // Longer than the test may take: it must not wait.
    const lock = await acquireLock(path, random, 60_000);
    expect(readFileSync(path, 'utf8')).toBe(lock.token);
    expect(readdirSync(directory)).toEqual(['lock']);
  });

  test.each([
    { name: 'another container', changes: { namespace: 'pid:[1]' } },
    { name: 'before a reboot', changes: { boot: 'other' } },
    { name: 'nobody can tell', changes: { pid: 'x' } },
  ])('a holder out of sight is succeeded when it leaves the lock untouched: $name', async ({ changes }) => {
    await leaveBehind(changes);
    const lock = await acquireLock(path, random, 5);
    expect(readFileSync(path, 'utf8')).toBe(lock.token);
  });

  test('a holder out of sight that touches its lock is left alone', async () => {
    await leaveBehind({ namespace: 'pid:[1]' });
    const attempt = acquireLock(path, random, 30);
    utimesSync(path, new Date(), new Date(1));
    await expect(attempt).rejects.toMatchObject({ code: 'audit_unavailable' });
  });

  test('of many who find a stale lock one gets it', async () => {
    await leaveBehind({ pid: 2 ** 22 + 1 });
    const attempts = await Promise.allSettled(Array.from({ length: 8 }, () => acquireLock(path, random, 5)));
    expect(attempts.filter((attempt) => attempt.status === 'fulfilled')).toHaveLength(1);
  });
});
