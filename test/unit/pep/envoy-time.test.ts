import { describe, expect, test } from 'vitest';
import { ProcessingResponse } from '../../../src/gen/envoy/service/ext_proc/v3/external_processor.ts';
import { askedTime, longestWaitMs, plainWaitMs } from '../../../src/pep/envoy-time.ts';
import { encodeProcessingResponse } from '../../../src/pep/ext-proc-encode.ts';
import type { Answer, MoreTime } from '../../../src/pep/ext-proc-event.ts';
import { createExtProcStream } from '../../../src/pep/ext-proc-stream.ts';
import { createHeaderBlock } from '../../../src/pep/request-head.ts';
import { noMetrics, silentLog } from '../../../src/telemetry/telemetry.ts';
import { createFakeExchange } from '../../support/fake-exchange.ts';

const s = (seconds: number) => seconds * 1_000;

describe('time for a wait', () => {
  const cases = [
    { name: 'Envoy has no more', wanted: s(50), message: s(60), max: 0, want: { waitMs: s(50), overrideMs: null } },
    { name: 'none, and too long', wanted: s(90), message: s(60), max: 0, want: { waitMs: s(59), overrideMs: null } },
    {
      name: 'for the wait and what follows',
      wanted: s(50),
      message: s(5),
      max: s(300),
      want: { waitMs: s(50), overrideMs: s(55) },
    },
    { name: 'at the bound', wanted: s(400), message: s(5), max: s(300), want: { waitMs: s(299), overrideMs: s(300) } },
    {
      name: 'a bound below the time-out itself',
      wanted: s(50),
      message: s(60),
      max: s(10),
      want: { waitMs: s(50), overrideMs: null },
    },
    { name: 'no time at all', wanted: s(50), message: 500, max: 0, want: { waitMs: 0, overrideMs: null } },
    { name: 'a bound without room', wanted: s(50), message: 500, max: s(1), want: { waitMs: 0, overrideMs: null } },
  ];
  test.each(cases)('$name', ({ wanted, message, max, want }) => {
    const time = { messageTimeoutMs: message, maxMessageTimeoutMs: max };
    const asked = askedTime(wanted, time);
    expect(asked).toEqual(want);
    expect(plainWaitMs(wanted, time)).toBeLessThanOrEqual(Math.max(0, message - 1_000));
    expect(asked.waitMs).toBeLessThanOrEqual(Math.max(0, longestWaitMs(time)));
    // Envoy ignores more than its bound, and the wait must end before the timer does.
    if (asked.overrideMs !== null) {
      expect(asked.overrideMs).toBeLessThanOrEqual(max);
      expect(asked.overrideMs).toBeGreaterThan(asked.waitMs);
    }
  });

  test.each([1, 999, 1_000, 55_250, 3_600_000])('%d ms on the wire', (ms) => {
    const decoded = ProcessingResponse.decode(encodeProcessingResponse({ kind: 'more_time', ms }));
    expect(decoded.response).toBeUndefined();
    expect(decoded.overrideMessageTimeout).toEqual({
      seconds: BigInt(Math.floor(ms / 1000)),
      nanos: (ms % 1000) * 1e6,
    });
  });
});

describe('a request that is held', () => {
  const envoyTime = { messageTimeoutMs: s(5), maxMessageTimeoutMs: s(300) };
  const cases = [
    { mode: 'buffered', want: [{ kind: 'more_time', ms: s(55) }] },
    { mode: 'none', want: [{ kind: 'more_time', ms: s(55) }] },
    // No timer runs there.
    { mode: 'full_duplex', want: [] },
  ] as const;
  test.each(cases)('asks for the time before it waits: $mode', async ({ mode, want }) => {
    const sent: (Answer | MoreTime)[] = [];
    const granted: (number | undefined)[] = [];
    const exchange = createFakeExchange({
      request: async ({ options }) => {
        granted.push(options.askForTime?.(s(50)));
        return {};
      },
    });
    const wire = { send: (answer: Answer | MoreTime) => void sent.push(answer), end: () => {}, destroy: () => {} };
    const stream = createExtProcStream({ exchange, log: silentLog, metrics: noMetrics, envoyTime }, wire);
    stream.receive({
      modes: { request: mode, response: 'none' },
      observing: false,
      message: { kind: 'headers', direction: 'request', endOfStream: true, hasContentLength: false },
      headers: createHeaderBlock(),
      metadata: {},
      attributes: {},
    });
    await exchange.until('request');
    expect(granted).toEqual([s(50)]);
    expect(sent.filter(({ kind }) => kind === 'more_time')).toEqual(want);
  });
});
