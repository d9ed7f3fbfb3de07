import { execFile } from 'node:child_process';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Approval } from '../../../src/approval/approval.ts';
import { createLevelStore } from '../../../src/approval/level-store.ts';
import type { ApprovalStore, OnTransition } from '../../../src/approval/store.ts';
import { actor, handClock, held, scratch, terms } from '../../support/approvals.ts';

const clock = handClock();
const ada = { by: actor('ada'), reason: null };
let directory: ReturnType<typeof scratch>;
beforeEach(() => {
  directory = scratch('level');
});
afterEach(() => directory.remove());

describe('level store', () => {
  test('what it keeps is for its own user alone', async () => {
    const made = join(directory.directory, 'data');
    const approvals = join(made, 'approvals');
    const store = await createLevelStore({ directory: approvals }, { clock, onTransition: async () => {} });
    await store.close();
    expect([made, approvals].map((path) => statSync(path).mode & 0o777)).toEqual([0o700, 0o700]);
  });

  test('keeps approvals over a restart', async () => {
    const first = await open();
    await first.open({ id: 'a', digest: 'digest', held: held(), terms: terms() });
    await first.approve('a', ada);
    await first.close();
    const second = await open();
    expect((await second.get('a'))?.state).toBe('approved');
    expect((await second.consume('a')).ok).toBe(true);
    await second.close();
  });

  test('finishes after a restart what was decided but not recorded', async () => {
    const first = await open(async (after) => {
      if (after.state === 'rejected') throw new Error('the process dies here');
    });
    await first.open({ id: 'a', digest: 'digest', held: held(), terms: terms() });
    await expect(first.reject('a', ada)).rejects.toThrow('the process dies here');
    await first.close();
    const recorded: Approval[] = [];
    const second = await open(async (after) => void recorded.push(after));
    expect((await second.get('a'))?.state).toBe('pending');
    clock.move(10_000);
    expect(await second.sweep()).toEqual({ expired: 0, settled: 1, purged: 0 });
    expect((await second.get('a'))?.state).toBe('rejected');
    expect(recorded.map((after) => [after.id, after.version, after.state])).toEqual([['a', 2, 'rejected']]);
    await second.close();
  });

  test('refuses a second process, and says what to do', async () => {
    const store = await open();
    const script = `
      const { ClassicLevel } = await import('classic-level');
      await new ClassicLevel(${JSON.stringify(directory.directory)}).open().catch((e) => console.log(e.cause.code));`;
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script]);
    expect(stdout.trim()).toBe('LEVEL_LOCKED');
    await expect(open()).rejects.toMatchObject({
      code: 'approval_unavailable',
      message:
        `the approval store ${directory.directory} is in use by another process: ` +
        'the embedded store serves one process, use Redis for several',
    });
    await store.close();
  });

  test('a directory that cannot be made is said to be so', async () => {
    await expect(
      createLevelStore({ directory: '/dev/null/approvals' }, { clock, onTransition: async () => {} }),
    ).rejects.toMatchObject({ message: 'the approval store /dev/null/approvals cannot be opened' });
  });

  test('a closed store is a fault', async () => {
    const store = await open();
    await store.close();
    await expect(store.get('a')).rejects.toMatchObject({ code: 'approval_unavailable' });
  });
});

function open(onTransition: OnTransition = async () => {}): Promise<ApprovalStore> {
  return createLevelStore({ directory: directory.directory }, { clock, onTransition });
}
