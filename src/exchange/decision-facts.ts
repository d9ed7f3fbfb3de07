import type { JsonObject, JsonValue } from '../lib/json.ts';
import type { Decision } from '../policy/decision.ts';

/** A decision as it stands on record. What a replay compares is made by the same function. */
export function decisionFacts(decision: Decision): JsonObject {
  return {
    action: decision.action,
    rules: decision.rules,
    reasons: decision.reasons.map(({ rule, message }) => ({ rule, message })),
    redact: decision.redact.map(
      ({ entity, method, roles, minScore }): JsonValue => ({
        entity,
        method,
        ...(roles ? { roles } : {}),
        ...(minScore === undefined ? {} : { min_score: minScore }),
      }),
    ),
    ...(decision.restore.length > 0
      ? { restore: decision.restore.map(({ entity, tools = false }) => ({ entity, tools })) }
      : {}),
    ...(decision.omit.length > 0 ? { omit: decision.omit.map(({ blocks }) => ({ blocks })) } : {}),
    labels: decision.labels,
    capture: decision.capture,
  };
}
