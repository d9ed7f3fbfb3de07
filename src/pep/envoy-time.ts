/** What Envoy's own configuration says, milliseconds. */
export interface EnvoyTime {
  /** `message_timeout` of ext_proc, and `timeout` of ext_authz. */
  readonly messageTimeoutMs: number;
  /** `max_message_timeout` of ext_proc; 0: Envoy cannot be asked for more time. */
  readonly maxMessageTimeoutMs: number;
}

/** Time for what happens around a wait: reading, deciding, recording, answering. */
export const waitMarginMs = 1_000;

/** The longest that anything can be held, whichever filter asks. */
export function longestWaitMs({ messageTimeoutMs, maxMessageTimeoutMs }: EnvoyTime): number {
  return Math.max(messageTimeoutMs, maxMessageTimeoutMs) - waitMarginMs;
}

/** A wait that cannot be prolonged: ext_authz, and answers, whose one override Envoy may have spent on something else. */
export function plainWaitMs(wantedMs: number, { messageTimeoutMs }: EnvoyTime): number {
  return Math.max(0, Math.min(wantedMs, messageTimeoutMs - waitMarginMs));
}

export interface AskedTime {
  readonly waitMs: number;
  /** The `override_message_timeout` to send first; null: there is none to be had. */
  readonly overrideMs: number | null;
}

/**
 * A wait in ext_proc. The override is taken once for each message that awaits its answer, and starts Envoy's timer anew
 * (envoyproxy/envoy `ProcessorState::restartMessageTimer`): it is for the wait, and as much again as any message gets. Envoy ignores
 * one above its `max_message_timeout`.
 */
export function askedTime(wantedMs: number, time: EnvoyTime): AskedTime {
  const { messageTimeoutMs, maxMessageTimeoutMs } = time;
  if (maxMessageTimeoutMs < messageTimeoutMs) return { waitMs: plainWaitMs(wantedMs, time), overrideMs: null };
  const waitMs = Math.max(0, Math.min(wantedMs, maxMessageTimeoutMs - waitMarginMs));
  return { waitMs, overrideMs: waitMs === 0 ? null : Math.min(maxMessageTimeoutMs, waitMs + messageTimeoutMs) };
}
