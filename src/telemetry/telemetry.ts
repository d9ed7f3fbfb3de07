import type { FaultCode } from '../lib/fault.ts';

/** The only fields that a log line may carry. None of them can hold a prompt, a matched value or a credential. */
export interface LogFields {
  readonly exchange?: string;
  readonly approval?: string;
  readonly phase?: string;
  readonly action?: string;
  readonly code?: string;
  readonly rule?: string;
  readonly entity?: string;
  readonly dialect?: string;
  readonly revision?: string;
  readonly address?: string;
  readonly path?: string;
  readonly file?: string;
  readonly origin?: string;
  readonly state?: string;
  readonly status?: number;
  readonly count?: number;
  readonly bytes?: number;
  readonly ms?: number;
  /** An operator-facing message of a Fault; its author keeps values out of it. */
  readonly reason?: string;
  readonly traceId?: string;
  /** Configured name of an audit sink. */
  readonly sink?: string;
}

/** Structured log. `event` is a short constant phrase, never built from data. */
export interface Log {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}

/** What is counted. Labels come from closed sets (codes, entities, rule ids), never from traffic. */
export interface Metrics {
  decision(phase: 'request' | 'response', action: 'allow' | 'hold' | 'deny' | 'fault'): void;
  findings(phase: 'request' | 'response', entity: string, count: number): void;
  masked(phase: 'request' | 'response', method: string, count: number): void;
  hold(outcome: 'granted' | 'pending' | 'rejected' | 'expired' | 'revoked'): void;
  approvalTransition(state: string): void;
  /** An approval left `pending`: what ended it, and how many seconds after it was created. */
  approvalDecided(how: string, seconds: number): void;
  /** A decision that came too late, by the code of its refusal. */
  approvalConflict(kind: string): void;
  /** Pending approvals of all replicas, by age: the name of the band and how many are in it. */
  approvalsPending(age: string, count: number): void;
  /** Requests and answers of this process that wait in-band. */
  approvalWaiters(delta: 1 | -1): void;
  /** Seconds from a decision, by the clock of who took it, to the release of a waiter. */
  approvalWakeUp(seconds: number): void;
  /** Seconds from the first message of a phase to its answer. */
  latency(phase: 'check' | 'request' | 'response' | 'policy' | 'detect' | 'audit', seconds: number): void;
  /** Characters held back when an event of a stream was released. */
  streamHoldBack(characters: number): void;
  auditPending(records: number, bytes: number): void;
  /** What became of a notice about an approval: one attempt, or the notice itself. Routes are named by configuration. */
  notice(route: string, outcome: 'sent' | 'failed' | 'dead' | 'dropped' | 'unaddressed'): void;
  noticesWaiting(count: number): void;
  /** How an audit sink does; `deadLetters` counts from the beginning of its life. */
  auditSink(status: AuditSinkStatus): void;
  /** Seconds since a witness of the audit log has last cosigned. */
  auditWitness(witness: string, lagSeconds: number): void;
  /** Seconds since all of the record had the cosignatures that are required. */
  auditWitnessQuorum(lagSeconds: number): void;
  failure(code: FaultCode): void;
  exchangesOpen(delta: 1 | -1): void;
}

export interface AuditSinkStatus {
  /** Configured name. */
  readonly sink: string;
  readonly lagRecords: number;
  readonly lagBytes: number;
  readonly lagSeconds: number;
  readonly deadLetters: number;
  readonly missed: number;
}

export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };

export const noMetrics: Metrics = {
  decision() {},
  findings() {},
  masked() {},
  hold() {},
  approvalTransition() {},
  approvalDecided() {},
  approvalConflict() {},
  approvalsPending() {},
  approvalWaiters() {},
  approvalWakeUp() {},
  latency() {},
  streamHoldBack() {},
  auditPending() {},
  notice() {},
  noticesWaiting() {},
  auditSink() {},
  auditWitness() {},
  auditWitnessQuorum() {},
  failure() {},
  exchangesOpen() {},
};
