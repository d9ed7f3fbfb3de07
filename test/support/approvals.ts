import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HeldRequest, Person } from '../../src/approval/approval.ts';
import type { Actor } from '../../src/approval/state-machine.ts';
import type { Clock } from '../../src/lib/clock.ts';
import type { NewId } from '../../src/lib/ids.ts';
import type { HoldTerms } from '../../src/policy/decision.ts';

export const startMs: number = Date.UTC(2026, 0, 1);

/** A clock that stands still until it is moved. */
export interface HandClock extends Clock {
  move(ms: number): void;
}

export function handClock(atMs: number = startMs): HandClock {
  let now = atMs;
  return {
    nowMs: () => now,
    nowNs: () => BigInt(now) * 1_000_000n,
    monoNs: () => BigInt(now) * 1_000_000n,
    move: (ms) => {
      now += ms;
    },
  };
}

/** Ids that sort by the order in which they were made, as UUID version 7 does. */
export function countingIds(prefix = 'id'): NewId {
  let made = 0;
  return () => {
    made += 1;
    return `${prefix}-${String(made).padStart(6, '0')}`;
  };
}

export function person(id: string, issuer = 'https://issuer.example'): Person {
  return { issuer, id, displayName: null };
}

export function actor(id: string, groups: readonly string[] = ['reviewers'], tenant = 'acme'): Actor {
  return { person: person(id), kind: 'human', tenant, groups };
}

export function held(changes: Partial<HeldRequest> = {}): HeldRequest {
  return {
    tenant: 'acme',
    requester: person('rita'),
    requesterKind: 'human',
    onBehalfOf: null,
    excluded: [],
    resource: { host: 'api.example', path: '/v1/chat/completions', dialect: 'openai.chat', model: 'gpt' },
    direction: 'request',
    exchange: 'exchange-1',
    session: 'session-1',
    rules: ['production_code'],
    reasons: ['code for production needs a second pair of eyes'],
    requesterReason: null,
    findings: [{ entity: 'CREDIT_CARD', count: 1 }],
    maskedView: 'user: deploy with card CREDIT_CARD',
    policyRevision: 'sha256:00',
    ...changes,
  };
}

export function terms(changes: Partial<HoldTerms> = {}): HoldTerms {
  return {
    approverGroups: ['reviewers'],
    quorum: 1,
    ttlS: 600,
    waitS: 30,
    grant: { uses: 1, ttlS: 300 },
    requireReason: false,
    groupMatch: 'any',
    requireRequesterReason: false,
    returnReason: true,
    allowSelf: false,
    breakGlassGroups: [],
    ...changes,
  };
}

/** An empty directory and the way to be rid of it. */
export function scratch(name: string): { readonly directory: string; remove(): void } {
  const directory = mkdtempSync(join(tmpdir(), `countersign-${name}-`));
  return { directory, remove: () => rmSync(directory, { recursive: true, force: true }) };
}
