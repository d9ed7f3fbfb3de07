import type { JsonObject, JsonValue } from '../lib/json.ts';
import type { Decision } from '../policy/decision.ts';

/** A decision as it stands on record, its members in order. What a replay compares is made by the same function. */
export function decisionFacts(decision: Decision): JsonObject {
  return {
    action: decision.action,
    capture: decision.capture,
    labels: decision.labels,
    ...(decision.omit.length > 0 ? { omit: decision.omit.map(({ blocks }) => ({ blocks })) } : {}),
    reasons: decision.reasons.map(({ rule, message }) => ({ message, rule })),
    redact: decision.redact.map(
      ({ entity, method, roles, minScore }): JsonValue => ({
        entity,
        method,
        ...(minScore === undefined ? {} : { min_score: minScore }),
        ...(roles ? { roles } : {}),
      }),
    ),
    ...(decision.restore.length > 0
      ? { restore: decision.restore.map(({ entity, tools = false }) => ({ entity, tools })) }
      : {}),
    rules: decision.rules,
  };
}
