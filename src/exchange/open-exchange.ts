import { Fault } from '../lib/fault.ts';
import type { JudgedExchange } from './context.ts';
import type { ExchangeDeps } from './deps.ts';
import type { AbortCause, OpenExchange } from './exchange.ts';
import { outcomeEntry } from './records.ts';
import { createResponsePhase, type RecordedResponse } from './response-phase.ts';

/**
 * A forwarded exchange: it ends exactly once, with the outcome of its answer or with the reason why there was none. `isFollowed`: this
 * filter will see how it ends (ext_authz will not).
 */
export function openExchange(deps: ExchangeDeps, judged: JudgedExchange, isFollowed: boolean): OpenExchange {
  let response: RecordedResponse | null = null;
  let aborted = false;
  if (isFollowed) deps.metrics.exchangesOpen(1);
  let isOpen = true;
  const close = (): void => {
    if (isOpen && isFollowed) deps.metrics.exchangesOpen(-1);
    isOpen = false;
  };
  return {
    id: judged.id,
    openResponse: (head) => {
      response = createResponsePhase(deps, judged, head, close);
      return response;
    },
    abort: async (why) => {
      if (aborted || !isOpen) return;
      aborted = true;
      close();
      try {
        if (response) await response.recordCut(why);
        else await deps.audit.append(noAnswer(deps, judged, why));
      } catch (thrown) {
        const fault = Fault.from(thrown);
        deps.metrics.failure(fault.code);
        deps.log.error('an aborted exchange could not be recorded', {
          exchange: judged.id,
          code: fault.code,
          reason: fault.message,
        });
      }
    },
  };
}

function noAnswer(deps: ExchangeDeps, judged: JudgedExchange, why: AbortCause): ReturnType<typeof outcomeEntry> {
  return outcomeEntry(deps, {
    context: judged,
    session: judged.session,
    ended: why,
    code: null,
    status: null,
    contentType: '',
    contentEncoding: null,
    decision: null,
    policyRevision: judged.policy.revision,
    found: [],
    restored: [],
    uninspected: [],
    omitted: [],
    answer: null,
    firstByteNs: null,
    forwardedNs: judged.forwardedNs,
    bytesReceived: 0,
    bytesReleased: 0,
    output: null,
    released: null,
    outputTruncated: false,
  });
}
