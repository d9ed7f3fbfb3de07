import { setTimeout as pause } from 'node:timers/promises';
import type { Clock } from '../lib/clock.ts';
import { Fault } from '../lib/fault.ts';
import { limits } from '../lib/limits.ts';
import { err, ok } from '../lib/result.ts';
import { type Log, silentLog } from '../telemetry/telemetry.ts';
import type { Approval } from './approval.ts';
import {
  approve,
  breakGlass,
  cancel,
  consume,
  create,
  deadlineMs,
  expire,
  governs,
  isDue,
  reject,
  revoke,
  type Step,
} from './state-machine.ts';
import type { ApprovalStore, Intent, ListQuery, OnTransition, Opened, Opening, Outcome, Page, Swept } from './store.ts';
import type { ApprovalTable, Keeping, Unsettled } from './table.ts';

export interface RecordedStoreDeps {
  readonly clock: Clock;
  readonly onTransition: OnTransition;
  /** Told what the store does by itself and could not do. Default: nobody. */
  readonly log?: Pick<Log, 'warn'>;
}

export interface RecordedStoreOptions {
  /** How long an approval is kept after its last possible deadline. Default: 7 days. */
  readonly retentionMs?: number;
  /** How old an unsettled transition must be before another than its author finishes it. Default: 10 s. */
  readonly orphanAfterMs?: number;
  /** How long a transition waits for another one of the same approval. Default: 2 s. */
  readonly contentionMs?: number;
}

/**
 * Approvals over a table, every transition of them on record.
 *
 * Order of a decision, a withdrawal, an expiry: *stage* (durable in the table, no effect), *record* (durable in the audit
 * log), *settle* (takes effect, waiters are told). So nobody acts on a decision that is not on record, and the record
 * never tells of a decision that lost its race. A crash before the record, or a record that cannot be written, leaves the
 * transition staged; one after it leaves it recorded and staged: in both cases the next sweep of any replica records (at
 * least once) and settles. A staged transition is never taken back, because a failed append may have been written.
 *
 * A new approval and a consumption have effect in the table at once and are recorded before the call returns: the new
 * approval permits nothing, and the consumption only takes away. A crash in between costs one use and is recorded later.
 * Nobody waits for a consumption to be settled: that follows by itself, and where it does not, the next sweep does it.
 */
export function createRecordedStore(
  table: ApprovalTable,
  deps: RecordedStoreDeps,
  options: RecordedStoreOptions = {},
): ApprovalStore {
  const { clock, onTransition, log = silentLog } = deps;
  const { retentionMs = 7 * 24 * 3_600_000, orphanAfterMs = 10_000, contentionMs = 2_000 } = options;

  // Later than any use can be and still be unsettled: a sweep settles before it forgets.
  const keptMs = retentionMs + orphanAfterMs;

  const settle = (approval: Approval): Promise<void> =>
    table.settle(approval, keepingOf(approval, keptMs), clock.nowMs());

  const record = async (approval: Approval, before: Approval | null): Promise<void> => {
    await onTransition(approval, before);
    await settle(approval);
  };

  const used: Approval[] = [];
  const settling = new Set<Promise<void>>();
  let isSettling = true;
  /** As many as the table lets be under way: what it refuses is left to a sweep, like what fails. */
  const settleUsed = (): void => {
    for (const approval of used.splice(0)) {
      const done = settle(approval)
        .then(() => {
          isSettling = true;
        }, leftToSweep(approval.id))
        .finally(() => settling.delete(done));
      settling.add(done);
    }
  };
  /** Once an outage: what comes after the first is the same story, as many times as there are uses. */
  const leftToSweep =
    (approval: string) =>
    (thrown: unknown): void => {
      const { code, message } = Fault.from(thrown);
      if (isSettling)
        log.warn('uses of grants are not settled: a sweep will do it', { approval, code, reason: message });
      isSettling = false;
    };
  const settleLater = (approval: Approval): void => {
    // Behind whatever goes on with the use that was taken.
    if (used.push(approval) === 1) setImmediate(settleUsed);
  };

  /** Reads, asks the state machine, stages, records, settles; again when another was quicker. */
  const transition = async (
    id: string,
    step: (approval: Approval, nowMs: number) => Step,
    requestKey?: string,
  ): Promise<Outcome> => {
    const contention = contentionOf(contentionMs);
    while (await contention.mayTry()) {
      const row = await table.read(id);
      if (row === null) return err({ kind: 'not_found' });
      if (row.staged !== null) continue;
      if (requestKey !== undefined && wasAsked(row.approval, requestKey)) return ok(row.approval);
      const stepped = step(row.approval, clock.nowMs());
      if (!stepped.ok) {
        if (stepped.error.kind !== 'due') return stepped;
        // It has waited as long as this call may.
        if (isLost(await expireNow(id))) break;
        contention.progressed();
        continue;
      }
      if (!(await table.stage(stepped.value, clock.nowMs()))) continue;
      await record(stepped.value, row.approval);
      return ok(stepped.value);
    }
    return err({ kind: 'lost_race' });
  };

  const expireNow = (id: string): Promise<Outcome> => transition(id, expire);

  const decide = (step: typeof approve) => (id: string, intent: Intent) =>
    transition(id, (approval, nowMs) => step(approval, { ...intent, atMs: nowMs }), intent.requestKey);

  const open = async (opening: Opening): Promise<Opened> => {
    const contention = contentionOf(contentionMs);
    while (await contention.mayTry()) {
      const nowMs = clock.nowMs();
      const latest = await table.latest(opening.digest);
      if (latest !== null && isDue(latest.approval, nowMs)) {
        if (isLost(await expireNow(latest.approval.id))) break;
        contention.progressed();
        continue;
      }
      if (latest !== null && governs(latest.approval, nowMs)) return { kind: 'attached', approval: latest.approval };
      const approval = create(opening.id, opening.digest, opening.held, opening.terms, nowMs);
      const keeping = keepingOf(approval, keptMs);
      if (!(await table.insert(approval, latest?.approval.id ?? null, keeping, nowMs))) continue;
      await record(approval, null);
      return { kind: 'created', approval };
    }
    throw new Fault('approval_unavailable', 'the approvals of one digest change faster than they can be read');
  };

  const consumeOne = async (id: string, seen?: Approval): Promise<Outcome> => {
    const quick = seen?.id === id && seen.state === 'approved' && !isDue(seen, clock.nowMs()) ? await take(seen) : null;
    if (quick !== null) return ok(quick);
    const contention = contentionOf(contentionMs);
    while (await contention.mayTry()) {
      const row = await table.read(id);
      if (row === null) return err({ kind: 'not_found' });
      if (row.staged !== null) continue;
      const foreseen = consume(row.approval, clock.nowMs());
      if (!foreseen.ok) {
        if (foreseen.error.kind !== 'due') return foreseen;
        if (isLost(await expireNow(id))) break;
        contention.progressed();
        continue;
      }
      const after = await take(row.approval);
      if (after !== null) return ok(after);
    }
    return err({ kind: 'lost_race' });
  };

  /** The table takes whatever use is left, not the one foreseen: many consumers of one grant need no second try. */
  const take = async (approved: Approval): Promise<Approval | null> => {
    const after = await table.consume(approved, keepingOf(approved, keptMs), clock.nowMs());
    if (after === null) return null;
    await onTransition(after, beforeConsumption(after));
    settleLater(after);
    return after;
  };

  const list = async (query: ListQuery): Promise<Page> => {
    const found: Approval[] = [];
    let after = query.after;
    let scanned = 0;
    while (found.length < query.pageSize && scanned < limits.approvalsScannedMax) {
      const wanted = Math.min(query.pageSize, limits.approvalPageMax);
      const piece = await table.scan(query.state, after, wanted);
      scanned += wanted;
      for (const approval of piece.approvals) {
        // What an index by state says may be older than the approval.
        if (query.state !== null && approval.state !== query.state) continue;
        if (!query.accepts(approval)) continue;
        found.push(approval);
        if (found.length === query.pageSize) return { approvals: found, next: approval.id };
      }
      after = piece.last;
      if (after === null) return { approvals: found, next: null };
    }
    return { approvals: found, next: after };
  };

  const sweep = async (): Promise<Swept> => {
    const nowMs = clock.nowMs();
    const orphans: readonly Unsettled[] = await table.unsettled(nowMs - orphanAfterMs, nowMs, limits.approvalsSweptMax);
    for (const orphan of orphans) await record(orphan.approval, orphan.before);
    const isAllSettled = orphans.length < limits.approvalsSweptMax;
    let expired = 0;
    let purged = 0;
    for (const id of await table.due(nowMs, limits.approvalsSweptMax)) {
      const row = await table.read(id);
      if (row === null || row.staged !== null) continue;
      if (isDue(row.approval, nowMs)) {
        if ((await expireNow(id)).ok) expired += 1;
      } else if (
        isAllSettled &&
        deadlineMs(row.approval) === null &&
        nowMs >= keepingOf(row.approval, keptMs).purgeAtMs
      ) {
        await table.remove(row.approval);
        purged += 1;
      }
    }
    await table.forgetClaims(nowMs, limits.approvalsSweptMax);
    return { expired, settled: orphans.length, purged };
  };

  return {
    open,
    list,
    sweep,
    get: async (id) => (await table.read(id))?.approval ?? null,
    approve: decide(approve),
    reject: decide(reject),
    cancel: decide(cancel),
    revoke: decide(revoke),
    breakGlass: decide(breakGlass),
    consume: consumeOne,
    expire: expireNow,
    byDigest: async (digest) => (await table.latest(digest))?.approval ?? null,
    byExchange: async (exchange) => (await table.byExchange(exchange))?.approval ?? null,
    changes: table.changes,
    lastChange: table.lastChange,
    count: (state, fromMs, toMs) => table.count(state, uuidFrom(fromMs), uuidFrom(toMs)),
    claim: (key, content) => {
      const nowMs = clock.nowMs();
      return table.claim(key, content, nowMs + limits.requestKeySecondsMin * 1000, nowMs);
    },
    release: table.release,
    subscribe: (listener) => table.subscribe(listener),
    close: async () => {
      settleUsed();
      await Promise.all(settling);
      await table.close();
    },
  };
}

/** Dates of an approval, from its own clocks. */
function keepingOf(approval: Approval, keptMs: number): Keeping {
  const lastMs = Math.max(approval.pendingUntilMs, approval.grantUntilMs ?? 0);
  const grantMs = approval.state === 'pending' ? Math.round(approval.terms.grant.ttlS * 1000) : 0;
  const purgeAtMs = lastMs + grantMs + keptMs;
  return { nextAtMs: deadlineMs(approval) ?? purgeAtMs, purgeAtMs };
}

/** Another transition is on its way, and its author may be dead: a sweep ends it. */
function isLost(outcome: Outcome): boolean {
  return !outcome.ok && outcome.error.kind === 'lost_race';
}

/** Whether the same call was answered before: then its decision stands on the approval. */
function wasAsked(approval: Approval, requestKey: string): boolean {
  return approval.decisions.some((made) => made.requestKey === requestKey);
}

/** The first UUID of version 7 (RFC 9562 section 5.7) of a millisecond, or what sorts like it. */
function uuidFrom(ms: number): string {
  const hex = Math.max(0, Math.floor(ms)).toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}`;
}

function beforeConsumption(after: Approval): Approval {
  return {
    ...after,
    state: 'approved',
    usesLeft: after.usesLeft + 1,
    version: after.version - 1,
  };
}

interface Contention {
  /** False when another try makes no sense any more. Waits a little from the second try on. */
  mayTry(): Promise<boolean>;
  /** The last try changed something itself: the next needs no wait. */
  progressed(): void;
}

function contentionOf(maxMs: number): Contention {
  let attempts = 0;
  let waitedMs = 0;
  let wait = false;
  return {
    mayTry: async () => {
      attempts += 1;
      if (attempts > limits.approvalAttemptsMax || waitedMs >= maxMs) return false;
      if (wait) {
        const ms = Math.min(2 ** Math.min(attempts, 6), 50);
        waitedMs += ms;
        await pause(ms);
      }
      wait = true;
      return true;
    },
    progressed: () => {
      wait = false;
    },
  };
}
