import { join } from 'node:path';
import type { FileLog } from '../audit/file-log.ts';
import type { Config } from '../config/config.ts';
import { Fault } from '../lib/fault.ts';
import { keepBundle } from '../policy/bundle-store.ts';
import { createFileSource } from '../policy/file-source.ts';
import { loadPolicy } from '../policy/opa-wasm.ts';
import { createPdp, type ReloadingPdp } from '../policy/pdp.ts';
import type { PinoLog } from '../telemetry/pino-log.ts';
import type { FollowingDetection } from './policy-detection.ts';

/**
 * The decision point on the configured bundle, which it follows until the signal. Each bundle is kept beside the log and its detection is
 * made ready before it decides; each change goes on record. Throws what keeps the first one from being loaded.
 */
export async function startPdp(
  config: Config,
  audit: FileLog,
  log: PinoLog,
  detection: FollowingDetection,
  signal: AbortSignal,
): Promise<ReloadingPdp> {
  const pdp = createPdp({
    source: createFileSource(config.policy.bundle),
    load: async (bundle) => {
      detection.prepare(bundle.revision, bundle.data);
      await keepBundle(join(config.audit.directory, 'policies'), bundle);
      return loadPolicy(bundle);
    },
    onLoaded: (revision, previous) => {
      detection.activate(revision);
      log.info('policy loaded', { revision });
      const facts = { revision, previous, event: 'loaded' };
      recordPolicy(audit, log, facts);
    },
    onRefused: (fault) => {
      log.error('policy refused, the one before keeps serving', { code: fault.code, reason: fault.message });
      recordPolicy(audit, log, { event: 'refused', code: fault.code });
    },
  });
  await pdp.refresh();
  if (config.policy.reloadMs > 0) pdp.follow(config.policy.reloadMs, signal);
  return pdp;
}

function recordPolicy(audit: FileLog, log: PinoLog, facts: Record<string, string | null>): void {
  audit.append({ kind: 'policy', exchange: '', session: '', facts, bodies: {} }).catch((thrown: unknown) => {
    log.error('a policy change could not be recorded', { reason: Fault.from(thrown).message });
  });
}
