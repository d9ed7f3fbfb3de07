import { Fault } from '../../lib/fault.ts';
import type { AuditEntry, AuditLog, Receipt } from '../entry.ts';

/**
 * A log that takes no intent while `missing` says why not, so that nothing new is forwarded: the exchange is recorded as refused instead,
 * and the append rejects with Fault `audit_unavailable`. Everything else is taken, such as how exchanges under way end.
 */
export function demandWitnesses(log: AuditLog, missing: () => string | null): AuditLog {
  async function append(entry: AuditEntry): Promise<Receipt> {
    const reason = entry.kind === 'intent' ? missing() : null;
    if (reason === null) return log.append(entry);
    const { code, status } = refusal;
    await log.append({
      ...entry,
      kind: 'outcome',
      facts: { ...entry.facts, final: true, ended: 'refused', code, status },
    });
    throw new Fault(code, reason);
  }
  return log.partial === undefined ? { append } : { append, partial: log.partial };
}

const refusal = { code: 'audit_unavailable', status: 503 } as const;
