import { readFileSync } from 'node:fs';
import { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { createRedisStore } from '../../src/approval/redis-store.ts';
import { silentLog } from '../../src/telemetry/telemetry.ts';
import { actor, handClock, held, scratch, terms } from '../support/approvals.ts';
import { startRedis } from '../support/redis.ts';

const page = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8');
const [, rule = ''] = /```acl\n(user .+?)\n```/s.exec(page) ?? [];
const ada = { by: actor('ada'), reason: null };

test('the access rule of the operations page is enough, and no more than what is used', async () => {
  const { remove } = scratch('acl');
  const server = await startRedis();
  const admin = new Redis(server.url);
  const password = ['not', 'a', 'secret'].join('-');
  const [, name = '', ...rules] = rule.replace('<password>', password).split(/\s+/);
  await admin.call('ACL', 'SETUSER', name, ...rules);
  const clock = handClock();
  const login = server.url.replace('redis://', `redis://${name}:${password}@`);
  const options = { target: { kind: 'single', url: login }, retentionMs: 1_000 } as const;
  const store = await createRedisStore(options, { clock, onTransition: async () => {}, log: silentLog });
  const heard = new Promise((resolve) => store.subscribe(resolve));
  try {
    await store.open({ id: 'a', digest: 'digest', held: held(), terms: terms() });
    await heard;
    expect((await store.approve('a', ada)).ok).toBe(true);
    expect((await store.consume('a')).ok).toBe(true);
    expect(await store.list({ state: null, accepts: () => true, pageSize: 10, after: null })).toMatchObject({
      next: null,
    });
    expect(await store.changes(0, 10)).toHaveLength(1);
    expect(await store.lastChange()).toBeGreaterThan(0);
    expect(await store.count('consumed', 0, clock.nowMs())).toBe(0);
    expect(await store.claim('key', 'content')).toBe('content');
    expect((await store.byExchange('exchange-1'))?.id).toBe('a');
    await store.open({ id: 'b', digest: 'other', held: held(), terms: terms() });
    clock.move(3_600_000);
    expect(await store.sweep()).toEqual({ expired: 1, settled: 0, purged: 1 });
    clock.move(3_600_000);
    expect(await store.sweep()).toEqual({ expired: 0, settled: 0, purged: 1 });

    expect(await admin.call('ACL', 'LOG')).toEqual([]);
    const used = await commandsUsed(admin);
    const granted = rules.filter((word) => word.startsWith('+')).map((word) => word.slice(1).split('|')[0] ?? '');
    const alsoGranted = granted.filter((command) => !used.has(command));
    expect(alsoGranted).toEqual([]);
  } finally {
    await store.close();
    admin.disconnect();
    await server.close();
    remove();
  }
});

/** By anyone since the server started; scripts' own calls included. */
async function commandsUsed(admin: Redis): Promise<ReadonlySet<string>> {
  const stats = await admin.info('commandstats');
  return new Set([...stats.matchAll(/^cmdstat_([a-z]+)/gm)].map((match) => match[1] ?? ''));
}
