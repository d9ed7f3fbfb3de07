import { describe, expect, test } from 'vitest';
import type { BodyMode, ExtProcEvent } from '../../../src/pep/ext-proc-event.ts';
import {
  cancelled,
  finished,
  halfClosed,
  head,
  judged,
  opened,
  piece,
  play,
  released,
  tail,
} from '../../support/ext-proc-play.ts';
import { fakeReply } from '../../support/fake-exchange.ts';

/** One line an event: what it makes the stream do. */
type Table = readonly (readonly [ExtProcEvent, string])[];

function check(request: BodyMode, response: BodyMode, table: Table): void {
  const { lines } = play(
    request,
    response,
    table.map(([event]) => event),
  );
  expect(lines).toEqual(table.map(([, line]) => line));
}

describe('request direction', () => {
  test.each<{ mode: BodyMode; name: string; table: Table }>([
    {
      mode: 'none',
      name: 'without a body',
      table: [
        [head('request', true), 'judge no body no rewrite'],
        [judged(''), '-> request headers'],
      ],
    },
    {
      mode: 'none',
      name: 'with a body that is not sent, and trailers',
      table: [
        [head('request'), 'judge no body no rewrite'],
        [judged(''), '-> request headers'],
        [tail('request'), '-> request trailers'],
      ],
    },
    {
      mode: 'buffered',
      name: 'without a body',
      table: [
        [head('request', true), 'judge no body'],
        [judged(''), '-> request headers'],
      ],
    },
    {
      mode: 'buffered',
      name: 'with a body',
      table: [
        [head('request'), '-> request headers'],
        [piece('request', 'abc', true), 'hold abc | judge'],
        [judged('abc'), '-> request body keep'],
      ],
    },
    {
      mode: 'buffered',
      name: 'with a body that changes, and trailers',
      table: [
        [head('request'), '-> request headers'],
        [piece('request', 'abc'), 'hold abc | judge'],
        [judged('xy', true), '-> request body replace xy +content-length=2'],
        [tail('request'), '-> request trailers'],
      ],
    },
    {
      mode: 'buffered',
      name: 'with trailers that overtake the verdict',
      table: [
        [head('request'), '-> request headers'],
        [piece('request', 'abc'), 'hold abc | judge'],
        [tail('request'), ''],
        [judged('abc'), '-> request body keep | -> request trailers'],
      ],
    },
    {
      mode: 'buffered',
      name: 'with trailers alone',
      table: [
        [head('request'), '-> request headers'],
        [tail('request'), 'judge no body'],
        [judged(''), '-> request trailers'],
      ],
    },
    {
      mode: 'buffered_partial',
      name: 'whole',
      table: [
        [head('request'), '-> request headers'],
        [piece('request', 'abc', true), 'hold abc | judge'],
        [judged('abc'), '-> request body keep'],
      ],
    },
    {
      mode: 'buffered_partial',
      name: 'cut',
      table: [
        [head('request'), '-> request headers'],
        [piece('request', 'abc'), 'refuse body_too_large'],
        [{ kind: 'refused', reply: fakeReply(413, 'x') }, '-> immediate 413'],
      ],
    },
    {
      mode: 'streamed',
      name: 'in pieces',
      table: [
        [head('request'), '-> request headers -accept-encoding'],
        [piece('request', 'ab'), 'hold ab | -> request body clear'],
        [piece('request', 'c', true), 'hold c | judge'],
        [judged('abc'), '-> request body replace abc'],
      ],
    },
    {
      mode: 'streamed',
      name: 'in pieces, then trailers',
      table: [
        [head('request'), '-> request headers -accept-encoding'],
        [piece('request', 'ab'), 'hold ab | -> request body clear'],
        [tail('request'), 'refuse body_too_large'],
      ],
    },
    {
      mode: 'streamed',
      name: 'an empty body, then trailers',
      table: [
        [head('request'), '-> request headers -accept-encoding'],
        [piece('request', ''), 'hold  | -> request body keep'],
        [tail('request'), 'judge'],
        [judged(''), '-> request trailers'],
      ],
    },
    {
      mode: 'full_duplex',
      name: 'without a body',
      table: [
        [head('request', true), 'judge no body'],
        [judged(''), '-> request headers'],
      ],
    },
    {
      mode: 'full_duplex',
      name: 'in pieces',
      table: [
        [head('request'), ''],
        [piece('request', 'ab'), 'hold ab'],
        [piece('request', '', true), 'hold  | judge'],
        [judged('ab'), '-> request headers | -> request streamed ab eos'],
      ],
    },
    {
      mode: 'full_duplex',
      name: 'that changes, with trailers',
      table: [
        [head('request'), ''],
        [piece('request', 'ab'), 'hold ab'],
        [tail('request'), 'judge'],
        [judged('x', true), '-> request headers -content-length | -> request streamed x | -> request trailers'],
      ],
    },
    {
      mode: 'full_duplex',
      name: 'with trailers alone',
      table: [
        [head('request'), ''],
        [tail('request'), 'judge no body'],
        [judged(''), '-> request headers | -> request trailers'],
      ],
    },
    {
      mode: 'full_duplex',
      name: 'headers kept from us',
      table: [
        [piece('request', 'ab', true), 'hold ab | judge'],
        [judged('ab'), '-> request streamed ab eos'],
      ],
    },
    {
      mode: 'inferred',
      name: 'as BUFFERED',
      table: [
        [head('request'), '-> request headers -accept-encoding'],
        [piece('request', 'abc', true), 'hold abc | judge'],
        [judged('xy', true), '-> request body replace xy +content-length=2'],
      ],
    },
    {
      mode: 'inferred',
      name: 'as STREAMED',
      table: [
        [head('request'), '-> request headers -accept-encoding'],
        [piece('request', 'ab'), 'hold ab | -> request body clear'],
        [piece('request', 'c', true), 'hold c | judge'],
        [judged('xy', true), '-> request body replace xy'],
      ],
    },
    {
      mode: 'buffered',
      name: 'a rewritten body where there was none cannot be sent',
      table: [
        [head('request', true), 'judge no body'],
        [judged('xy', true), 'abort fault | destroy failed'],
      ],
    },
    {
      mode: 'buffered',
      name: 'refused, and not even words could be found',
      table: [
        [head('request', true), 'judge no body'],
        [{ kind: 'refused', reply: null }, 'cancel_judging | destroy failed'],
      ],
    },
  ])('$mode: $name', ({ mode, table }) => check(mode, 'buffered', table));
});

describe('response direction, after a request that was forwarded', () => {
  const forwarded: Table = [
    [head('request', true), 'judge no body'],
    [judged(''), '-> request headers'],
  ];

  test.each<{ mode: BodyMode; name: string; table: Table }>([
    {
      mode: 'none',
      name: 'nothing to read',
      table: [
        [head('response'), 'open_response'],
        [opened('pass'), 'finish'],
        [finished(''), '-> response headers'],
        [tail('response'), '-> response trailers | end'],
      ],
    },
    {
      mode: 'none',
      name: 'a body that has to be read and is not sent',
      table: [
        [head('response'), 'open_response'],
        [opened('whole'), 'fail_response protocol_violation'],
        [{ kind: 'response_failed', reply: fakeReply(500, 'x'), tail: null }, 'abort fault | -> immediate 500'],
      ],
    },
    {
      mode: 'buffered',
      name: 'without a body',
      table: [
        [head('response', true), 'open_response'],
        [opened('stream'), 'finish'],
        [finished(''), '-> response headers | end'],
      ],
    },
    {
      mode: 'buffered',
      name: 'a stream in one piece',
      table: [
        [head('response'), 'open_response'],
        [opened('stream'), '-> response headers'],
        [piece('response', 'abc', true), 'push abc eos'],
        [released('abc', 'ab', true), 'finish'],
        [finished('X'), '-> response body replace abX +content-length=3 | end'],
      ],
    },
    {
      mode: 'buffered',
      name: 'trailers that overtake the record',
      table: [
        [head('response'), 'open_response'],
        [opened('whole'), '-> response headers'],
        [piece('response', 'abc'), 'push abc'],
        [released('abc', ''), 'finish'],
        [tail('response'), ''],
        [finished('abc'), '-> response body keep | -> response trailers | end'],
      ],
    },
    {
      mode: 'buffered_partial',
      name: 'a cut body that needs no reading passes',
      table: [
        [head('response'), 'open_response'],
        [opened('pass'), '-> response headers'],
        [piece('response', 'abc'), 'push abc'],
        [released('abc', 'abc'), 'finish'],
        [finished(''), '-> response body keep'],
      ],
    },
    {
      mode: 'streamed',
      name: 'held whole',
      table: [
        [head('response'), 'open_response'],
        [opened('whole'), '-> response headers'],
        [piece('response', 'ab'), 'push ab'],
        [released('ab', ''), '-> response body clear'],
        [piece('response', '', true), 'finish'],
        [finished('ab'), '-> response body replace ab | end'],
      ],
    },
    {
      mode: 'streamed',
      name: 'refused at its end: too late for an answer',
      table: [
        [head('response'), 'open_response'],
        [opened('whole'), '-> response headers'],
        [piece('response', 'ab', true), 'push ab eos'],
        [released('ab', '', true), 'finish'],
        [finished('', fakeReply(403, 'x')), 'fail_response masking_failed'],
        [{ kind: 'response_failed', reply: fakeReply(403, 'x'), tail: null }, 'abort fault | destroy failed'],
      ],
    },
    {
      mode: 'full_duplex',
      name: 'a stream, with what the upstream says after our own end dropped',
      table: [
        [head('response'), 'open_response'],
        [opened('stream'), '-> response headers -content-length'],
        [piece('response', 'ab'), 'push ab'],
        [{ kind: 'response_failed', reply: null, tail: Buffer.from('E') }, 'abort fault | -> response streamed E eos'],
        [piece('response', 'cd'), ''],
        [tail('response'), ''],
        [halfClosed, 'end'],
      ],
    },
    {
      mode: 'full_duplex',
      name: 'a failure at the trailers keeps their answer',
      table: [
        [head('response'), 'open_response'],
        [opened('stream'), '-> response headers -content-length'],
        [tail('response'), 'finish'],
        [
          { kind: 'response_failed', reply: null, tail: Buffer.from('E') },
          'abort fault | -> response streamed E | -> response trailers',
        ],
      ],
    },
    {
      mode: 'full_duplex',
      name: 'headers kept from us',
      table: [
        [piece('response', 'ab', true), 'open_response | again'],
        [opened('whole'), ''],
        [piece('response', 'ab', true), 'push ab eos'],
        [released('ab', '', true), 'finish'],
        [finished('X'), '-> response streamed X eos | end'],
      ],
    },
    {
      mode: 'inferred',
      name: 'as STREAMED',
      table: [
        [head('response'), 'open_response'],
        [opened('stream'), '-> response headers'],
        [piece('response', 'ab'), 'push ab'],
        [released('ab', 'a'), '-> response body replace a'],
        [piece('response', 'c', true), 'push c eos'],
        [released('c', 'b', true), 'finish'],
        [finished('c'), '-> response body replace bc | end'],
      ],
    },
    {
      mode: 'full_duplex',
      name: 'refused at the headers',
      table: [
        [head('response'), 'open_response'],
        [opened('reply', fakeReply(403, 'x')), 'finish'],
        [piece('response', 'ab'), ''],
        [finished(''), '-> immediate 403'],
      ],
    },
  ])('$mode: $name', ({ mode, table }) => check('buffered', mode, [...forwarded, ...table]));
});

describe('the stream', () => {
  /** A full exchange in the recommended modes; each prefix of it is a state to be cancelled in. */
  const exchange: readonly ExtProcEvent[] = [
    head('request'),
    piece('request', 'abc', true),
    judged('abc'),
    head('response'),
    opened('stream'),
    piece('response', 'ab'),
    released('ab', 'ab'),
    piece('response', '', true),
    finished(''),
  ];

  test.each([
    { at: 1, want: '' },
    { at: 2, want: 'cancel_judging' },
    { at: 3, want: 'abort client_gone' },
    { at: 4, want: 'abort client_gone' },
    { at: 5, want: 'abort client_gone' },
    { at: 6, want: 'abort client_gone' },
    { at: 7, want: 'abort client_gone' },
    // The outcome is being written: it is the better record.
    { at: 8, want: '' },
    // Complete.
    { at: 9, want: '' },
  ])('cancelled after $at events', ({ at, want }) => {
    const { lines } = play('buffered', 'full_duplex', [...exchange.slice(0, at), cancelled]);
    expect(lines.at(-1)).toBe(want);
  });

  test.each(exchange.map((_event, at) => ({ at: at + 1 })))(
    'cancelled after $at events, nothing more is sent',
    ({ at }) => {
      const { lines } = play('buffered', 'full_duplex', [...exchange.slice(0, at), cancelled, ...exchange.slice(at)]);
      expect(lines.slice(at + 1).join('')).not.toContain('->');
    },
  );

  test('a verdict after the cancel ends the exchange that it opened', () => {
    const { lines } = play('buffered', 'full_duplex', [...exchange.slice(0, 2), cancelled, judged('abc')]);
    expect(lines.at(-1)).toBe('abort client_gone');
  });

  test.each([
    { name: 'while the body is collected', at: 1, want: 'destroy client_gone' },
    { name: 'while the verdict is awaited', at: 2, want: '' },
    { name: 'before an answer', at: 3, want: 'abort client_gone | end' },
    { name: 'in the middle of the answer', at: 7, want: 'abort client_gone | destroy client_gone' },
    { name: 'while the outcome is recorded', at: 8, want: '' },
  ])('half-closed $name', ({ at, want }) => {
    const { lines } = play('buffered', 'full_duplex', [...exchange.slice(0, at), halfClosed]);
    expect(lines.at(-1)).toBe(want);
  });

  test('half-closed, it ends when its last answer is out', () => {
    const { lines } = play('buffered', 'full_duplex', [...exchange.slice(0, 2), halfClosed, judged('abc')]);
    expect(lines.at(-1)).toBe('-> request body keep | abort client_gone | end');
  });

  test.each<{ name: string; events: readonly ExtProcEvent[] }>([
    { name: 'an unknown message', events: [{ kind: 'unknown' }] },
    { name: 'request headers twice', events: [head('request'), head('request')] },
    { name: 'response headers twice', events: [head('response'), head('response')] },
    { name: 'a second BUFFERED body', events: [head('request'), piece('request', 'a'), piece('request', 'b')] },
    { name: 'trailers after the end', events: [head('request', true), tail('request')] },
    { name: 'response trailers after the end', events: [head('response', true), tail('response')] },
  ])('$name: an error status, never an answer or an end', ({ events }) => {
    const { lines } = play('buffered', 'buffered', events);
    expect(lines.at(-1)).toMatch(/^(cancel_judging \| )?destroy protocol_violation$/);
  });

  test('observed only: no effects at all', () => {
    const { lines } = play('buffered', 'full_duplex', [...exchange, halfClosed], true);
    expect(lines).toEqual(['', '', '', '', '', '', '', '', '', 'end']);
  });
});

describe('a response without a forwarded request', () => {
  test.each<{ name: string; mode: BodyMode; before: readonly ExtProcEvent[]; want: string }>([
    { name: 'first of all', mode: 'buffered', before: [], want: '-> response headers' },
    { name: 'BUFFERED, body awaited (413)', mode: 'buffered', before: [head('request')], want: '-> response headers' },
    {
      name: 'FULL_DUPLEX_STREAMED, verdict awaited (504)',
      mode: 'full_duplex',
      before: [head('request'), piece('request', 'a', true)],
      want: 'cancel_judging | -> response headers',
    },
    {
      name: 'STREAMED, where the upstream saw the headers',
      mode: 'streamed',
      before: [head('request'), piece('request', 'a', true)],
      want: 'cancel_judging | refuse protocol_violation',
    },
  ])('$name', ({ mode, before, want }) => {
    const { lines } = play(mode, 'full_duplex', [...before, head('response')]);
    expect(lines.at(-1)).toBe(want);
  });

  test.each<{ mode: BodyMode; want: readonly string[] }>([
    { mode: 'full_duplex', want: ['-> response headers', '-> response streamed ab', '-> response streamed c eos'] },
    { mode: 'buffered', want: ['-> response headers', '-> response body keep', '-> response body keep'] },
    { mode: 'streamed', want: ['-> response headers', '-> response body keep', '-> response body keep'] },
    { mode: 'inferred', want: ['-> response headers', '-> response body keep', '-> response body keep'] },
  ])('passes byte for byte: $mode', ({ mode, want }) => {
    const { lines } = play('buffered', mode, [head('response'), piece('response', 'ab'), piece('response', 'c', true)]);
    expect(lines).toEqual(want);
  });

  test('passes with its trailers', () => {
    const { lines } = play('buffered', 'full_duplex', [head('response'), piece('response', 'ab'), tail('response')]);
    expect(lines).toEqual(['-> response headers', '-> response streamed ab', '-> response trailers']);
  });
});
