import type { AbortCause, Reply } from '../exchange/exchange.ts';
import type { Effect, EndedBy } from './ext-proc-event.ts';
import type { ExtProcState, Step } from './ext-proc-state.ts';

/** Answers in the model's place. The stream stays open: Envoy resets it, and an OK from us could be read as an allow. */
export function replied(state: ExtProcState, reply: Reply): Step {
  return {
    state: { ...state, closed: 'answered' },
    effects: [{ kind: 'send', answer: { kind: 'immediate', reply } }],
  };
}

/** Envoy, or whoever speaks, broke the protocol: nothing is passed on. */
export function violation(state: ExtProcState): Step {
  return destroyed(state, 'protocol_violation');
}

/** Ends with an error status: Envoy answers 500 or resets, and passes nothing on. */
export function destroyed(state: ExtProcState, by: EndedBy): Step {
  const cause: AbortCause = by === 'failed' ? 'fault' : by;
  return {
    state: { ...state, closed: cause },
    effects: [...release(state, cause), { kind: 'destroy', by }],
  };
}

/** What must be let go when the stream closes before its time. */
export function release(state: ExtProcState, cause: AbortCause): readonly Effect[] {
  if (state.request.stage === 'judging') return [{ kind: 'cancel_judging' }];
  if (state.request.stage !== 'released') return [];
  // `finishing`: the outcome record is being written, and it is the better record.
  const { stage } = state.response;
  if (stage === 'finishing' || stage === 'done' || stage === 'failed') return [];
  return [{ kind: 'abort', cause }];
}
