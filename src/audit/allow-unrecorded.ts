import { Fault } from '../lib/fault.ts';
import { limits } from '../lib/limits.ts';
import type { Log } from '../telemetry/telemetry.ts';
import type { AuditEntry, AuditLog, Receipt } from './entry.ts';

/**
 * A log that lets exchanges pass when it cannot record them (`audit.on_failure: allow`). What it has let pass is told, counted, and itself
 * put on record as soon as the log takes entries again: how many entries are missing, and from when until when. Only entries of exchanges
 * pass; whatever else has to be on record first still is, or does not happen. An exchange whose intent is missing has no outcome on record
 * either. While `limits.auditUnrecordedMax` such exchanges are under way, more are refused. An intent that may stay the only record
 * (`final`: ext_authz, guardrails) says nothing of when its exchange ends: the latest as many are remembered, and none is refused for them.
 */
export function allowUnrecorded(log: AuditLog, observe: Log, nowMs: () => number): AuditLog {
  /** Exchanges under way whose intent is not on record. */
  const exchanges = new Set<string>();
  /** Those of which nothing else may ever come, oldest first. */
  const unfollowed = new Set<string>();
  let gap: { entries: number; readonly fromMs: number; untilMs: number } | null = null;

  async function append(entry: AuditEntry): Promise<Receipt> {
    if (entry.kind !== 'intent' && isUnrecorded(entry.exchange)) return missed();
    try {
      const receipt = await log.append(entry);
      if (gap !== null) tellGap();
      return receipt;
    } catch (thrown) {
      const isOfExchange = entry.kind === 'intent' || entry.kind === 'outcome';
      if (!isOfExchange || Fault.from(thrown).code !== 'audit_unavailable') throw thrown;
      if (entry.kind === 'intent' && !remember(entry)) throw thrown;
      return missed();
    }
  }

  function isUnrecorded(exchange: string): boolean {
    return exchanges.delete(exchange) || unfollowed.delete(exchange);
  }

  /** False when there are too many. */
  function remember({ exchange, facts }: AuditEntry): boolean {
    if (facts['final'] === true) {
      unfollowed.add(exchange);
      const [oldest] = unfollowed;
      if (unfollowed.size > limits.auditUnrecordedMax && oldest !== undefined) unfollowed.delete(oldest);
      return true;
    }
    if (exchanges.size >= limits.auditUnrecordedMax) return false;
    exchanges.add(exchange);
    return true;
  }

  function missed(): Receipt {
    if (gap === null) observe.error('exchanges pass without a record', { reason: 'audit.on_failure is allow' });
    gap ??= { entries: 0, fromMs: nowMs(), untilMs: nowMs() };
    gap.entries += 1;
    gap.untilMs = nowMs();
    return { id: '', sequence: 0n };
  }

  /** Puts on record what is missing; what is missed meanwhile is of the next gap. */
  function tellGap(): void {
    const told = gap;
    if (told === null) return;
    gap = null;
    const facts = {
      event: 'unrecorded',
      entries: String(told.entries),
      from: new Date(told.fromMs).toISOString(),
      until: new Date(told.untilMs).toISOString(),
    };
    log.append({ kind: 'config', exchange: '', session: '', facts, bodies: {} }).then(
      () => observe.info('what passed without a record is counted on record', { count: told.entries }),
      () => {
        const later = gap;
        gap = later === null ? told : { ...told, entries: told.entries + later.entries, untilMs: later.untilMs };
      },
    );
  }

  return log.partial === undefined ? { append } : { append, partial: log.partial };
}

/** That exchanges may pass unrecorded is itself on record, at each start. */
export const allowUnrecordedEntry: AuditEntry = {
  kind: 'config',
  exchange: '',
  session: '',
  facts: { event: 'allow_unrecorded' },
  bodies: {},
};
