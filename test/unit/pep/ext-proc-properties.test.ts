import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { BodyMode, Direction, Effect, EnvoyMessage, ExtProcEvent } from '../../../src/pep/ext-proc-event.ts';
import { initialState, reduce } from '../../../src/pep/ext-proc-state.ts';
import { head, piece, tail } from '../../support/ext-proc-play.ts';
import { fakeReply, noChanges } from '../../support/fake-exchange.ts';

/** What Envoy may send in one direction: headers (unless skipped), body pieces, and an end by one of the three. */
function messages(direction: Direction): fc.Arbitrary<readonly EnvoyMessage[]> {
  return fc
    .record({
      skipped: fc.boolean(),
      pieces: fc.array(fc.string({ maxLength: 3 }), { maxLength: 3 }),
      end: fc.constantFrom('headers', 'body', 'trailers', 'never'),
    })
    .map(({ skipped, pieces, end }) => {
      const first = skipped ? [] : [head(direction, end === 'headers')];
      if (end === 'headers') return first;
      const bodies = pieces.map((text, at) => piece(direction, text, end === 'body' && at === pieces.length - 1));
      return [...first, ...bodies, ...(end === 'trailers' ? [tail(direction)] : [])];
    });
}

const modes = fc.constantFrom<BodyMode>('none', 'buffered', 'buffered_partial', 'streamed', 'full_duplex', 'inferred');

const stream = fc.record({
  request: modes,
  response: modes,
  requestMessages: messages('request'),
  responseMessages: messages('response'),
  phase: fc.constantFrom('stream', 'whole', 'pass', 'reply'),
  /** Answers of the exchange: does the request go, does each later call succeed? */
  forwards: fc.boolean(),
  rewrites: fc.boolean(),
  faults: fc.array(fc.boolean(), { maxLength: 4 }),
  hasTail: fc.boolean(),
  /** Whose turn it is, step by step: Envoy's request, its response, the exchange, or an end from outside. */
  turns: fc.array(fc.constantFrom('request', 'response', 'exchange', 'exchange', 'half_closed', 'cancelled'), {
    minLength: 4,
    maxLength: 40,
  }),
});

interface Trace {
  readonly effects: Effect[];
  /** Index into `effects` when the request was judged to go, when the stream was cancelled. */
  judgedAt: number | null;
  cancelledAt: number | null;
  readonly messagesSeen: { request: number; response: number };
}

/** Plays one random stream: the exchange answers what it is asked, synchronously or on its own later turn. */
function run(given: typeof stream extends fc.Arbitrary<infer T> ? T : never): Trace {
  let state = initialState({ request: given.request, response: given.response, observing: false });
  const trace: Trace = { effects: [], judgedAt: null, cancelledAt: null, messagesSeen: { request: 0, response: 0 } };
  const pending: ExtProcEvent[] = [];
  const faults = [...given.faults];
  let held = '';

  const failed: ExtProcEvent = {
    kind: 'response_failed',
    reply: fakeReply(500, 'f'),
    tail: given.hasTail ? Buffer.from('E') : null,
  };
  function feed(event: ExtProcEvent): void {
    if (event.kind === 'judged') trace.judgedAt ??= trace.effects.length;
    const step = reduce(state, event);
    state = step.state;
    for (const effect of step.effects) {
      trace.effects.push(effect);
      answer(effect);
    }
  }
  function answer(effect: Effect): void {
    const isFault = (): boolean => faults.shift() ?? false;
    if (effect.kind === 'hold') held += effect.body;
    if (effect.kind === 'judge') {
      const changed = given.rewrites && effect.hasBody;
      pending.push(
        given.forwards
          ? { kind: 'judged', body: Buffer.from(changed ? 'REWRITTEN' : held), changed, headers: noChanges }
          : { kind: 'refused', reply: fakeReply(403, 'd') },
      );
    }
    if (effect.kind === 'refuse') feed({ kind: 'refused', reply: fakeReply(413, 'r') });
    if (effect.kind === 'fail_response') feed(failed);
    if (effect.kind === 'again') feed(effect.message);
    if (effect.kind === 'open_response') {
      const reply = given.phase === 'reply' ? fakeReply(403, 'd') : null;
      feed(isFault() ? failed : { kind: 'response_opened', mode: given.phase, headers: noChanges, reply });
    }
    if (effect.kind === 'push') {
      const out = given.phase === 'whole' ? Buffer.alloc(0) : effect.piece;
      feed(
        isFault() ? failed : { kind: 'response_released', piece: effect.piece, out, endOfStream: effect.endOfStream },
      );
    }
    if (effect.kind === 'finish') {
      const end = { tail: Buffer.from(given.phase === 'whole' ? 'W' : ''), headers: noChanges, reply: null };
      pending.push(isFault() ? failed : { kind: 'response_finished', end });
    }
  }

  const queues = { request: [...given.requestMessages], response: [...given.responseMessages] };
  for (const turn of given.turns) {
    if (turn === 'exchange') {
      const event = pending.shift();
      if (event !== undefined) feed(event);
    } else if (turn === 'half_closed') feed({ kind: 'half_closed' });
    else if (turn === 'cancelled') {
      trace.cancelledAt ??= trace.effects.length;
      feed({ kind: 'cancelled', cause: 'client_gone' });
    } else {
      const message = queues[turn].shift();
      if (message === undefined) continue;
      trace.messagesSeen[turn] += 1;
      feed(message);
    }
  }
  return trace;
}

const runs = { numRuns: 3_000 };

test('no step throws, and nothing is sent after an end, an error, an ImmediateResponse or a cancel', () => {
  fc.assert(
    fc.property(stream, (given) => {
      const { effects, cancelledAt } = run(given);
      const isSending = (effect: Effect) =>
        effect.kind === 'send' || effect.kind === 'end' || effect.kind === 'destroy';
      const closing = effects.findIndex(
        (effect) =>
          effect.kind === 'end' ||
          effect.kind === 'destroy' ||
          (effect.kind === 'send' && effect.answer.kind === 'immediate'),
      );
      // A half-close may still be answered by an end, after an ImmediateResponse.
      const after = closing < 0 ? [] : effects.slice(closing + 1).filter(isSending);
      expect(after.filter((effect) => effect.kind !== 'end')).toEqual([]);
      if (cancelledAt !== null) expect(effects.slice(cancelledAt).filter(isSending)).toEqual([]);
    }),
    runs,
  );
});

test('no byte of a request body leaves before its verdict', () => {
  fc.assert(
    fc.property(stream, (given) => {
      const { effects, judgedAt } = run(given);
      effects.forEach((effect, at) => {
        if (effect.kind !== 'send' || effect.answer.kind === 'immediate' || effect.answer.kind === 'headers') return;
        if (effect.answer.direction !== 'request' || (judgedAt !== null && at >= judgedAt)) return;
        // Before it, a piece may only be taken out of the stream, or was empty.
        expect(effect.answer).toMatchObject({ kind: 'body' });
        const isHeldBack = effect.answer.kind === 'body' && effect.answer.body.kind !== 'replace';
        expect(isHeldBack).toBe(true);
      });
    }),
    runs,
  );
});

test('each message is answered at most once, in order, and the end of a FULL_DUPLEX_STREAMED body exactly once', () => {
  fc.assert(
    fc.property(stream, (given) => {
      const { effects, messagesSeen } = run(given);
      for (const direction of ['request', 'response'] as const) {
        const answers = effects.flatMap((effect) =>
          effect.kind === 'send' && effect.answer.kind !== 'immediate' && effect.answer.direction === direction
            ? [effect.answer]
            : [],
        );
        const kinds = answers.map(({ kind }) => kind);
        expect(kinds.indexOf('headers')).toBeLessThanOrEqual(0);
        expect(kinds.lastIndexOf('headers')).toBeLessThanOrEqual(0);
        const trailersAt = kinds.indexOf('trailers');
        if (trailersAt >= 0) expect(trailersAt).toBe(kinds.length - 1);
        if (given[direction] === 'full_duplex') {
          expect(kinds).not.toContain('body');
          const ends = answers.filter((answer) => answer.kind === 'streamed' && answer.endOfStream);
          expect(ends.length).toBeLessThanOrEqual(1);
          if (ends.length === 1) expect(answers.at(-1)).toBe(ends[0]);
        } else {
          expect(kinds).not.toContain('streamed');
          expect(answers.length).toBeLessThanOrEqual(messagesSeen[direction]);
        }
      }
    }),
    runs,
  );
});

test('an exchange that was opened ends: by its outcome, or recorded as aborted', () => {
  fc.assert(
    fc.property(stream, (given) => {
      const trace = run({ ...given, turns: [...given.turns, 'cancelled', 'exchange', 'exchange'] });
      if (trace.judgedAt === null) return;
      const ending = trace.effects.filter((effect) => effect.kind === 'abort' || effect.kind === 'finish');
      expect(ending.length).toBeGreaterThan(0);
    }),
    runs,
  );
});

test('an OK end only when nothing is unanswered', () => {
  fc.assert(
    fc.property(stream, (given) => {
      const { effects } = run({ ...given, turns: given.turns.filter((turn) => turn !== 'half_closed') });
      const endAt = effects.findIndex((effect) => effect.kind === 'end');
      if (endAt < 0) return;
      const asked = effects.slice(0, endAt).filter(({ kind }) => kind === 'judge' || kind === 'finish');
      expect(asked.map(({ kind }) => kind)).toEqual(['judge', 'finish']);
      const last = effects.slice(0, endAt).findLast((effect) => effect.kind === 'send');
      expect(last).toBeDefined();
    }),
    runs,
  );
});
