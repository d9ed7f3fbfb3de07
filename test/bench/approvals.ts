/**
 * What approvals cost under load: `npm run bench:approvals -- [--pending 10000] [--waiters 500] [--rate 200] [--seconds 20]
 * [--replicas 3] [--fsync everysec] [--uses 1000]`. A redis-server of its own, and so many replicas: stores and gates, each in a
 * process of its own. All but the first hold requests at their gates; at the first people decide, at the given rate, and each time another request
 * comes to be held. Prints how long after the call that decides a waiter had its grant, and what one consumption costs beside one
 * PING of the same Redis, one after the other in the same run.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Redis } from 'ioredis';
import type { Approval } from '../../src/approval/approval.ts';
import { createGate } from '../../src/approval/gate.ts';
import { loadScripts } from '../../src/approval/lua-scripts.ts';
import { createRedisStore } from '../../src/approval/redis-store.ts';
import type { ApprovalStore } from '../../src/approval/store.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { createPooledRandom, createUuidV7 } from '../../src/lib/ids.ts';
import { noMetrics, silentLog } from '../../src/telemetry/telemetry.ts';
import { actor, held, terms } from '../support/approvals.ts';
import { startRedis } from '../support/redis.ts';

const { values } = parseArgs({
  options: {
    pending: { type: 'string', default: '10000' },
    waiters: { type: 'string', default: '500' },
    rate: { type: 'string', default: '200' },
    seconds: { type: 'string', default: '20' },
    replicas: { type: 'string', default: '3' },
    fsync: { type: 'string', default: 'everysec' },
    uses: { type: 'string', default: '1000' },
    url: { type: 'string' },
  },
});
const newId = createUuidV7(systemClock, createPooledRandom());
const long = terms({ ttlS: 3_600, waitS: 3_600, grant: { uses: 1, ttlS: 3_600 } });

/** One clock for all processes of the machine, milliseconds. */
const nowMs = (): number => performance.timeOrigin + performance.now();

if (values.url !== undefined) await beReplica(values.url);
else {
  const redis = await startRedis(['--appendfsync', values.fsync]);
  await measure(redis.url).finally(() => redis.close());
}

async function connect(url: string): Promise<ApprovalStore> {
  const deps = { clock: systemClock, onTransition: async () => {}, log: silentLog };
  return createRedisStore({ target: { kind: 'single', url } }, deps);
}

/** Holds a request for each message, and says when it waits and when it has its grant. */
async function beReplica(url: string): Promise<void> {
  const store = await connect(url);
  let nextId = '';
  const gate = createGate({ store, clock: systemClock, newId: () => nextId, observe: noMetrics }, { pollMs: 30_000 });
  const say = (message: { readonly kind: string; readonly id?: string; readonly ms?: number }) =>
    process.send?.(message);
  const waits = new Set<string>();
  store.subscribe((hint) => {
    if (hint.kind === 'changed' && waits.delete(hint.id)) say({ kind: 'waits', id: hint.id });
  });
  process.on('message', (id: string) => {
    nextId = id;
    waits.add(id);
    void gate.pass(`held-${id}`, held(), long, new AbortController().signal).then(({ kind }) => {
      if (kind === 'granted') say({ kind: 'granted', id, ms: nowMs() });
    });
  });
  process.once('disconnect', () => process.exit(0));
  say({ kind: 'ready' });
}

async function measure(url: string): Promise<void> {
  const [pending, waiters, rate, seconds, count] = [
    Number(values.pending),
    Number(values.waiters),
    Number(values.rate),
    Number(values.seconds),
    Number(values.replicas),
  ];
  const store = await connect(url);
  const replicas = await Promise.all(Array.from({ length: count - 1 }, () => startReplica(url)));
  print(
    `${pending} pending, ${waiters} waiters at ${count - 1} replicas, ${rate} decisions/s at another for ${seconds} s`,
  );
  print(`appendfsync ${values.fsync}`);

  const openedMs = performance.now();
  await inBatches(pending - waiters, 50, async () => {
    const id = newId();
    await store.open({ id, digest: `idle-${id}`, held: held(), terms: long });
  });
  print(`opened: ${((pending - waiters) / ((performance.now() - openedMs) / 1000)).toFixed(0)} approvals/s`);

  const waiting: string[] = [];
  const decidedMs = new Map<string, number>();
  const wakeUps: number[] = [];
  const bySecond = new Map<number, readonly number[]>();
  for (const replica of replicas) {
    replica.on('message', ({ kind, id, ms }: { kind: string; id: string; ms: number }) => {
      if (kind === 'waits') waiting.push(id);
      if (kind !== 'granted') return;
      const tookMs = ms - (decidedMs.get(id) ?? Number.NaN);
      wakeUps.push(tookMs);
      const second = Math.floor(ms / 1000);
      bySecond.set(second, [...(bySecond.get(second) ?? []), tookMs]);
    });
  }
  let made = 0;
  const hold = (): void => {
    replicas[made % replicas.length]?.send(newId());
    made += 1;
  };
  for (let n = 0; n < waiters; n += 1) hold();
  while (waiting.length < waiters) await wait(20);
  await wait(1_000);

  const took: number[] = [];
  const decisions: Promise<void>[] = [];
  const beganMs = performance.now();
  for (let n = 0; n < rate * seconds; n += 1) {
    const dueMs = beganMs + (n * 1000) / rate;
    if (dueMs > performance.now()) await wait(dueMs - performance.now());
    const id = waiting.shift();
    if (id === undefined) throw new Error('decisions came faster than waiters');
    // From the call on, not from its answer: a waiter may well be awake before the one who decided knows.
    decidedMs.set(id, nowMs());
    const decide = async (): Promise<void> => {
      const startMs = performance.now();
      const outcome = await store.approve(id, { by: actor('ada'), reason: null });
      if (!outcome.ok) throw new Error(outcome.error.kind);
      took.push(performance.now() - startMs);
    };
    const decided = decide();
    // Awaited below; when the run ends before that, its own reason is the one to see.
    decided.catch(() => {});
    decisions.push(decided);
    hold();
  }
  await Promise.all(decisions);
  while (wakeUps.length < decisions.length) await wait(20);
  print(`decided: ${(decisions.length / ((performance.now() - beganMs) / 1000)).toFixed(0)}/s`);
  show('one decision', took);
  show('from the call that decides to the grant of who waits elsewhere', wakeUps);
  // On a machine that does other things as well a few seconds of standstill make the p99 of the whole run.
  const worst = [...bySecond.values()].map((samples) => at(samples, 0.99));
  const good = worst.filter((ms) => ms < 100).length;
  print(
    `the same, its p99 second by second: median ${at(worst, 0.5).toFixed(1)} ms, below 100 ms in ${good} of ${worst.length}`,
  );
  for (const replica of replicas) replica.disconnect();

  await besidePing(url, store);
  await store.close();
}

/**
 * What one use of a grant costs whoever waits for it, beside one PING of the same Redis through the same client, in turn. Both
 * begin when nothing is under way: what follows a use by itself has come to its end before the next sample.
 */
async function besidePing(url: string, store: ApprovalStore): Promise<void> {
  const probe = new Redis(url);
  const gate = createGate({ store, clock: systemClock, newId, observe: noMetrics });
  const signal = new AbortController().signal;
  const count = Number(values.uses);
  const oneTime: Approval[] = [];
  const atGate: Approval[] = [];
  await inBatches(count, 50, async () => {
    oneTime.push(await granted(store, 1));
    atGate.push(await granted(store, 1));
  });
  const many = await granted(store, count);
  const bare = await granted(store, count);
  // The least that any script costs, and what that of a use costs without our client and store around it.
  const nothing = String(await probe.script('LOAD', 'return 1'));
  const script = String(await probe.script('LOAD', loadScripts().consume.source));

  const settled = (id: string): Promise<void> =>
    new Promise((resolve) => {
      const stop = store.subscribe((hint) => {
        if (hint.kind !== 'changed' || hint.id !== id) return;
        stop();
        resolve();
      });
    });
  const samples: Record<'ping' | 'nothing' | 'script' | 'once' | 'nth' | 'gate', number[]> = {
    ping: [],
    nothing: [],
    script: [],
    once: [],
    nth: [],
    gate: [],
  };
  const sample = async (into: number[], id: string, what: () => Promise<unknown>): Promise<void> => {
    samples.ping.push(await timed(() => probe.ping()));
    const over = settled(id);
    into.push(await timed(what));
    await over;
  };
  for (const [n, approval] of oneTime.entries()) {
    samples.ping.push(await timed(() => probe.ping()));
    samples.nothing.push(await timed(() => probe.evalsha(nothing, 0)));
    samples.ping.push(await timed(() => probe.ping()));
    samples.script.push(await timed(() => probe.evalsha(script, 1, `countersign:{approval}:row:${bare.id}`)));
    await sample(samples.once, approval.id, () => store.consume(approval.id, approval));
    await sample(samples.nth, many.id, () => store.consume(many.id, many));
    const retried = atGate[n];
    if (retried === undefined) throw new Error('as many as there are one-time grants');
    await sample(samples.gate, retried.id, () => gate.pass(retried.digest, held(), long, signal));
  }
  show('PING', samples.ping);
  show('a script that does nothing', samples.nothing);
  show('the script of a use, by itself', samples.script);
  show('consume, a grant for one use', samples.once);
  show('consume, a grant for many', samples.nth);
  show('the gate for an identical request that is approved: look up and consume', samples.gate);
  const ping = at(samples.ping, 0.5);
  const ratio = (of: readonly number[]): string => (at(of, 0.5) / ping).toFixed(2);
  print(
    `p50 in p50 of PING: consume ${ratio(samples.once)} (one use), ${ratio(samples.nth)} (many; goal: 1.5 at most); ` +
      `a script that does nothing ${ratio(samples.nothing)}, that of a use ${ratio(samples.script)}; the gate ${ratio(samples.gate)}`,
  );
  probe.disconnect();
}

async function granted(store: ApprovalStore, uses: number): Promise<Approval> {
  const id = newId();
  const wanted = { ...long, grant: { uses, ttlS: 3_600 } };
  await store.open({ id, digest: `grant-${id}`, held: held(), terms: wanted });
  const outcome = await store.approve(id, { by: actor('ada'), reason: null });
  if (!outcome.ok) throw new Error(outcome.error.kind);
  return outcome.value;
}

async function startReplica(url: string): Promise<ChildProcess> {
  const child = fork(fileURLToPath(import.meta.url), ['--url', url]);
  await once(child, 'message');
  return child;
}

async function timed(what: () => Promise<unknown>): Promise<number> {
  const startMs = performance.now();
  await what();
  return performance.now() - startMs;
}

async function inBatches(total: number, size: number, one: () => Promise<void>): Promise<void> {
  for (let done = 0; done < total; done += size) {
    await Promise.all(Array.from({ length: Math.min(size, total - done) }, one));
  }
}

function at(samples: readonly number[], quantile: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * quantile))] ?? Number.NaN;
}

function show(what: string, samples: readonly number[]): void {
  const [p50, p99, most] = [0.5, 0.99, 1].map((quantile) => at(samples, quantile).toFixed(3));
  print(`${what}: p50 ${p50} ms, p99 ${p99} ms, max ${most} ms`);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
