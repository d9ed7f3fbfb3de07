import { expect, test } from 'vitest';
import { createPrometheus } from '../../../src/telemetry/prometheus.ts';

/** Samples of our own metrics that are not zero, as `name{labels} value`. */
async function samples(metrics: ReturnType<typeof createPrometheus>): Promise<string[]> {
  const text = await metrics.render();
  return text.split('\n').filter((line) => line.startsWith('countersign_') && !line.endsWith(' 0'));
}

test('everything that is counted stands in the exposition', async () => {
  const metrics = createPrometheus({ version: '1.2.3', processMetrics: false });
  metrics.decision('request', 'allow');
  metrics.decision('request', 'allow');
  metrics.decision('response', 'deny');
  metrics.findings('request', 'CREDIT_CARD', 3);
  metrics.masked('request', 'token', 2);
  metrics.hold('granted');
  metrics.approvalTransition('approved');
  metrics.auditPending(7, 4096);
  metrics.failure('audit_unavailable');
  metrics.exchangesOpen(1);
  metrics.exchangesOpen(1);
  metrics.exchangesOpen(-1);
  expect(await samples(metrics)).toEqual([
    'countersign_build_info{version="1.2.3"} 1',
    'countersign_decisions_total{phase="request",action="allow"} 2',
    'countersign_decisions_total{phase="response",action="deny"} 1',
    'countersign_findings_total{phase="request",entity="CREDIT_CARD"} 3',
    'countersign_masked_total{phase="request",method="token"} 2',
    'countersign_holds_total{outcome="granted"} 1',
    'countersign_approval_transitions_total{state="approved"} 1',
    'countersign_faults_total{code="audit_unavailable"} 1',
    'countersign_audit_pending_records 7',
    'countersign_audit_pending_bytes 4096',
    'countersign_exchanges_open 1',
  ]);
});

test('histograms have their sums, counts and buckets', async () => {
  const metrics = createPrometheus({ version: '0', processMetrics: false });
  metrics.latency('policy', 0.00007);
  metrics.latency('policy', 0.02);
  metrics.streamHoldBack(0);
  metrics.streamHoldBack(33);
  const lines = await samples(metrics);
  const have = (line: string): boolean => lines.includes(line);
  expect([
    have('countersign_phase_duration_seconds_bucket{le="0.0001",phase="policy"} 1'),
    have('countersign_phase_duration_seconds_bucket{le="0.025",phase="policy"} 2'),
    have('countersign_phase_duration_seconds_sum{phase="policy"} 0.02007'),
    have('countersign_phase_duration_seconds_count{phase="policy"} 2'),
    have('countersign_stream_hold_back_characters_bucket{le="32"} 1'),
    have('countersign_stream_hold_back_characters_bucket{le="64"} 2'),
    have('countersign_stream_hold_back_characters_sum 33'),
  ]).toEqual(Array(7).fill(true));
});

test('a label that turns out to be open stays bounded', async () => {
  const metrics = createPrometheus({ version: '0', processMetrics: false });
  for (let at = 0; at < 1_000; at += 1) metrics.findings('request', `ENTITY_${at}`, 1);
  const lines = (await samples(metrics)).filter((line) => line.startsWith('countersign_findings_total'));
  expect(lines).toHaveLength(257);
  expect(lines.at(-1)).toBe('countersign_findings_total{phase="request",entity="other"} 744');
});

test('two of them do not share counts', async () => {
  const [one, two] = [1, 2].map(() => createPrometheus({ version: '0', processMetrics: true }));
  one?.hold('expired');
  expect(await one?.render()).toContain('countersign_holds_total{outcome="expired"} 1');
  expect(await two?.render()).not.toContain('countersign_holds_total{');
  expect(await two?.render()).toContain('process_cpu_seconds_total');
});
