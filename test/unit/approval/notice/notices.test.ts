import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Approval } from '../../../../src/approval/approval.ts';
import { backOffMs } from '../../../../src/approval/notice/back-off.ts';
import { createDeliver, type Delivery, type Mail, type Transports } from '../../../../src/approval/notice/delivery.ts';
import { openSpool, type Spool } from '../../../../src/approval/notice/file-spool.ts';
import { postOnce } from '../../../../src/approval/notice/http-post.ts';
import { type Notices, type NoticesOptions, startNotices } from '../../../../src/approval/notice/notices.ts';
import type { NoticeRoute } from '../../../../src/approval/notice/route.ts';
import { approve, create, expire, reject } from '../../../../src/approval/state-machine.ts';
import { limits } from '../../../../src/lib/limits.ts';
import { silentLog } from '../../../../src/telemetry/telemetry.ts';
import { actor, handClock, held, scratch, startMs, terms } from '../../../support/approvals.ts';
import { eventually } from '../../../support/eventually.ts';
import { letter, type Receiver, requesterRoute, route, startReceiver } from '../../../support/notices.ts';

const random = (size: number) => Buffer.alloc(size);
const pending = create('a', 'digest', held(), terms(), startMs);

let directory: string;
let spool: Spool;
const cleanups: (() => unknown)[] = [];
beforeEach(async () => {
  const folder = scratch('notices');
  cleanups.push(folder.remove);
  directory = folder.directory;
  spool = await openSpool(directory);
});
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface Stand {
  readonly notices: Notices;
  readonly clock: ReturnType<typeof handClock>;
  /** Outcomes in the order in which they were counted: `hooks sent`. */
  readonly counted: readonly string[];
  waiting(): number;
}

function stand(
  routes: readonly NoticeRoute[],
  options: Partial<NoticesOptions> & {
    readonly post?: Transports['post'];
    readonly mail?: Transports['mail'];
    readonly spool?: Spool;
  } = {},
): Stand {
  const clock = handClock();
  const counted: string[] = [];
  let waiting = 0;
  const { spool: other = spool, ...given } = options;
  const {
    post = (one, signal) => postOnce(one, 2_000, signal),
    mail = async () => ({ kind: 'sent' }),
    ...rest
  } = given;
  const deliver = createDeliver({ clock, post, mail });
  const notices = startNotices(
    {
      spool: other,
      deliver,
      clock,
      random,
      log: silentLog,
      metrics: {
        notice: (name, outcome) => void counted.push(`${name} ${outcome}`),
        noticesWaiting: (count) => {
          waiting = count;
        },
      },
    },
    { routes, link: null, lookMs: 10, ...rest },
  );
  cleanups.push(notices.close);
  return { notices, clock, counted, waiting: () => waiting };
}

async function receiver(...given: Parameters<typeof startReceiver>): Promise<Receiver> {
  const started = await startReceiver(...given);
  cleanups.push(started.close);
  return started;
}

const counts = (at: Stand, count: number) =>
  eventually(`${count} outcomes`, () => (at.counted.length >= count ? at.counted : undefined));

describe('delivery', () => {
  test('a transition becomes a post, and nothing of it is left', async () => {
    const hooks = await receiver();
    const at = stand([route({}, { url: hooks.url })]);
    await at.notices.tell(pending, null);
    expect(await counts(at, 1)).toEqual(['hooks sent']);
    expect(hooks.received.map(({ body }) => JSON.parse(body).data.approval)).toEqual(['a']);
    await eventually('an empty queue', () => (at.waiting() === 0 ? true : undefined));
    expect([await spool.keys('queue'), await spool.keys('dead')]).toEqual([[], []]);
  });

  test('only to routes that want to know', async () => {
    const hooks = await receiver();
    const to = (name: string, changes: Partial<NoticeRoute>) =>
      route({ name, ...changes }, { url: `${hooks.url}/${name}` });
    const at = stand([
      to('all', {}),
      to('this-group', { groups: ['security', 'reviewers'] }),
      to('other-group', { groups: ['security'] }),
      to('this-rule', { rules: ['production_code'] }),
      to('other-rule', { rules: ['other'] }),
      to('other-event', { events: ['expired'] }),
    ]);
    await at.notices.tell(pending, null);
    await counts(at, 3);
    expect(hooks.received.map(({ path }) => path).sort()).toEqual([
      '/hooks/all',
      '/hooks/this-group',
      '/hooks/this-rule',
    ]);
    const expired = expire(pending, pending.pendingUntilMs);
    if (!expired.ok) throw new Error('not expired');
    await at.notices.tell(expired.value, pending);
    await counts(at, 7);
    expect(hooks.received.slice(3).map(({ path }) => path)).toContain('/hooks/other-event');
  });

  test('a failure is tried again, and the id stays', async () => {
    const hooks = await receiver((index) => ({ status: index < 2 ? 503 : 200 }));
    const at = stand([route({}, { url: hooks.url, key: Buffer.alloc(32) })]);
    await at.notices.tell(pending, null);
    await counts(at, 1);
    await eventually('a kept failure', async () =>
      (await spool.read('queue', 'msg_a_1.hooks'))?.attempts === 1 ? true : undefined,
    );
    at.clock.move(5_000);
    await eventually('another', async () =>
      (await spool.read('queue', 'msg_a_1.hooks'))?.attempts === 2 ? true : undefined,
    );
    at.clock.move(10_000);
    expect(await counts(at, 3)).toEqual(['hooks failed', 'hooks failed', 'hooks sent']);
    expect(new Set(hooks.received.map(({ headers }) => headers['webhook-id']))).toEqual(new Set(['msg_a_1']));
  });

  test('a letter that is found before its author knows that it is kept waits like any other after it failed', async () => {
    const hooks = await receiver(() => ({ status: 503 }));
    let release: () => void = () => {};
    const synced = new Promise<void>((resolve) => {
      release = resolve;
    });
    const slow: Spool = {
      ...spool,
      put: async (place, one) => {
        await spool.put(place, one);
        if (one.attempts === 0) await synced;
      },
    };
    const at = stand([route({}, { url: hooks.url })], { spool: slow });
    const told = at.notices.tell(pending, null);
    expect(await counts(at, 1)).toEqual(['hooks failed']);
    release();
    await told;
    await at.notices.tell({ ...pending, id: 'b' }, null);
    await counts(at, 2);
    expect(hooks.received.map(({ body }) => JSON.parse(body).data.approval)).toEqual(['a', 'b']);
  });

  test('what fails too often is dead, says why, and can be put back', async () => {
    let status = 500;
    const hooks = await receiver(() => ({ status }));
    const at = stand([route({}, { url: hooks.url })], { attemptsMax: 2, backOff: { firstMs: 0, longestMs: 0 } });
    await at.notices.tell(pending, null);
    expect(await counts(at, 3)).toEqual(['hooks failed', 'hooks failed', 'hooks dead']);
    const dead = await spool.read('dead', 'msg_a_1.hooks');
    expect(dead).toMatchObject({ attempts: 2, problem: 'status 500' });
    expect(await spool.keys('queue')).toEqual([]);
    status = 200;
    // As another process does it.
    if (dead !== null) await (await openSpool(directory)).put('queue', { ...dead, attempts: 0 });
    expect(await counts(at, 4)).toContain('hooks sent');
  });

  test.each([
    { name: 'gone for good', answer: { status: 410 }, problem: 'status 410' },
    {
      name: 'a redirect',
      answer: { status: 307, headers: { location: 'http://127.0.0.1:1/elsewhere' } },
      problem: 'status 307: redirects are not followed',
    },
  ])('$name', async ({ answer, problem }) => {
    const hooks = await receiver(() => answer);
    const at = stand([route({}, { url: hooks.url })], { attemptsMax: 1 });
    await at.notices.tell(pending, null);
    expect(await counts(at, 2)).toEqual(['hooks failed', 'hooks dead']);
    expect((await spool.read('dead', 'msg_a_1.hooks'))?.problem).toBe(problem);
    expect(hooks.received.length).toBe(1);
  });

  test('what asks for a decision is dead when none can be made any more', async () => {
    const at = stand([route()]);
    await spool.put('queue', letter({ untilMs: startMs }));
    expect(await counts(at, 1)).toEqual(['hooks dead']);
    expect((await spool.read('dead', letter().key))?.problem).toBe('it is no news any more');
  });

  test('a route that is gone from the configuration', async () => {
    const at = stand([route({ name: 'other' })]);
    await spool.put('queue', letter());
    expect(await counts(at, 1)).toEqual(['hooks dead']);
  });

  test('a receiver that never answers holds up nobody else, and at most so many of its own', async () => {
    const silent: AbortSignal[] = [];
    const sent: string[] = [];
    const post: Transports['post'] = ({ url }, signal) => {
      if (!url.includes('silent')) {
        sent.push(url);
        return Promise.resolve({ kind: 'sent' });
      }
      silent.push(signal);
      return new Promise((resolve) => {
        const failed: Delivery = { kind: 'failed', reason: 'no answer in time', retryAfterMs: null };
        signal.addEventListener('abort', () => resolve(failed));
      });
    };
    const at = stand([route({ name: 'silent' }, { url: 'http://silent/' }), route({ name: 'quick' })], { post });
    for (let n = 0; n < 20; n += 1) await at.notices.tell({ ...pending, id: `a${n}` }, null);
    await eventually('the quick ones', () => (sent.length === 20 ? true : undefined));
    expect(silent.length).toBe(limits.noticesUnderWayPerRouteMax);
    await at.notices.close();
    // Not failures: they are there for the next start.
    expect([await spool.keys('queue').then((keys) => keys.length), await spool.keys('dead')]).toEqual([20, []]);
  });
});

describe('to the requester', () => {
  const email = 'rita@example.com';
  const asked = (id: string, to: string | undefined = email, returnReason = true) =>
    create(id, id, held(to === undefined ? {} : { requesterEmail: to }), terms({ returnReason }), startMs);
  const rejected = (asked: Approval): Approval => {
    const step = reject(asked, { by: actor('ada'), reason: 'not on a Friday', atMs: startMs });
    if (!step.ok) throw new Error(step.error.kind);
    return step.value;
  };
  const collected = () => {
    const mails: Mail[] = [];
    const mail: Transports['mail'] = async (one) => {
      mails.push(one);
      return { kind: 'sent' };
    };
    return { mails, mail };
  };

  test('goes to the one who asked, and to nobody else', async () => {
    const { mails, mail } = collected();
    const at = stand([requesterRoute()], { mail });
    for (const [id, to] of [
      ['a', email],
      ['b', 'ruth@example.com'],
      ['c', undefined],
    ] as const) {
      const before = create(id, id, held(to === undefined ? {} : { requesterEmail: to }), terms(), startMs);
      await at.notices.tell(rejected(before), before);
    }
    await counts(at, 3);
    expect([...at.counted].sort()).toEqual(['requester sent', 'requester sent', 'requester unaddressed']);
    expect(mails.map(({ to }) => to)).toEqual([[email], ['ruth@example.com']]);
  });

  test.each([
    { returnReason: true, want: true },
    { returnReason: false, want: false },
  ])('the reason of the decision, where the rule returns it: $returnReason', async ({ returnReason, want }) => {
    const { mails, mail } = collected();
    const at = stand([requesterRoute()], { mail });
    const before = asked('a', email, returnReason);
    await at.notices.tell(rejected(before), before);
    await counts(at, 1);
    expect(mails.map(({ text }) => text.includes('not on a Friday'))).toEqual([want]);
  });

  test('nothing of it is in the queue when it was sent, nor among the dead when it was not', async () => {
    const at = stand([requesterRoute()], {
      mail: async () => ({ kind: 'refused', reason: 'SMTP reply 550' }),
    });
    const before = asked('a');
    await at.notices.tell(rejected(before), before);
    expect(await counts(at, 2)).toEqual(['requester failed', 'requester dead']);
    await eventually('an empty queue', () => (at.waiting() === 0 ? true : undefined));
    expect([await spool.keys('queue'), await spool.keys('dead')]).toEqual([[], []]);
  });

  test('no longer than the approval is kept, however much longer it would be news', async () => {
    let failed = 0;
    const mail: Transports['mail'] = async () => {
      failed += 1;
      return { kind: 'failed', reason: 'ECONNREFUSED', retryAfterMs: null };
    };
    const keptMs = 3_600_000;
    const at = stand(
      [requesterRoute(), requesterRoute({ to: [email] })].map((one, index) => ({ ...one, name: `r${index}` })),
      {
        mail,
        approvalsKeptMs: keptMs,
      },
    );
    const before = asked('a');
    await at.notices.tell(rejected(before), before);
    await eventually('both tried', () => (failed === 2 ? true : undefined));
    const letters = await eventually('both kept', async () => {
      const found = await Promise.all(['msg_a_2.r0', 'msg_a_2.r1'].map((key) => spool.read('queue', key)));
      return found.every((one) => one?.attempts === 1) ? found : undefined;
    });
    expect(letters.map((one) => one?.to)).toEqual([email, undefined]);
    at.clock.move(before.pendingUntilMs + keptMs - startMs);
    await eventually('it is over', async () =>
      (await spool.keys('queue')).join() === 'msg_a_2.r1' ? true : undefined,
    );
    expect([failed >= 3, await spool.keys('dead')]).toEqual([true, []]);
  });

  test('one requester is written so often and no more, and others are written all the same', async () => {
    const { mails, mail } = collected();
    const at = stand([requesterRoute()], { mail });
    const most = limits.noticesToOneAtOnceMax;
    const tell = async (id: string, to = email) => {
      const before = asked(id, to);
      await at.notices.tell(rejected(before), before);
    };
    for (let n = 0; n <= most; n += 1) await tell(`a${n}`);
    await tell('b', 'ruth@example.com');
    await counts(at, most + 2);
    expect(at.counted.filter((one) => one === 'requester dropped')).toHaveLength(1);
    at.clock.move(60_000);
    await tell('later');
    await counts(at, most + 3);
    expect(mails.filter(({ to }) => to[0] === email)).toHaveLength(most + 1);
    expect(mails.filter(({ to }) => to[0] === 'ruth@example.com')).toHaveLength(1);
  });

  test('a letter from when the route wrote to somebody else is for nobody', async () => {
    const { mails, mail } = collected();
    const at = stand([requesterRoute()], { mail });
    await spool.put('queue', letter({ key: 'msg_a_1.requester', route: 'requester' }));
    expect(await counts(at, 2)).toEqual(['requester failed', 'requester dead']);
    expect([mails, (await spool.read('dead', 'msg_a_1.requester'))?.problem]).toEqual([
      [],
      'it names nobody to write to',
    ]);
  });

  test('its address is in no field and no fact, whatever the route', async () => {
    const hooks = await receiver();
    const at = stand([{ ...route({}, { url: hooks.url }), maskedView: true }]);
    const granted = approve(asked('a'), { by: actor('ada'), reason: null, atMs: startMs });
    if (!granted.ok) throw new Error(granted.error.kind);
    await at.notices.tell(granted.value, asked('a'));
    await counts(at, 1);
    expect(hooks.received.map(({ body }) => body.includes(email))).toEqual([false]);
  });
});

describe('the spool', () => {
  test('what waits survives a restart', async () => {
    const down = stand([route({}, { url: 'http://127.0.0.1:1/' })]);
    await down.notices.tell(pending, null);
    await counts(down, 1);
    await down.notices.close();
    const hooks = await receiver();
    const up = stand([route({}, { url: hooks.url })], { spool: await openSpool(directory) });
    up.clock.move(60_000);
    expect(await counts(up, 1)).toEqual(['hooks sent']);
  });

  test('a transition that is told twice is one letter while it waits', async () => {
    const at = stand([route({}, { url: 'http://127.0.0.1:1/' })]);
    await at.notices.tell(pending, null);
    await counts(at, 1);
    await at.notices.tell(pending, null);
    expect(await spool.keys('queue')).toEqual(['msg_a_1.hooks']);
  });

  test('half a letter, a strange file and a name that leads elsewhere are no letters', async () => {
    writeFileSync(join(directory, 'queue', 'half.json'), '{"key":"ha');
    writeFileSync(join(directory, 'queue', 'draft.json.new'), '');
    expect(await spool.read('queue', 'half')).toBeNull();
    expect(await spool.read('queue', '../dead/half')).toBeNull();
    expect(await spool.keys('queue')).toEqual(['half']);
  });

  test('a letter comes back as it was put, readable for this user alone', async () => {
    const one = letter({ attempts: 3, problem: 'status 500' }, true);
    await spool.put('dead', one);
    expect(await spool.read('dead', one.key)).toEqual(one);
    expect(readdirSync(join(directory, 'dead'))).toEqual([`${one.key}.json`]);
  });

  test('a full queue drops, and says so; nobody is kept from deciding', async () => {
    const full: Spool = {
      ...spool,
      keys: async (place) =>
        place === 'queue' ? Array.from({ length: limits.noticesKeptMax }, (_, index) => `msg_${index}_1.hooks`) : [],
      read: async (_place, key) => letter({ key, nextAtMs: startMs + 3_600_000 }),
    };
    const at = stand([route()], { spool: full });
    await eventually('a full queue', () => (at.waiting() === limits.noticesKeptMax ? true : undefined));
    await at.notices.tell(pending, null);
    expect(at.counted).toEqual(['hooks dropped']);
  });

  test('a disk that fails or hangs keeps nobody from deciding', async () => {
    const broken: Spool = { ...spool, put: () => Promise.reject(new Error('no space')) };
    const at = stand([route()], { spool: broken });
    await at.notices.tell(pending, null);
    expect(at.counted).toEqual(['hooks dropped']);
    const hung = stand([route()], { spool: { ...spool, put: () => new Promise(() => {}) } });
    await hung.notices.tell(pending, null);
    expect(hung.counted).toEqual(['hooks dropped']);
  });

  test('of too many dead letters the oldest go', async () => {
    const removed: string[] = [];
    const crowded: Spool = {
      ...spool,
      keys: async (place) =>
        place === 'dead'
          ? Array.from({ length: limits.noticesKeptMax }, (_, index) => `old-${index}`)
          : spool.keys(place),
      remove: async (place, key) => {
        if (place === 'dead') removed.push(key);
        await spool.remove(place, key);
      },
    };
    const at = stand([route({ name: 'other' })], { spool: crowded });
    await spool.put('queue', letter());
    await counts(at, 1);
    expect(removed).toEqual(['old-0']);
  });
});

describe('back-off', () => {
  const backOff = { firstMs: 1_000, longestMs: 60_000 };
  const low = () => Buffer.alloc(4, 0);
  const high = () => Buffer.alloc(4, 255);
  test.each([
    { failures: 1, asked: null, from: 500, to: 1_000 },
    { failures: 2, asked: null, from: 1_000, to: 2_000 },
    { failures: 50, asked: null, from: 30_000, to: 60_000 },
    { failures: 1, asked: 20_000, from: 20_000, to: 20_000 },
    { failures: 1, asked: 1e9, from: 60_000, to: 60_000 },
  ])('after $failures failures, asked for $asked: $from to $to ms', ({ failures, asked, from, to }) => {
    expect(backOffMs(backOff, failures, asked, low)).toBe(from);
    expect(backOffMs(backOff, failures, asked, high)).toBe(to);
  });
});
