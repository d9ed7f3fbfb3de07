import { expect, test } from 'vitest';
import type { AuditEntry } from '../../../src/audit/entry.ts';
import { createDetector } from '../../../src/detect/detector.ts';
import type { ServiceDeps } from '../../../src/exchange/deps.ts';
import { createExchangeService } from '../../../src/exchange/service.ts';
import { createPseudonyms } from '../../../src/exchange/session.ts';
import { anonymous } from '../../../src/identity/subject.ts';
import { systemClock } from '../../../src/lib/clock.ts';
import { Fault } from '../../../src/lib/fault.ts';
import { ok } from '../../../src/lib/result.ts';
import { createDialects } from '../../../src/llm/dialects.ts';
import { createSessionKeys } from '../../../src/mask/session-keys.ts';
import type { Decision } from '../../../src/policy/decision.ts';
import { noMetrics, silentLog } from '../../../src/telemetry/telemetry.ts';

const detector = createDetector({ tier: 'core' });

function deps(recorded: AuditEntry[]): ServiceDeps {
  const key = Buffer.alloc(32, 1);
  return {
    authenticator: { authenticate: async () => ok(anonymous) },
    selectDialect: createDialects(),
    detection: { current: () => detector },
    recognition: null,
    entities: new Set(),
    pdp: {
      current: () => {
        throw new Fault('policy_unavailable', 'none');
      },
    },
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
    settings: {
      tokenHeader: { header: 'x-token', scheme: null },
      forwardToken: false,
      sessionHeader: 'x-session-id',
      maskingScope: 'session',
      policyHeaders: [],
      holdWaitMsMax: 0,
      encoding: { requests: 'identity', answers: 'identity' },
      bodyBytesMax: 1024,
    },
  };
}

const head = {
  method: 'POST',
  path: '/v1/messages?key=hidden',
  host: 'h',
  headers: new Map([['content-type', 'application/json']]),
  source: { address: '', principal: null },
  destination: '',
  contextExtensions: {},
  metadata: {},
};
const options = { canRewrite: true, handover: null, isBodyWithheld: false };

test('a fault outside of the phases is answered in the dialect that the path suggests, and recorded', async () => {
  const recorded: AuditEntry[] = [];
  const service = createExchangeService(deps(recorded));
  const reply = service.faultReply(head, new Fault('protocol_violation', 'odd'));
  await Promise.resolve();
  expect([reply.status, reply.headers.get('x-countersign-exchange')]).toEqual([500, 'exchange-1']);
  expect(JSON.parse(reply.body.toString())).toMatchObject({ type: 'error', error: { code: 'protocol_violation' } });
  expect(recorded).toMatchObject([
    {
      kind: 'outcome',
      exchange: 'exchange-1',
      facts: { final: true, ended: 'refused', code: 'protocol_violation', path: '/v1/messages' },
    },
  ]);
  expect(JSON.stringify(recorded)).not.toContain('hidden');
});

test('a fault of which not even the request is known still has words', () => {
  const recorded: AuditEntry[] = [];
  const reply = createExchangeService(deps(recorded)).faultReply(null, new Fault('draining', 'soon gone'));
  expect([reply.status, recorded]).toEqual([503, []]);
});

test.each([
  { name: 'no policy', change: {}, want: [503, 'policy_unavailable'] },
  {
    name: 'no keys of the issuer',
    change: { authenticator: { authenticate: () => Promise.reject(new Fault('identity_unavailable', 'down')) } },
    want: [503, 'identity_unavailable'],
  },
  {
    name: 'a bug',
    change: {
      authenticator: {
        authenticate: () => {
          throw new TypeError('x is not a function');
        },
      },
    },
    want: [500, 'internal'],
  },
])('$name: refused, recorded, and nothing forwarded', async ({ change, want }) => {
  const recorded: AuditEntry[] = [];
  const service = createExchangeService({ ...deps(recorded), ...change });
  const verdict = await service.request(head, Buffer.from('{"messages":[]}'), options, new AbortController().signal);
  expect(verdict.kind === 'reply' && [verdict.reply.status, verdict.reply.headers.get('x-countersign-code')]).toEqual(
    want,
  );
  expect(recorded).toMatchObject([{ kind: 'outcome', facts: { final: true, code: want[1] } }]);
});

test('a record that cannot be written is its own refusal', async () => {
  const failing = { append: () => Promise.reject(new Fault('audit_unavailable', 'disk full')) };
  const service = createExchangeService({ ...deps([]), audit: failing });
  const verdict = await service.request({ ...head, headers: new Map() }, null, options, new AbortController().signal);
  // Without a policy the refusal is about the policy; its record fails as well, and the refusal stands.
  expect(verdict.kind === 'reply' && verdict.reply.status).toBe(503);
  const reply = service.faultReply(head, new Fault('internal', 'x'));
  expect(reply.status).toBe(500);
});

test('a policy that goes into service meanwhile changes neither what an exchange masks nor the revision on its record', async () => {
  const recorded: AuditEntry[] = [];
  const later = createDetector({ tier: 'core', allow: ['jane@corp.example'] });
  let now = detector;
  const decision: Decision = {
    action: 'allow',
    rules: [],
    reasons: [],
    redact: [{ entity: '*', method: 'label' }],
    restore: [],
    deny: null,
    hold: null,
    labels: {},
    capture: 'metadata',
  };
  const service = createExchangeService({
    ...deps(recorded),
    detection: { current: () => now },
    pdp: { current: () => ({ revision: 'sha256:00', evaluate: () => decision, decide: () => decision }) },
    recognition: {
      roles: new Set(['user']),
      onFailure: 'deny',
      recogniser: {
        entities: new Set(),
        recognise: async (texts) => {
          now = later;
          return { kind: 'found', findings: texts.map(() => []) };
        },
      },
    },
  });
  const said = { model: 'm', messages: [{ role: 'user', content: 'mail jane@corp.example' }] };
  const verdict = await service.request(
    { ...head, path: '/v1/chat/completions' },
    Buffer.from(JSON.stringify(said)),
    options,
    new AbortController().signal,
  );
  expect(verdict.kind === 'forward' && String(verdict.body)).toContain('mail EMAIL_ADDRESS_REDACTED');
  expect(recorded).toMatchObject([{ kind: 'intent', facts: { detectors: detector.revision } }]);
  if (verdict.kind !== 'forward') return;
  const answer = verdict.exchange.openResponse({ status: 200, headers: new Map([['content-type', 'text/plain']]) });
  answer.push(Buffer.from('mail jane@corp.example'));
  const end = await answer.finish();
  expect(String(end.tail)).toContain('EMAIL_ADDRESS_REDACTED');
  expect(later.revision).not.toBe(detector.revision);
});
