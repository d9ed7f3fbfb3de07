import type { AuditLog } from '../audit/entry.ts';
import { nodeFs } from '../audit/fs-port.ts';
import { demandWitnesses } from '../audit/witness/demand-witnesses.ts';
import { findAhead, startWitnessing, type Witnessing } from '../audit/witness/witnessing.ts';
import type { AuditConfig } from '../config/config.ts';
import type { Clock } from '../lib/clock.ts';
import { Fault } from '../lib/fault.ts';
import type { Log, Metrics } from '../telemetry/telemetry.ts';

/** A checkpoint is published each second at most; a witness's answer is awaited no longer than this. */
const intervalMs = 1_000;
const deadlineMs = 10_000;

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

export interface Witnesses {
  /** The log, which takes no intent while witnesses that are required are behind. */
  readonly demanded: AuditLog;
  /** Says why exchanges are refused, or null while they are not; null itself: no witness is required. */
  readonly missing: (() => string | null) | null;
  /** Their latest word, for a beacon; null: there is none. */
  latest(): ReturnType<Witnessing['latest']>;
  close(): Promise<void>;
}

/** Has each checkpoint cosigned. Where so many of them are required, what they have not cosigned in time closes the way. */
export function openWitnesses(
  config: AuditConfig,
  audit: AuditLog,
  clock: Clock,
  observe: { readonly log: Log; readonly metrics: Metrics },
): Witnesses {
  if (config.witnesses.length === 0)
    return { demanded: audit, missing: null, latest: () => null, close: async () => {} };
  const { required, maxLagMs } = config.witness;
  const witnessing = startWitnessing({
    directory: config.directory,
    witnesses: config.witnesses,
    fs: nodeFs,
    intervalMs,
    // One that never answers must not make the others late.
    deadlineMs: Math.min(deadlineMs, maxLagMs / 2),
    quorum: required,
    nowMs: () => Number(clock.monoNs() / 1_000_000n),
    onAhead: (witness, size) => observe.log.error('audit log behind its witness', { sink: witness, count: size }),
  });
  const missing = (): string | null => {
    const lagMs = witnessing.quorumLagSeconds() * 1000;
    if (lagMs <= maxLagMs) return null;
    return `fewer than ${required} witnesses have cosigned the record of the last ${Math.floor(lagMs / 1000)} s`;
  };
  const failing = new Map<string, string>();
  let wasMissing = false;
  const tellQuorum = (): void => {
    observe.metrics.auditWitnessQuorum(witnessing.quorumLagSeconds());
    const reason = missing();
    if (reason !== null && !wasMissing) observe.log.error('audit witnesses missing: exchanges are refused', { reason });
    if (reason === null && wasMissing) observe.log.info('audit witnesses are back');
    wasMissing = reason !== null;
  };
  const telling = setInterval(() => {
    if (required > 0) tellQuorum();
    for (const { witness, lagSeconds, failing: reason } of witnessing.status()) {
      if (lagSeconds !== null) observe.metrics.auditWitness(witness, lagSeconds);
      if (reason !== null && failing.get(witness) !== reason)
        observe.log.warn('audit witness fails', { sink: witness, reason });
      if (reason === null) failing.delete(witness);
      else failing.set(witness, reason);
    }
  }, intervalMs);
  telling.unref();
  return {
    demanded: required > 0 ? demandWitnesses(audit, missing) : audit,
    missing: required > 0 ? missing : null,
    latest: witnessing.latest,
    close: async () => {
      clearInterval(telling);
      await witnessing.stop();
    },
  };
}
