import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openIndexInThread } from '../../../src/audit/index-worker.ts';
import { intentEntry, openTestLog, outcomeEntry } from '../../support/audit.ts';
import { covered } from '../../support/retention.ts';

let directory = '';
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'audit-index-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

test('the index in its thread follows the log, forgets, and is made again when it is lost', async () => {
  const log = await openTestLog(directory);
  const open = () => openIndexInThread(join(directory, 'index'), directory);
  const first = await open();
  expect(statSync(join(directory, 'index')).mode & 0o777).toBe(0o700);
  for (const exchange of ['e-1', 'e-2', 'e-3']) {
    await log.append(intentEntry(exchange));
    await log.append(outcomeEntry(exchange));
  }
  await covered(log);
  expect(await first.catchUp()).toBe(log.health().records);
  const page = await first.find({ session: 'session-1', kind: 'intent', limit: 2 });
  expect(page.records.map(({ exchange }) => exchange)).toEqual(['e-3', 'e-2']);
  const rest = await first.find({ session: 'session-1', kind: 'intent', limit: 2, before: page.next ?? 0 });
  expect(rest).toMatchObject({ records: [{ exchange: 'e-1' }], next: null });
  const [intent] = rest.records;
  expect(await first.byId(intent?.id ?? '')).toEqual(intent);
  expect((await first.ofKinds(['open'])).map(({ sequence }) => sequence)).toEqual([0]);
  await first.forget(0, intent?.sequence ?? 0);
  expect(await first.byId(intent?.id ?? '')).toBeNull();
  await first.close();
  await expect(first.catchUp()).rejects.toMatchObject({ code: 'audit_unavailable' });

  rmSync(join(directory, 'index'), { recursive: true });
  const second = await open();
  await second.catchUp();
  expect((await second.find({ exchange: 'e-1', limit: 10 })).records).toHaveLength(2);
  await second.close();
  await log.close();
});

test('two processes cannot have one index', async () => {
  const first = await openIndexInThread(join(directory, 'index'), directory);
  await expect(openIndexInThread(join(directory, 'index'), directory)).rejects.toMatchObject({
    code: 'audit_unavailable',
  });
  await first.close();
});
