import { Fault } from '../lib/fault.ts';
import type { ExchangeDeps } from './deps.ts';
import type { ExchangeService } from './exchange.ts';
import { faultRefusal, replyOf } from './replies.ts';
import { requestPhase } from './request-phase.ts';

/** The product as the PEP sees it. */
export function createExchangeService(deps: ExchangeDeps): ExchangeService {
  return {
    request: (head, body, options, signal) => requestPhase(deps, head, body, options, signal),
    faultReply: (head, thrown) => {
      const header = (name: string): string | null => head?.headers.get(name) ?? null;
      const route = {
        method: head?.method ?? '',
        path: head?.path ?? '',
        header,
      };
      const fault = Fault.from(thrown);
      deps.metrics.failure(fault.code);
      deps.log.error('answered with a fault', {
        code: fault.code,
        reason: fault.message,
      });
      return replyOf(faultRefusal(fault), deps.selectDialect(route, header('content-type')), '');
    },
  };
}
