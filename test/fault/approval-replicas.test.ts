import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { allRecords, verified } from '../support/records.ts';
import { type RedisServer, startRedis } from '../support/redis.ts';
import { type ReplicaStack, startReplicas } from '../support/replicas.ts';

const risky = 'Write a script that drops the users table in production.';
const held = 100;
const texts = Array.from({ length: held }, (_, n) => `${risky} Number ${String(n).padStart(3, '0')}.`);

describe('three replicas whose clocks are five minutes apart, one of which is killed while 100 requests wait', () => {
  let redis: RedisServer;
  let stack: ReplicaStack;
  beforeAll(async () => {
    redis = await startRedis();
    stack = await startReplicas({
      count: 3,
      // Not a test of slowness: a machine that is busy must not make a store that is away.
      store: `redis: { url: '${redis.url}', timeout: 20s }`,
      policy: { settings: { hold: { wait_s: 45, ttl_s: 3_600, grant: { ttl_s: 3_600 } } } },
      skewMs: [0, 300_000, -300_000],
    });
  });
  afterAll(async () => {
    await stack?.stop();
    await redis.close();
  });

  const ask = async (text: string): Promise<number> => {
    const answer = await stack.chat(text);
    await answer.arrayBuffer();
    return answer.status;
  };
  const callsOf = (text: string) => stack.upstream.seen.filter(({ body }) => body.includes(text)).length;

  test('what the others hold goes on, what it held fails closed, and each of the 100 passes once', async () => {
    const [, victim] = stack.replicas;
    if (victim === undefined) throw new Error('there are three');
    const early: string[] = [];
    const answers = texts.map((text) => ask(text));
    for (const [index, answer] of answers.entries()) {
      void answer.then((status) => early.push(`${texts[index]}: ${status}`));
    }
    const { approvals } = await waiting().catch((thrown: unknown) => {
      throw new Error(`${String(thrown)}; answered before anybody decided: ${early.join('; ') || 'none'}`);
    });
    expect([approvals.size, early]).toEqual([held, []]);
    expect(stack.upstream.seen.length).toBe(0);

    await victim.kill();
    const cut = await eventually('answers of the dead', async () => {
      const settled = await Promise.all(answers.map((answer) => Promise.race([answer, Promise.resolve(null)])));
      const failed = settled.filter((status) => status !== null);
      return failed.length > 0 ? failed : undefined;
    });
    // Envoy's own words for a filter that is gone; never a pass.
    expect(cut.every((status) => status >= 500)).toBe(true);
    expect(stack.upstream.seen.length).toBe(0);

    await Promise.all([...approvals.values()].map((id) => stack.decide('approve', id)));
    const first = await Promise.all(answers);
    expect(first.filter((status) => status === 200).length).toBeGreaterThan(0);
    const again = texts.filter((_text, index) => first[index] !== 200);
    expect(again.length).toBeGreaterThan(0);
    await victim.start();
    for (const text of again) {
      // Envoy may still try the connection that died.
      await eventually(`a pass of ${text}`, async () => ((await ask(text)) === 200 ? true : undefined));
    }
    expect(texts.map(callsOf)).toEqual(texts.map(() => 1));
  });

  test('afterwards: each record is intact, and says what was aborted', async () => {
    for (const { auditFolder } of stack.replicas) {
      const report = await eventually('the last outcome', async () => {
        const found = await verified(auditFolder);
        return found.openIntents === 0 ? found : undefined;
      });
      expect(report.problems).toEqual([]);
    }
    const records = (await Promise.all(stack.replicas.map(({ auditFolder }) => allRecords(auditFolder)))).flat();
    const transitions = records
      .filter(({ kind }) => kind === 'approval')
      .map(({ facts }) => `${facts['approval']} ${facts['to']}`);
    for (const state of ['pending', 'approved', 'consumed']) {
      const found = new Set(transitions.filter((transition) => transition.endsWith(` ${state}`)));
      expect([state, found.size]).toEqual([state, held]);
    }
  });

  /** All approvals, by the text that they are about. */
  async function waiting(): Promise<{ readonly approvals: ReadonlyMap<string, string> }> {
    const approvals = new Map<string, string>();
    await eventually(
      'one hundred approvals',
      async () => {
        for (const text of texts.filter((one) => !approvals.has(one))) {
          approvals.set(text, (await stack.pending(text)).id);
        }
        return approvals.size === held ? true : undefined;
      },
      60_000,
    );
    return { approvals };
  }
});
