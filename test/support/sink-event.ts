import type { SinkEvent } from '../../src/audit/sinks/sink.ts';

/** An event as a sink is given it, where what it says does not matter. */
export const sampleEvent: SinkEvent = {
  id: 'record-1',
  origin: 'countersign.local/test',
  sequence: 1,
  kind: 'intent',
  type: 'countersign.intent',
  action: 'allow',
  timeNs: 1_764_000_000_000_000_000n,
  severity: 1,
  trace: null,
  json: '{"of":"the event"}',
};
