import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createPinoLog, type LogLevel } from '../../../src/telemetry/pino-log.ts';
import type { LogFields } from '../../../src/telemetry/telemetry.ts';
import { createManualClock } from '../../support/manual-clock.ts';

function setUp(level: LogLevel = 'debug') {
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  const log = createPinoLog({ clock: createManualClock(), destination }, { level });
  return { log, lines, written: () => lines.map((line): unknown => JSON.parse(line)) };
}

/** What a caller could smuggle past the compiler. */
function smuggled(fields: object): LogFields {
  return fields;
}

test('a line has a level, a time, an event and the fields that it may have', () => {
  const { log, lines, written } = setUp();
  log.warn('audit is slow', { ms: 12.5, count: 3, reason: 'disk', exchange: 'e-1' });
  expect(written()).toEqual([
    {
      level: 'warn',
      time: '2026-01-05T12:00:00.000Z',
      exchange: 'e-1',
      count: 3,
      ms: 12.5,
      reason: 'disk',
      event: 'audit is slow',
    },
  ]);
  expect(lines[0]?.endsWith('}\n')).toBe(true);
});

test('levels below the configured one are not written', () => {
  const { log, written } = setUp('warn');
  log.debug('a');
  log.info('b');
  log.warn('c');
  log.error('d');
  expect(written()).toEqual([
    { level: 'warn', time: '2026-01-05T12:00:00.000Z', event: 'c' },
    { level: 'error', time: '2026-01-05T12:00:00.000Z', event: 'd' },
  ]);
});

test.each([
  {
    name: 'fields nobody declared',
    given: { prompt: 'canary', token: 'canary', headers: { authorization: 'canary' } },
  },
  {
    name: 'pino’s own',
    given: { err: new Error('canary'), msg: 'canary', pid: 'canary', hostname: 'canary', req: 'canary' },
  },
  { name: 'objects in the place of texts', given: { reason: { prompt: 'canary' }, path: ['canary'] } },
  { name: 'texts in the place of numbers', given: { status: 'canary', ms: 'canary' } },
  {
    name: 'something that turns itself into JSON',
    given: { reason: { toJSON: () => 'canary' }, toJSON: () => 'canary' },
  },
  { name: 'an error with more in it', given: Object.assign(new Error('canary'), { body: 'canary' }) },
])('what is not on the list is dropped: $name', ({ given }) => {
  const { log, lines, written } = setUp();
  log.error('something failed', smuggled(given));
  expect(lines.join('')).not.toContain('canary');
  expect(written()).toEqual([{ level: 'error', time: '2026-01-05T12:00:00.000Z', event: 'something failed' }]);
});

test('numbers that JSON has not are dropped, long texts are cut', () => {
  const { log, written } = setUp();
  log.info('x', { ms: Number.NaN, count: Number.POSITIVE_INFINITY, reason: 'r'.repeat(5_000) });
  expect(written()).toEqual([
    { level: 'info', time: '2026-01-05T12:00:00.000Z', reason: 'r'.repeat(1_000), event: 'x' },
  ]);
});

test('whatever a field holds, a call is one line', () => {
  const { log, lines } = setUp();
  fc.assert(
    fc.property(fc.string(), fc.string({ unit: 'binary' }), (reason, path) => {
      lines.length = 0;
      log.info('x', { reason, path });
      expect(lines).toHaveLength(1);
      expect(lines[0]?.trimEnd()).not.toContain('\n');
      expect(JSON.parse(lines[0] ?? '')).toMatchObject({ reason: reason.toWellFormed(), path: path.toWellFormed() });
    }),
  );
});
