import type { StoredRecord } from '../audit/read.ts';
import type { Detector } from '../detect/finding.ts';
import { Fault } from '../lib/fault.ts';
import { isJsonObject } from '../lib/json.ts';
import type { Bundle } from '../policy/bundle.ts';
import { readKeptBundle } from '../policy/bundle-store.ts';
import type { PinnedPolicy } from '../policy/decision.ts';
import type { FollowingDetection } from './policy-detection.ts';
import type { ReplayPolicy } from './replay.ts';

/** A policy with the detector that it has in service: its data may add to what the configuration finds. */
export interface LoadedPolicy extends ReplayPolicy {
  readonly detector: Detector;
}

export interface ReplayPolicies {
  /** The policy that decided a record, from the folder where its log keeps them. Throws Fault `policy_unavailable` when it was not kept. */
  of(record: StoredRecord, folder: string): Promise<LoadedPolicy>;
  load(bundle: Bundle): Promise<LoadedPolicy>;
}

/** Policies in memory at once. */
const policiesMax = 8;

export function createReplayPolicies(
  detection: FollowingDetection,
  pin: (bundle: Bundle) => Promise<PinnedPolicy>,
): ReplayPolicies {
  const known = new Map<string, LoadedPolicy>();

  async function load(bundle: Bundle): Promise<LoadedPolicy> {
    const pinned = await pin(bundle);
    detection.prepare(bundle.revision, bundle.data);
    detection.activate(bundle.revision);
    return { pinned, reads: bundle.reads, detector: detection.current() };
  }

  return {
    load,
    of: async ({ facts: { policy } }, folder) => {
      const revision = isJsonObject(policy) ? policy['revision'] : undefined;
      if (typeof revision !== 'string') throw new Fault('policy_unavailable', 'the record names no policy');
      const before = known.get(revision);
      if (before !== undefined) return before;
      const fresh = await load(await readKeptBundle(folder, revision));
      const [oldest] = known.keys();
      if (known.size >= policiesMax && oldest !== undefined) known.delete(oldest);
      known.set(revision, fresh);
      return fresh;
    },
  };
}
