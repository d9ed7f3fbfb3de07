import type { HeaderChanges, Reply } from '../../src/exchange/exchange.ts';
import type { Answer, BodyMode, Direction, Effect, EnvoyMessage, ExtProcEvent } from '../../src/pep/ext-proc-event.ts';
import { type ExtProcState, initialState, reduce } from '../../src/pep/ext-proc-state.ts';
import { noChanges } from './fake-exchange.ts';

/** Shorthand for events, so that a table of streams can be read. */
export function head(direction: Direction, endOfStream = false): EnvoyMessage {
  return { kind: 'headers', direction, endOfStream, hasContentLength: true };
}

export function piece(direction: Direction, text: string, endOfStream = false): EnvoyMessage {
  return { kind: 'body', direction, body: Buffer.from(text), endOfStream };
}

export function tail(direction: Direction): EnvoyMessage {
  return { kind: 'trailers', direction };
}

export function judged(text: string, changed = false, headers: HeaderChanges = noChanges): ExtProcEvent {
  return { kind: 'judged', body: Buffer.from(text), changed, headers };
}

export function opened(mode: 'stream' | 'whole' | 'pass' | 'reply', reply: Reply | null = null): ExtProcEvent {
  return { kind: 'response_opened', mode, headers: noChanges, reply };
}

export function released(text: string, out: string, endOfStream = false): ExtProcEvent {
  return { kind: 'response_released', piece: Buffer.from(text), out: Buffer.from(out), endOfStream };
}

export function finished(text: string, reply: Reply | null = null): ExtProcEvent {
  return { kind: 'response_finished', end: { tail: Buffer.from(text), headers: noChanges, reply } };
}

export const halfClosed: ExtProcEvent = { kind: 'half_closed' };
export const cancelled: ExtProcEvent = { kind: 'cancelled', cause: 'client_gone' };

/** Feeds the events in; returns what each of them made the stream do, one line an event, effects joined by ` | `. */
export function play(
  request: BodyMode,
  response: BodyMode,
  events: readonly ExtProcEvent[],
  observing = false,
): { readonly lines: string[]; readonly state: ExtProcState } {
  let state = initialState({ request, response, observing });
  const lines = events.map((event) => {
    const step = reduce(state, event);
    state = step.state;
    return step.effects.map(effectText).join(' | ');
  });
  return { lines, state };
}

export function effectText(effect: Effect): string {
  switch (effect.kind) {
    case 'send':
      return answerText(effect.answer);
    case 'hold':
      return `hold ${effect.body}`;
    case 'judge':
      return `judge${effect.hasBody ? '' : ' no body'}${effect.canRewrite ? '' : ' no rewrite'}`;
    case 'push':
      return `push ${effect.piece}${effect.endOfStream ? ' eos' : ''}`;
    case 'refuse':
    case 'fail_response':
      return `${effect.kind} ${effect.fault.code}`;
    case 'abort':
      return `abort ${effect.cause}`;
    case 'destroy':
      return `destroy ${effect.by}`;
    default:
      return effect.kind;
  }
}

function answerText(answer: Answer): string {
  switch (answer.kind) {
    case 'headers':
      return `-> ${answer.direction} headers${changesText(answer.changes)}`;
    case 'body': {
      const change = answer.body.kind === 'replace' ? `replace ${answer.body.body}` : answer.body.kind;
      return `-> ${answer.direction} body ${change}${changesText(answer.changes)}`;
    }
    case 'streamed':
      return `-> ${answer.direction} streamed ${answer.body}${answer.endOfStream ? ' eos' : ''}`;
    case 'trailers':
      return `-> ${answer.direction} trailers`;
    case 'immediate':
      return `-> immediate ${answer.reply.status}`;
    default:
      return 'nothing';
  }
}

function changesText(changes: readonly HeaderChanges[]): string {
  const set = changes.flatMap((change) => [...change.set].map(([name, value]) => ` +${name}=${value}`));
  return [...set, ...changes.flatMap((change) => change.remove.map((name) => ` -${name}`))].join('');
}
