import type { Clock } from '../../lib/clock.ts';
import { Fault } from '../../lib/fault.ts';
import type { RandomBytes } from '../../lib/ids.ts';
import { limits } from '../../lib/limits.ts';
import { createRateLimiter } from '../../lib/rate-limiter.ts';
import type { Log, Metrics } from '../../telemetry/telemetry.ts';
import type { Approval } from '../approval.ts';
import { type BackOff, backOffMs } from './back-off.ts';
import type { Deliver, Delivery } from './delivery.ts';
import { tell } from './fields.ts';
import type { Spool } from './file-spool.ts';
import { type Letter, letterKey } from './letter.ts';
import { type Notice, newsMs, noticeOf } from './notice.ts';
import { isToRequester, type NoticeRoute, wants } from './route.ts';

export interface NoticesDeps {
  readonly spool: Spool;
  readonly deliver: Deliver;
  readonly clock: Clock;
  readonly random: RandomBytes;
  readonly log: Log;
  readonly metrics: Pick<Metrics, 'notice' | 'noticesWaiting'>;
}

export interface NoticesOptions {
  readonly routes: readonly NoticeRoute[];
  /** See `Telling.link`. */
  readonly link: string | null;
  /** How long an approval is kept after its last deadline: a letter to its requester is not kept longer. Default: 7 days. */
  readonly approvalsKeptMs?: number;
  /** Attempts before a letter is dead. Default: 12, about three hours. */
  readonly attemptsMax?: number;
  readonly backOff?: BackOff;
  /** How often the directory is looked at for letters that another process put back. Default: 5 s. */
  readonly lookMs?: number;
}

/** Tells people what happens to approvals. */
export interface Notices {
  /**
   * Keeps a letter for each route that wants to know; resolves when they are durable. Call it before the transition is settled: a crash
   * in between repeats the transition's record, and with it this call, so that every transition is told at least once. Never
   * throws, and never takes longer than `limits.noticeKeepMs`: a disk that fails must not keep anybody from deciding.
   */
  tell(approval: Approval, before: Approval | null): Promise<void>;
  /** Ends what is under way (it is sent again after the next start) and stops. */
  close(): Promise<void>;
}

/** Begins to send what is in the spool, and what will be. Nothing of it is on the path of a request. */
export function startNotices(deps: NoticesDeps, options: NoticesOptions): Notices {
  const { spool, deliver, clock, random, log, metrics } = deps;
  const { routes, link, approvalsKeptMs = 7 * newsMs, attemptsMax = 12, lookMs = 5_000 } = options;
  const backOff = options.backOff ?? { firstMs: 5_000, longestMs: 3_600_000 };
  /** When each letter in the queue is due, and where it goes. */
  const waiting = new Map<string, { readonly nextAtMs: number; readonly route: string }>();
  const underWay = new Map<string, Promise<void>>();
  const busy = new Map<string, number>();
  const closing = new AbortController();
  const toRequesters = createRateLimiter(
    clock,
    { burst: limits.noticesToOneAtOnceMax, perSecond: limits.noticesToOnePerHourMax / 3_600 },
    limits.noticeRequestersMax,
  );
  let alarm: NodeJS.Timeout | undefined;
  let isFailing = false;

  const isFree = (route: string) =>
    underWay.size < limits.noticesUnderWayMax && (busy.get(route) ?? 0) < limits.noticesUnderWayPerRouteMax;

  /** Starts what is due and may start, and sets the alarm for the rest. */
  const pump = (): void => {
    clearTimeout(alarm);
    metrics.noticesWaiting(waiting.size);
    if (closing.signal.aborted) return;
    const nowMs = clock.nowMs();
    let next = Number.POSITIVE_INFINITY;
    for (const [key, { nextAtMs, route }] of waiting) {
      if (underWay.has(key)) continue;
      if (nextAtMs > nowMs) next = Math.min(next, nextAtMs);
      else if (isFree(route)) begin(key, route);
    }
    if (next === Number.POSITIVE_INFINITY) return;
    alarm = setTimeout(pump, Math.min(next - nowMs, lookMs));
    alarm.unref();
  };

  const begin = (key: string, route: string): void => {
    busy.set(route, (busy.get(route) ?? 0) + 1);
    const done = attempt(key)
      .catch((thrown: unknown) => {
        complain(thrown);
        waiting.set(key, { nextAtMs: clock.nowMs() + lookMs, route });
      })
      .then(() => {
        underWay.delete(key);
        busy.set(route, (busy.get(route) ?? 1) - 1);
        pump();
      });
    underWay.set(key, done);
  };

  const attempt = async (key: string): Promise<void> => {
    const letter = await spool.read('queue', key);
    if (letter === null) {
      waiting.delete(key);
      return;
    }
    const route = routes.find(({ name }) => name === letter.route);
    if (route === undefined) return bury(letter, 'the configuration has no such route');
    if (clock.nowMs() >= letter.untilMs) return bury(letter, 'it is no news any more');
    const delivery = await deliver(route, letter, closing.signal);
    if (closing.signal.aborted && delivery.kind !== 'sent') return;
    isFailing = false;
    await conclude(letter, delivery);
  };

  const conclude = async (letter: Letter, delivery: Delivery): Promise<void> => {
    metrics.notice(letter.route, delivery.kind === 'sent' ? 'sent' : 'failed');
    const attempts = letter.attempts + 1;
    if (delivery.kind === 'sent') {
      await spool.remove('queue', letter.key);
      waiting.delete(letter.key);
      return;
    }
    if (delivery.kind === 'refused' || attempts >= attemptsMax) return bury({ ...letter, attempts }, delivery.reason);
    const nextAtMs = clock.nowMs() + backOffMs(backOff, attempts, delivery.retryAfterMs, random);
    waiting.set(letter.key, { nextAtMs, route: letter.route });
    await spool.put('queue', { ...letter, attempts, nextAtMs, problem: delivery.reason });
  };

  const bury = async (letter: Letter, problem: string): Promise<void> => {
    // A person's address is not kept for somebody to look at.
    if (letter.to === undefined) await keepDead(letter, problem);
    await spool.remove('queue', letter.key);
    waiting.delete(letter.key);
    metrics.notice(letter.route, 'dead');
    log.error('a notice could not be delivered', { approval: letter.told.fields.approval, reason: problem });
  };

  const keepDead = async (letter: Letter, problem: string): Promise<void> => {
    const buried = await spool.keys('dead');
    // The oldest make room: bounded, and what is dead has been reported once already.
    for (const key of buried.slice(0, Math.max(0, buried.length + 1 - limits.noticesKeptMax))) {
      await spool.remove('dead', key);
    }
    await spool.put('dead', { ...letter, problem });
  };

  /** Finds letters of a process before, and those that were put back. */
  const look = async (): Promise<void> => {
    try {
      for (const key of await spool.keys('queue')) {
        if (waiting.has(key) || waiting.size >= limits.noticesKeptMax) continue;
        const letter = await spool.read('queue', key);
        if (letter !== null) waiting.set(key, { nextAtMs: letter.nextAtMs, route: letter.route });
      }
    } catch (thrown) {
      complain(thrown);
    }
    pump();
  };

  const complain = (thrown: unknown): void => {
    if (!isFailing) log.error('the directory of notices failed', { reason: Fault.from(thrown).message });
    isFailing = true;
  };

  /** Null: by this route there is nobody to write to, or too much was written to that person. */
  const letterOf = (route: NoticeRoute, notice: Notice, before: Approval | null): Letter | null => {
    const { approval, id, atMs } = notice;
    const toRequester = isToRequester(route.channel);
    const to = approval.held.requesterEmail;
    if (toRequester && (to === undefined || toRequesters.take(to, 1) !== null)) {
      metrics.notice(route.name, to === undefined ? 'unaddressed' : 'dropped');
      return null;
    }
    const forgottenAtMs = Math.max(approval.pendingUntilMs, approval.grantUntilMs ?? 0) + approvalsKeptMs;
    return {
      key: letterKey(id, route.name),
      route: route.name,
      ...(toRequester && to !== undefined ? { to } : {}),
      notice: id,
      told: tell(notice, before?.state ?? null, { link, maskedView: route.maskedView, toRequester }),
      atMs,
      untilMs: toRequester ? Math.min(notice.untilMs, forgottenAtMs) : notice.untilMs,
      attempts: 0,
      nextAtMs: atMs,
      problem: null,
    };
  };

  const keep = async (letter: Letter): Promise<void> => {
    if (waiting.size >= limits.noticesKeptMax) {
      metrics.notice(letter.route, 'dropped');
      if (!isFailing) log.error('a notice was dropped: too many wait', { approval: letter.told.fields.approval });
      isFailing = true;
      return;
    }
    try {
      await within(limits.noticeKeepMs, spool.put('queue', letter));
      // A look may have found it by now, and tried it: then it waits for its next attempt.
      if (!waiting.has(letter.key)) waiting.set(letter.key, { nextAtMs: letter.nextAtMs, route: letter.route });
    } catch (thrown) {
      metrics.notice(letter.route, 'dropped');
      complain(thrown);
    }
  };

  const looking = setInterval(() => void look(), lookMs);
  looking.unref();
  void look();
  return {
    tell: async (approval, before) => {
      const notice = noticeOf(approval, before, clock.nowMs());
      if (notice === null) return;
      const letters = routes
        .filter((route) => wants(route, notice))
        .flatMap((route) => letterOf(route, notice, before) ?? []);
      if (letters.length === 0) return;
      await Promise.all(letters.map(keep));
      pump();
    },
    close: async () => {
      closing.abort();
      clearInterval(looking);
      clearTimeout(alarm);
      await Promise.all(underWay.values());
    },
  };
}

async function within(ms: number, what: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`nothing was written within ${ms} ms`)), ms);
  });
  // What comes too late may still be written, and is then found at the next look.
  what.catch(() => {});
  try {
    await Promise.race([what, late]);
  } finally {
    clearTimeout(timer);
  }
}
