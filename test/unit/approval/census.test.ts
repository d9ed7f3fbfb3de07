import { expect, test } from 'vitest';
import { createCensus } from '../../../src/approval/census.ts';
import { createLevelStore } from '../../../src/approval/level-store.ts';
import { createUuidV7 } from '../../../src/lib/ids.ts';
import { actor, handClock, held, scratch, terms } from '../../support/approvals.ts';

test('pending approvals are counted by age, from their ids, and not too often', async () => {
  const { directory, remove } = scratch('census');
  const clock = handClock();
  const store = await createLevelStore({ directory }, { clock, onTransition: async () => {} });
  const newId = createUuidV7(clock, (bytes) => Buffer.alloc(bytes, 7));
  const lasting = terms({ ttlS: 10 * 86_400 });
  const open = async (digest: string) =>
    (await store.open({ id: newId(), digest, held: held(), terms: lasting })).approval;
  await open('days');
  clock.move(2 * 86_400_000);
  await open('hours');
  clock.move(2 * 3_600_000);
  await open('minute');
  clock.move(60_000);
  await open('now');
  clock.move(1);
  await store.reject((await open('decided')).id, { by: actor('ada'), reason: null });

  const seen: Record<string, number> = {};
  let calls = 0;
  const approvalsPending = (age: string, count: number) => {
    calls += 1;
    seen[age] = count;
  };
  const census = createCensus({ store, clock, metrics: { approvalsPending } });
  await census();
  const want = { under_1m: 1, under_5m: 1, under_15m: 0, under_1h: 0, under_6h: 1, under_1d: 0, older: 1 };
  expect(seen).toEqual(want);
  clock.move(9_999);
  await census();
  expect(calls).toBe(7);
  clock.move(1);
  await census();
  expect(calls).toBe(14);
  await store.close();
  remove();
});
