import type { Approval } from '../../src/approval/approval.ts';
import type { RedisTarget } from '../../src/approval/redis-client.ts';
import { createRedisStore } from '../../src/approval/redis-store.ts';
import type { ApprovalStore } from '../../src/approval/store.ts';
import type { Clock } from '../../src/lib/clock.ts';
import { Fault } from '../../src/lib/fault.ts';
import { silentLog } from '../../src/telemetry/telemetry.ts';
import { actor, held, terms } from './approvals.ts';
import { eventually } from './eventually.ts';

/** Stores of several replicas over one Redis, with the record that they share. */
export interface Replicas {
  readonly stores: readonly ApprovalStore[];
  /** Transitions as recorded, once for each id and version. */
  recorded(): ReadonlyMap<string, Approval>;
  close(): Promise<void>;
}

export async function openReplicas(
  targets: readonly RedisTarget[],
  clocks: readonly Clock[],
  deadlineMs = 500,
): Promise<Replicas> {
  const record = new Map<string, Approval>();
  const onTransition = async (approval: Approval): Promise<void> => {
    record.set(`${approval.id} ${approval.version}`, approval);
  };
  const stores = await Promise.all(
    targets.map((target, index) => {
      const clock = clocks[index % clocks.length];
      if (clock === undefined) throw new Error('a replica has a clock');
      return createRedisStore({ target, deadlineMs, orphanAfterMs: 0 }, { clock, onTransition, log: silentLog });
    }),
  );
  // A cluster's client knows its nodes a moment later.
  for (const store of stores) await eventually('an answer of Redis', () => store.get('none').catch(() => undefined));
  return {
    stores,
    recorded: () => record,
    close: async () => {
      await Promise.all(stores.map((store) => store.close()));
    },
  };
}

export interface Storm {
  /** How often `consume` said yes, for each approval. */
  readonly taken: ReadonlyMap<string, number>;
  /** Calls that failed because Redis was away. */
  readonly faults: number;
}

/**
 * Opens grants of so many uses, has them approved and consumed by all replicas at once while `chaos` goes on, and goes on afterwards
 * until every grant is used up. A fault is tried again, as a client would. Any other failure is thrown.
 */
export async function storm(
  { stores }: Replicas,
  grants: { readonly count: number; readonly uses: number },
  chaos: (progress: () => Promise<void>) => Promise<void>,
): Promise<Storm> {
  const taken = new Map<string, number>();
  let faults = 0;
  let steps = 0;
  const store = (n: number): ApprovalStore => {
    const found = stores[n % stores.length];
    if (found === undefined) throw new Error('there is a store');
    return found;
  };
  const insist = async <T>(what: () => Promise<T>): Promise<T> => {
    let pauseMs = 5;
    for (;;) {
      try {
        const done = await what();
        steps += 1;
        return done;
      } catch (thrown) {
        if (Fault.from(thrown).code !== 'approval_unavailable') throw thrown;
        faults += 1;
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
        pauseMs = Math.min(pauseMs * 2, 100);
      }
    }
  };
  const life = async (n: number): Promise<void> => {
    const id = `storm-${String(n).padStart(4, '0')}`;
    const wanted = terms({ quorum: 2, ttlS: 3_600, grant: { uses: grants.uses, ttlS: 3_600 } });
    const opening = { id, digest: `digest-${id}`, held: held(), terms: wanted };
    await insist(() => store(n).open(opening));
    for (const [index, who] of ['ada', 'ben'].entries()) {
      const intent = { by: actor(who), reason: null };
      const done = await insist(async () => {
        const decided = await store(n + index).approve(id, intent);
        // Staged by a try before, and not settled by its author: the sweep of any replica goes on with it.
        if (!decided.ok && decided.error.kind === 'lost_race') throw new Fault('approval_unavailable', 'lost race');
        return decided;
      });
      if (!done.ok && !['already_decided', 'already_resolved'].includes(done.error.kind))
        throw new Error(done.error.kind);
    }
    const consumer = async (replica: number): Promise<void> => {
      for (;;) {
        const outcome = await insist(() => store(replica).consume(id));
        if (outcome.ok) taken.set(id, (taken.get(id) ?? 0) + 1);
        else if (outcome.error.kind === 'already_resolved') return;
        else await new Promise((resolve) => setTimeout(resolve, 5));
      }
    };
    await Promise.all(stores.map((_store, replica) => consumer(replica)));
  };
  let isOver = false;
  const sweeping = (async () => {
    for (let n = 0; !isOver; n += 1) {
      await insist(() => store(n).sweep());
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  })();
  const progress = async (): Promise<void> => {
    const before = steps;
    await eventually('progress', () => (steps > before + grants.count ? true : undefined), 60_000);
  };
  const lives = Promise.all(Array.from({ length: grants.count }, (_, n) => life(n)));
  await Promise.all([chaos(progress), lives]);
  isOver = true;
  await sweeping;
  return { taken, faults };
}

/** What must hold whatever happened: no grant was used more often than decided, and each use that was taken is on record. */
export function brokenPromises(replicas: Replicas, { taken }: Storm, uses: number): readonly string[] {
  const broken: string[] = [];
  const histories = grouped(replicas.recorded().values());
  for (const [id, count] of taken) if (count > uses) broken.push(`${id} was used ${count} times of ${uses}`);
  for (const [id, history] of histories) {
    const inOrder = [...history].sort((a, b) => a.version - b.version);
    inOrder.forEach(({ version }, index) => {
      if (version !== index + 1) broken.push(`${id} has no record of version ${index + 1}`);
    });
    const consumptions = inOrder.filter(
      ({ state, usesLeft }) => state === 'consumed' || (state === 'approved' && usesLeft < uses),
    );
    if (consumptions.length !== uses) broken.push(`${id} has ${consumptions.length} uses on record, of ${uses}`);
    if (inOrder.at(-1)?.state !== 'consumed') broken.push(`${id} ended ${inOrder.at(-1)?.state}`);
  }
  return broken;
}

function grouped(approvals: Iterable<Approval>): ReadonlyMap<string, readonly Approval[]> {
  const found = new Map<string, Approval[]>();
  for (const approval of approvals) {
    const history = found.get(approval.id) ?? [];
    history.push(approval);
    found.set(approval.id, history);
  }
  return found;
}
