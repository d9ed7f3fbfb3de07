import type { Subject } from '../identity/subject.ts';
import type { Conversation } from '../llm/conversation.ts';
import type { Dialect, RouteFacts } from '../llm/dialect.ts';
import type { Restorables } from '../mask/restorables.ts';
import type { Decision, PinnedPolicy } from '../policy/decision.ts';
import { parseTraceparent, type TraceContext } from '../telemetry/trace-context.ts';
import type { ExchangeDeps } from './deps.ts';
import type { RequestHead } from './exchange.ts';

/** What is known of an exchange from its first message on. */
export interface ExchangeContext {
  readonly id: string;
  readonly head: RequestHead;
  readonly route: RouteFacts;
  readonly dialect: Dialect;
  readonly trace: TraceContext | null;
  readonly receivedNs: bigint;
}

/** What an exchange is once it was forwarded: the response phase stands on it. */
export interface JudgedExchange extends ExchangeContext {
  readonly subject: Subject;
  readonly session: string;
  readonly conversation: Conversation;
  /** The revision that the exchange started with, for both phases, whatever is loaded meanwhile. */
  readonly policy: PinnedPolicy;
  readonly decision: Pick<Decision, 'capture'>;
  /** Values of the request that its answer may get back; null: none may. */
  readonly restorables: Restorables | null;
  readonly forwardedNs: bigint;
}

/** Of a request that has just come: its dialect is chosen here, once (`createDialects`), and its time of arrival is now. */
export function openContext(deps: ExchangeDeps, head: RequestHead, id: string): ExchangeContext {
  const route: RouteFacts = {
    method: head.method,
    path: head.path,
    header: (name) => head.headers.get(name) ?? null,
  };
  return {
    id,
    head,
    route,
    dialect: deps.selectDialect(route, route.header('content-type')),
    trace: parseTraceparent(head.headers.get('traceparent')),
    receivedNs: deps.clock.nowNs(),
  };
}
