import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { limits } from '../lib/limits.ts';
import type { Metrics } from './telemetry.ts';

export interface PrometheusMetrics extends Metrics {
  readonly contentType: string;
  /** The text exposition of everything counted so far. */
  render(): Promise<string>;
}

const latencyBuckets = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 60];
const decisionBuckets = [1, 5, 15, 60, 300, 900, 3_600, 14_400, 86_400, 604_800];
const wakeUpBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 2.5, 10];
const holdBackBuckets = [0, 8, 16, 32, 64, 128, 256, 512, 1024, 4096];

/**
 * The Metrics port on a prom-client registry of its own. Label sets are built once and remembered, so that counting costs
 * a map lookup. A label with more than `limits.metricLabelsMax` values goes on as `other`: memory stays bounded even if
 * a closed set turns out to be open.
 */
export function createPrometheus(options: {
  readonly version: string;
  readonly processMetrics: boolean;
}): PrometheusMetrics {
  const registry = new Registry();
  const registers = [registry];
  if (options.processMetrics) collectDefaultMetrics({ register: registry });
  const counter = <L extends string>(name: string, help: string, labelNames: readonly L[]) =>
    new Counter({ name, help, labelNames, registers });

  const build = new Gauge({
    name: 'countersign_build_info',
    help: 'Version of the running service, always 1.',
    labelNames: ['version'],
    registers,
  });
  build.labels({ version: options.version }).set(1);

  const decisions = counter('countersign_decisions_total', 'Decisions by phase and action.', ['phase', 'action']);
  const findings = counter('countersign_findings_total', 'Sensitive values found.', ['phase', 'entity']);
  const masked = counter('countersign_masked_total', 'Spans masked.', ['phase', 'method']);
  const holds = counter('countersign_holds_total', 'Held requests by what became of them at the gate.', ['outcome']);
  const transitions = counter('countersign_approval_transitions_total', 'Approvals by the state entered.', ['state']);
  const notices = counter('countersign_notices_total', 'Notices about approvals, by route and what became of them.', [
    'route',
    'outcome',
  ]);
  const conflicts = counter('countersign_approval_conflicts_total', 'Decisions that came too late, by code.', ['code']);
  const decided = new Histogram({
    name: 'countersign_approval_decision_seconds',
    help: 'Time from the creation of an approval to what ended its waiting.',
    labelNames: ['how'],
    buckets: decisionBuckets,
    registers,
  });
  const wakeUp = new Histogram({
    name: 'countersign_approval_wake_up_seconds',
    help: 'Time from a decision to the release of a waiting request.',
    buckets: wakeUpBuckets,
    registers,
  });
  const pending = new Gauge({
    name: 'countersign_approvals_pending',
    help: 'Pending approvals of all replicas, by age.',
    labelNames: ['age'],
    registers,
  });
  const waiters = new Gauge({
    name: 'countersign_approval_waiters',
    help: 'Requests and answers that wait in-band.',
    registers,
  });
  const faults = counter('countersign_faults_total', 'Failures of countersign itself, by code.', ['code']);
  const durations = new Histogram({
    name: 'countersign_phase_duration_seconds',
    help: 'Time from the first message of a phase to its answer.',
    labelNames: ['phase'],
    buckets: latencyBuckets,
    registers,
  });
  const heldBack = new Histogram({
    name: 'countersign_stream_hold_back_characters',
    help: 'Characters held back when an event of a stream was released.',
    buckets: holdBackBuckets,
    registers,
  });
  const gauge = (name: string, help: string) => new Gauge({ name, help, registers });
  const pendingRecords = gauge('countersign_audit_pending_records', 'Audit records that are not durable yet.');
  const pendingBytes = gauge('countersign_audit_pending_bytes', 'Bytes of audit records that are not durable yet.');
  const sinkGauge = (name: string, help: string) => new Gauge({ name, help, labelNames: ['sink'] as const, registers });
  const sinkRecords = sinkGauge(
    'countersign_audit_sink_lag_records',
    'Published audit records that a sink has not got yet.',
  );
  const sinkBytes = sinkGauge('countersign_audit_sink_lag_bytes', 'About how many bytes they are.');
  const sinkSeconds = sinkGauge('countersign_audit_sink_lag_seconds', 'Age of the oldest of them.');
  const sinkDead = sinkGauge('countersign_audit_sink_dead_letters_total', 'Events that a sink will never take.');
  const sinkMissed = sinkGauge(
    'countersign_audit_sink_missed_total',
    'Records gone from the log before a sink had them.',
  );
  const witnessSeconds = new Gauge({
    name: 'countersign_audit_witness_lag_seconds',
    help: 'Time since a witness has last cosigned a checkpoint.',
    labelNames: ['witness'] as const,
    registers,
  });
  const witnessQuorumSeconds = gauge(
    'countersign_audit_witness_quorum_lag_seconds',
    'Time since all of the record had been cosigned by as many witnesses as are required.',
  );
  const open = gauge('countersign_exchanges_open', 'Exchanges between their request and their outcome.');

  const noticesWaiting = gauge('countersign_notices_waiting', 'Notices that are not delivered yet.');

  const noticeOf = remembered2((route, outcome) => notices.labels({ route, outcome }));
  const decisionOf = remembered2((phase, action) => decisions.labels({ phase, action }));
  const findingOf = remembered2((phase, entity) => findings.labels({ phase, entity }));
  const maskedOf = remembered2((phase, method) => masked.labels({ phase, method }));
  const holdOf = remembered((outcome) => holds.labels({ outcome }));
  const transitionOf = remembered((state) => transitions.labels({ state }));
  const decidedOf = remembered((how) => decided.labels({ how }));
  const conflictOf = remembered((code) => conflicts.labels({ code }));
  const pendingOf = remembered((age) => pending.labels({ age }));
  const faultOf = remembered((code) => faults.labels({ code }));
  const durationOf = remembered((phase) => durations.labels({ phase }));

  return {
    contentType: registry.contentType,
    render: () => registry.metrics(),
    decision: (phase, action) => decisionOf(phase, action).inc(),
    findings: (phase, entity, count) => findingOf(phase, entity).inc(count),
    masked: (phase, method, count) => maskedOf(phase, method).inc(count),
    hold: (outcome) => holdOf(outcome).inc(),
    approvalTransition: (state) => transitionOf(state).inc(),
    approvalDecided: (how, seconds) => decidedOf(how).observe(seconds),
    approvalConflict: (kind) => conflictOf(kind).inc(),
    approvalsPending: (age, count) => pendingOf(age).set(count),
    approvalWaiters: (delta) => waiters.inc(delta),
    approvalWakeUp: (seconds) => wakeUp.observe(Math.max(0, seconds)),
    latency: (phase, seconds) => durationOf(phase).observe(seconds),
    streamHoldBack: (characters) => heldBack.observe(characters),
    auditPending(records, bytes) {
      pendingRecords.set(records);
      pendingBytes.set(bytes);
    },
    notice: (route, outcome) => noticeOf(route, outcome).inc(),
    noticesWaiting: (count) => noticesWaiting.set(count),
    auditSink({ sink, lagRecords, lagBytes, lagSeconds, deadLetters, missed }) {
      sinkRecords.set({ sink }, lagRecords);
      sinkBytes.set({ sink }, lagBytes);
      sinkSeconds.set({ sink }, lagSeconds);
      sinkDead.set({ sink }, deadLetters);
      sinkMissed.set({ sink }, missed);
    },
    auditWitness: (witness, lagSeconds) => witnessSeconds.set({ witness }, lagSeconds),
    auditWitnessQuorum: (lagSeconds) => witnessQuorumSeconds.set(lagSeconds),
    failure: (code) => faultOf(code).inc(),
    exchangesOpen: (delta) => open.inc(delta),
  };
}

/** Makes the child of each label value once. */
function remembered<T>(make: (label: string) => T): (label: string) => T {
  const children = new Map<string, T>();
  return (label) => {
    const known = children.get(label);
    if (known !== undefined) return known;
    const name = children.size < limits.metricLabelsMax ? label : 'other';
    const child = children.get(name) ?? make(name);
    children.set(name, child);
    return child;
  };
}

function remembered2<T>(make: (first: string, second: string) => T): (first: string, second: string) => T {
  const byFirst = remembered((first) => remembered((second) => make(first, second)));
  return (first, second) => byFirst(first)(second);
}
