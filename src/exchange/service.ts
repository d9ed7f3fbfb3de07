import { Fault } from '../lib/fault.ts';
import { openContext } from './context.ts';
import { depsOfNow, type ServiceDeps } from './deps.ts';
import type { ExchangeService, RequestHead } from './exchange.ts';
import { nothingKnown, refusalEntry } from './records.ts';
import { faultRefusal, type Refusal, replyOf } from './replies.ts';
import { requestPhase } from './request-phase.ts';

/** The request phase (and behind it the response phase), and the words for faults around them. Holds no state of any exchange. */
export function createExchangeService(deps: ServiceDeps): ExchangeService {
  return {
    request: (head, body, options, signal) => requestPhase(deps, head, body, options, signal),
    faultReply: (head, thrown) => {
      const fault = Fault.from(thrown);
      const refusal = faultRefusal(fault);
      deps.metrics.failure(fault.code);
      deps.log.error('answered with a fault', { code: fault.code, reason: fault.message });
      if (head === null) return replyOf(refusal, deps.selectDialect(noRoute, null), '');
      const context = openContext(depsOfNow(deps), head, deps.newId());
      recordLate(deps, head, context, refusal);
      return replyOf(refusal, context.dialect, context.id);
    },
  };
}

const noRoute = { method: '', path: '', header: () => null };

/** Nothing was forwarded, so the answer need not wait for its record; when that cannot be written, the log says so. */
function recordLate(
  deps: ServiceDeps,
  head: RequestHead,
  context: ReturnType<typeof openContext>,
  refusal: Refusal,
): void {
  deps.audit.append(refusalEntry(depsOfNow(deps), nothingKnown(context, null), refusal)).catch((thrown: unknown) => {
    deps.log.error('the failure could not be recorded', {
      exchange: context.id,
      reason: Fault.from(thrown).message,
      path: head.path.split('?')[0] ?? '',
    });
  });
}
