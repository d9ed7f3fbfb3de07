import type { AuditEntry } from '../../src/audit/entry.ts';
import type { FileLog } from '../../src/audit/file-log.ts';
import { nodeFs } from '../../src/audit/fs-port.ts';
import { createRenderer, type Format } from '../../src/audit/sinks/format.ts';
import { defaultProjection } from '../../src/audit/sinks/projection.ts';
import {
  type Shipper,
  type ShipperLimits,
  type ShipperOptions,
  shipperLimits,
  startShipper,
} from '../../src/audit/sinks/shipper.ts';
import type { Sink } from '../../src/audit/sinks/sink.ts';
import { createPooledRandom } from '../../src/lib/ids.ts';
import { testOrigin } from './audit.ts';
import { eventually } from './eventually.ts';

export const testProduct = { version: '1.2.3', host: 'gw-0' };

/** Facts as an exchange has them, made up. */
export function maskedIntent(exchange: string): AuditEntry {
  return {
    kind: 'intent',
    exchange,
    session: 'session-1',
    facts: {
      method: 'POST',
      host: 'api.example.com',
      path: '/v1/chat/completions',
      dialect: 'openai.chat',
      operation: 'chat',
      model: 'scripted-1',
      stream: true,
      tools: [],
      uninspected: [],
      caller: {
        pseudonym: 'p-1234',
        kind: 'human',
        issuer: 'https://idp.example.com',
        tenant: 'acme',
        groups: ['engineering'],
        roles: ['developer'],
      },
      policy: { revision: `sha256:${'ab'.repeat(32)}` },
      decision: {
        action: 'allow',
        rules: ['pii'],
        reasons: [{ rule: 'pii', message: 'personal data is masked' }],
        redact: [],
        labels: {},
        capture: 'full',
      },
      detectors: 'd-1',
      findings: [{ entity: 'CREDIT_CARD', detector: 'card', role: 'user', count: 2 }],
      masked: [{ entity: 'CREDIT_CARD', method: 'token', count: 2 }],
      trace: { id: '0af7651916cd43dd8448eb211c80319c', span: 'b7ad6b7169203331' },
      source: '192.0.2.7:51022',
      t: { received: '1795376943123456789', decided: '1795376943124456789' },
    },
    bodies: {},
  };
}

export function completeOutcome(exchange: string): AuditEntry {
  return {
    kind: 'outcome',
    exchange,
    session: 'session-1',
    facts: {
      final: false,
      ended: 'complete',
      status: 200,
      content_type: 'text/event-stream',
      model: 'scripted-1-2026-09',
      usage: { in: 812, out: 344 },
      finish: ['stop'],
      masked: [],
      uninspected: [],
      bytes: { received: 10, released: 10 },
      output_truncated: false,
      t: { forwarded: '1795376943125456789', first_byte: '1795376943525456789', ended: '1795376944010456789' },
    },
    bodies: {},
  };
}

export function refusedOutcome(exchange: string, code = 'policy_denied'): AuditEntry {
  return {
    ...maskedIntent(exchange),
    kind: 'outcome',
    facts: {
      ...maskedIntent(exchange).facts,
      masked: [],
      decision: {
        action: 'deny',
        rules: ['models'],
        reasons: [{ rule: 'models', message: 'this model is not allowed' }],
        redact: [],
        labels: {},
        capture: 'full',
      },
      final: true,
      ended: 'refused',
      code,
      status: 403,
    },
  };
}

export const fastLimits: ShipperLimits = {
  ...shipperLimits,
  batchWaitMs: 10,
  pollMs: 5,
  deadlineMs: 2_000,
  flushMs: 20,
};

export function startTestShipper(
  log: string,
  state: string,
  sink: Sink,
  options: Partial<ShipperOptions> & { readonly format?: Format } = {},
): Promise<Shipper> {
  return startShipper({
    name: 'test',
    log,
    state,
    sink,
    renderer: createRenderer(options.format ?? 'record', defaultProjection, testProduct, testOrigin),
    readPrompt: null,
    limits: fastLimits,
    fs: nodeFs,
    random: createPooledRandom(),
    nowMs: Date.now,
    ...options,
  });
}

/** Waits until a checkpoint covers everything that was appended. */
export function published(log: FileLog): Promise<boolean> {
  return eventually('a checkpoint over all records', () => {
    const { records, checkpointed } = log.health();
    return checkpointed === records ? true : undefined;
  });
}
