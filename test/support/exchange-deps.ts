import type { AuditEntry } from '../../src/audit/entry.ts';
import { createDetector } from '../../src/detect/detector.ts';
import type { ExchangeSettings, ServiceDeps } from '../../src/exchange/deps.ts';
import { createPseudonyms } from '../../src/exchange/session.ts';
import { anonymous } from '../../src/identity/subject.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { Fault } from '../../src/lib/fault.ts';
import { ok } from '../../src/lib/result.ts';
import { createDialects } from '../../src/llm/dialects.ts';
import { createSessionKeys } from '../../src/mask/session-keys.ts';
import type { Decision, PolicyInput } from '../../src/policy/decision.ts';
import { noMetrics, silentLog } from '../../src/telemetry/telemetry.ts';

/** Nothing is masked, held or denied. */
export const allowAll: Decision = {
  action: 'allow',
  rules: [],
  reasons: [],
  redact: [],
  restore: [],
  omit: [],
  deny: null,
  hold: null,
  labels: {},
  capture: 'full',
};

/** As they are without any configuration, or nearly: nobody waits. */
export const exchangeSettings: ExchangeSettings = {
  tokenHeader: { header: 'x-token', scheme: null },
  forwardToken: false,
  sessionHeader: 'x-session-id',
  maskingScope: 'session',
  policyHeaders: [],
  holdWaitMsMax: 0,
  encoding: { requests: 'identity', answers: 'identity' },
  bodyBytesMax: 65_536,
};

const detector = createDetector({ tier: 'core' });
const key = Buffer.alloc(32, 1);

/**
 * What an exchange service stands on, with the real detector, dialects and keys: anonymous callers, this policy, nobody to approve, a
 * record in an array.
 */
export function exchangeDeps(
  recorded: AuditEntry[],
  decide: (input: PolicyInput) => Decision,
  settings: Partial<ExchangeSettings> = {},
): ServiceDeps {
  return {
    authenticator: { authenticate: async () => ok(anonymous) },
    selectDialect: createDialects(),
    detection: { current: () => detector },
    recognition: null,
    entities: new Set(),
    pdp: { current: () => ({ revision: 'sha256:00', evaluate: decide, decide }) },
    gate: { pass: () => Promise.reject(new Fault('approval_unavailable', 'none')) },
    audit: {
      append: async (entry) => {
        recorded.push(entry);
        return { id: 'r', sequence: BigInt(recorded.length) };
      },
    },
    clock: systemClock,
    newId: () => 'exchange-1',
    log: silentLog,
    metrics: noMetrics,
    keys: {
      placeholder: createSessionKeys({ clock: systemClock, entities: new Set() }, [
        { id: 'k', secret: key, fromMs: 0 },
      ]),
      handover: key,
      pseudonym: createPseudonyms(key),
    },
    settings: { ...exchangeSettings, ...settings },
  };
}
