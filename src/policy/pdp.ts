import { anonymous } from '../identity/subject.ts';
import { Fault } from '../lib/fault.ts';
import { emptyConversation } from '../llm/conversation.ts';
import type { Bundle } from './bundle.ts';
import type { Pdp, Phase, PinnedPolicy } from './decision.ts';
import { buildPolicyInput } from './input.ts';

/** Where bundles come from. */
export interface BundleSource {
  /** Changes when the bundle may have changed; equal means equal. Rejects when there is nothing to read. */
  signature(): Promise<string>;
  /** Reads the bundle that is there now. Rejects with an Error that says what is wrong with it. */
  read(): Promise<Bundle>;
}

export interface PdpDeps {
  readonly source: BundleSource;
  /** Makes a bundle ready to be asked; see opa-wasm.ts. */
  readonly load: (bundle: Bundle) => Promise<PinnedPolicy>;
  /** A revision went into service; `previous` is null for the first. */
  readonly onLoaded: (revision: string, previous: string | null) => void;
  /** What the source holds is not fit for service; the revision before it (if any) keeps serving. Told once per change. */
  readonly onRefused: (fault: Fault) => void;
}

/** A Pdp whose revision follows its source. */
export interface ReloadingPdp extends Pdp {
  /** Revision in service, or null. */
  revision(): string | null;
  /** Looks at the source and takes what is new into service. Never rejects. A call during another waits for that one. */
  refresh(): Promise<void>;
  /** Refreshes every `intervalMs` until the signal aborts; the timer does not keep the process alive. */
  follow(intervalMs: number, signal: AbortSignal): void;
}

/**
 * Serves one immutable revision at a time. A reload swaps one reference, so exchanges under way keep the revision that they
 * pinned. A bundle goes into service only when it loads and answers a trial question in both phases with a valid decision.
 */
export function createPdp(deps: PdpDeps): ReloadingPdp {
  let current: PinnedPolicy | null = null;
  let seen: string | null = null;
  let refreshing: Promise<void> | null = null;

  async function refresh(): Promise<void> {
    let signature: string | null = null;
    try {
      signature = await deps.source.signature();
      if (signature === seen) return;
      const bundle = await deps.source.read();
      if (bundle.revision !== current?.revision) {
        const next = await deps.load(bundle);
        for (const phase of ['request', 'response'] as const) next.evaluate(trialInput(phase));
        const previous = current?.revision ?? null;
        current = next;
        deps.onLoaded(next.revision, previous);
      }
    } catch (thrown) {
      const wasTold = signature === null && seen === missing;
      if (!wasTold) deps.onRefused(Fault.from(thrown, 'policy_unavailable'));
    }
    seen = signature ?? missing;
  }

  const pdp: ReloadingPdp = {
    current: () => {
      if (current === null) throw new Fault('policy_unavailable', 'no policy bundle has been loaded');
      return current;
    },
    revision: () => current?.revision ?? null,
    refresh: () => {
      refreshing ??= refresh().finally(() => {
        refreshing = null;
      });
      return refreshing;
    },
    follow: (intervalMs, signal) => {
      const timer = setInterval(() => void pdp.refresh(), intervalMs);
      timer.unref();
      signal.addEventListener('abort', () => clearInterval(timer), { once: true });
      if (signal.aborted) clearInterval(timer);
    },
  };
  return pdp;
}

/** Stands for "nothing to read" where a signature would stand. */
const missing = '';

/** A caller of whom nothing is known asks for nothing: every policy has an answer to that. */
function trialInput(phase: Phase): Parameters<PinnedPolicy['evaluate']>[0] {
  return buildPolicyInput({
    phase,
    exchange: { id: 'trial', session: 'trial', receivedNs: 0n },
    subject: anonymous,
    head: {
      method: 'POST',
      path: '/',
      host: '',
      headers: new Map(),
      source: { address: '', principal: null },
      destination: '',
      contextExtensions: {},
      metadata: {},
    },
    policyHeaders: [],
    conversation: emptyConversation,
    scans: [],
    status: phase === 'response' ? 200 : null,
  });
}
