import { Fault } from '../lib/fault.ts';
import type { ExchangeDeps } from './deps.ts';
import type { RequestVerdict } from './exchange.ts';
import { type RequestFacts, refusalEntry } from './records.ts';
import { faultRefusal, type Refusal, replyOf } from './replies.ts';

/** A verdict that nothing goes on. */
export type Refused = Extract<RequestVerdict, { readonly kind: 'reply' }>;

/** Answers in the model's place, once that is on record. */
export async function refuse(deps: ExchangeDeps, facts: RequestFacts, refusal: Refusal): Promise<Refused> {
  await deps.audit.append(refusalEntry(deps, facts, refusal));
  count(deps, facts, facts.decision?.action === 'hold' ? 'hold' : 'deny');
  deps.log.info('request refused', {
    exchange: facts.context.id,
    code: refusal.code,
    status: refusal.status,
    dialect: facts.context.dialect.id,
    ...(facts.context.trace ? { traceId: facts.context.trace.traceId } : {}),
  });
  return {
    kind: 'reply',
    reply: replyOf(refusal, facts.context.dialect, facts.context.id),
  };
}

/** Whatever broke: nothing is forwarded, the caller hears it in its dialect, the record (if it can be written) says what it was. */
export async function failClosed(deps: ExchangeDeps, facts: RequestFacts, thrown: unknown): Promise<Refused> {
  const fault = Fault.from(thrown);
  const refusal = faultRefusal(fault);
  deps.metrics.failure(fault.code);
  deps.metrics.decision('request', 'fault');
  deps.log.error('request failed closed', {
    exchange: facts.context.id,
    code: fault.code,
    reason: fault.message,
  });
  if (fault.code !== 'audit_unavailable') {
    try {
      await deps.audit.append(refusalEntry(deps, facts, refusal));
    } catch (second) {
      deps.log.error('the failure could not be recorded', {
        exchange: facts.context.id,
        reason: Fault.from(second).message,
      });
    }
  }
  return {
    kind: 'reply',
    reply: replyOf(refusal, facts.context.dialect, facts.context.id),
  };
}

/** Counts a decision and what it masked. */
export function count(deps: ExchangeDeps, facts: RequestFacts, action: 'allow' | 'hold' | 'deny'): void {
  deps.metrics.decision('request', action);
  for (const { entity, method, count } of facts.masked) {
    deps.metrics.findings('request', entity, count);
    if (method !== null) deps.metrics.masked('request', method, count);
  }
}
