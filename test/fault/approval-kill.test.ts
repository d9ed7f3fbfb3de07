import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, expect, test } from 'vitest';
import type { Approval } from '../../src/approval/approval.ts';
import { createLevelStore } from '../../src/approval/level-store.ts';
import type { ApprovalStore } from '../../src/approval/store.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { actor } from '../support/approvals.ts';

const directory = mkdtempSync(join(tmpdir(), 'approval-kill-'));
afterAll(() => rmSync(directory, { recursive: true }));

/** How many acknowledgements each process lives to say. */
const lifetimes = [1, 3, 17, 90, 300];

test('whatever the moment of the kill, the embedded store keeps what it acknowledged and records what it keeps', async () => {
  const acknowledged = new Map<string, number>();
  /** On record by this process, which comes after each that was killed. */
  const finished: string[] = [];
  for (const lifetime of lifetimes) {
    await runAndKill(lifetime, acknowledged);
    const store = await createLevelStore(
      { directory: join(directory, 'store'), orphanAfterMs: -60_000 },
      {
        clock: systemClock,
        onTransition: async (after) => void finished.push(`${after.id} ${after.version} ${after.state}`),
      },
    );
    while ((await store.sweep()).settled > 0);
    const recorded = new Set([...readFileSync(join(directory, 'record'), 'utf8').split('\n'), ...finished]);
    const kept = await everything(store);
    expect([...acknowledged.keys()].filter((id) => !kept.has(id))).toEqual([]);
    for (const [id, version] of acknowledged) expect(kept.get(id)?.version ?? 0).toBeGreaterThanOrEqual(version);
    for (const { id, version, state } of kept.values()) {
      expect(recorded).toContain(`${id} ${version} ${state}`);
    }
    // No transition is left half way, so that everything open can be decided.
    const open = [...kept.values()].filter(({ state }) => state === 'pending').slice(0, 3);
    for (const { id } of open) expect((await store.reject(id, { by: actor('zoe'), reason: null })).ok).toBe(true);
    await store.close();
  }
  expect(acknowledged.size).toBeGreaterThan(50);
});

async function everything(store: ApprovalStore): Promise<ReadonlyMap<string, Approval>> {
  const kept = new Map<string, Approval>();
  let after: string | null = null;
  do {
    const page = await store.list({ state: null, accepts: () => true, pageSize: 200, after });
    for (const approval of page.approvals) kept.set(approval.id, approval);
    after = page.next;
  } while (after !== null);
  return kept;
}

async function runAndKill(lifetime: number, acknowledged: Map<string, number>): Promise<void> {
  const child = spawn(process.execPath, ['--import', 'tsx', 'test/support/approval-child.ts', directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  let said = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    const [id = '', version = ''] = line.split(' ');
    acknowledged.set(id, Math.max(Number(version), acknowledged.get(id) ?? 0));
    if (++said === lifetime) child.kill('SIGKILL');
  }
  expect(await exited).toEqual([null, 'SIGKILL']);
}
