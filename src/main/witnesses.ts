import type { AuditLog } from '../audit/entry.ts';
import { nodeFs } from '../audit/fs-port.ts';
import { findAhead, startWitnessing } from '../audit/witness/witnessing.ts';
import type { AuditConfig } from '../config/config.ts';
import { Fault } from '../lib/fault.ts';
import type { Log, Metrics } from '../telemetry/telemetry.ts';

/** A checkpoint is published each second at most; a witness's answer is awaited no longer than this. */
const intervalMs = 1_000;
const deadlineMs = 10_000;
/** How often a witness's word is put on record. */
const beaconMs = 60_000;

/**
 * Before the log is opened: throws Fault `audit_unavailable` when a witness has cosigned more of it than lies here, because
 * then it was put back from a copy, or another process writes under its name. A witness that is away holds up nothing.
 */
export async function refuseRollback(config: AuditConfig): Promise<void> {
  const ahead = await findAhead(config.directory, config.witnesses, deadlineMs);
  if (ahead === null) return;
  throw new Fault(
    'audit_unavailable',
    `the witness ${ahead.witness} has cosigned ${ahead.size} records of ${config.origin}, which is more than there are in ${config.directory}: the log was put back from a copy`,
  );
}

/**
 * Has each checkpoint cosigned, and once a minute puts the witnesses' latest word on record as a `beacon`: what is under a
 * cosigned checkpoint existed before the witness's time, what follows a beacon was written after it. So each record lies
 * between two times of somebody else's clock.
 */
export function openWitnesses(
  config: AuditConfig,
  audit: AuditLog,
  observe: { readonly log: Log; readonly metrics: Metrics },
): { close(): Promise<void> } {
  if (config.witnesses.length === 0) return { close: async () => {} };
  const witnessing = startWitnessing({
    directory: config.directory,
    witnesses: config.witnesses,
    fs: nodeFs,
    intervalMs,
    deadlineMs,
    nowMs: Date.now,
    onAhead: (witness, size) => observe.log.error('audit log behind its witness', { sink: witness, count: size }),
  });
  const failing = new Map<string, string>();
  const telling = setInterval(() => {
    for (const { witness, lagSeconds, failing: reason } of witnessing.status()) {
      if (lagSeconds !== null) observe.metrics.auditWitness(witness, lagSeconds);
      if (reason !== null && failing.get(witness) !== reason)
        observe.log.warn('audit witness fails', { sink: witness, reason });
      if (reason === null) failing.delete(witness);
      else failing.set(witness, reason);
    }
  }, intervalMs);
  telling.unref();
  let last = 0;
  const beacons = setInterval(() => {
    const latest = witnessing.latest();
    if (latest === null || latest.timeS <= last) return;
    last = latest.timeS;
    const facts = {
      checkpoint: latest.note,
      size: String(latest.size),
      time: new Date(latest.timeS * 1000).toISOString(),
    };
    audit.append({ kind: 'beacon', exchange: '', session: '', facts, bodies: {} }).catch((thrown: unknown) => {
      observe.log.warn('a beacon could not be recorded', { reason: Fault.from(thrown).message });
    });
  }, beaconMs);
  beacons.unref();
  return {
    close: async () => {
      clearInterval(telling);
      clearInterval(beacons);
      await witnessing.stop();
    },
  };
}
