import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { refusalToStatus } from '../../../src/api/approval-status.ts';
import type { Approval } from '../../../src/approval/approval.ts';
import { create } from '../../../src/approval/state-machine.ts';
import type { StoreRefusal } from '../../../src/approval/store.ts';
import * as replies from '../../../src/exchange/replies.ts';
import type { RejectedCredential } from '../../../src/identity/subject.ts';
import { Fault, type FaultCode, faultStatus } from '../../../src/lib/fault.ts';
import { createAnthropicMessages } from '../../../src/llm/anthropic-messages.ts';
import type { BodyError, Dialect } from '../../../src/llm/dialect.ts';
import { createOpenAiChat } from '../../../src/llm/openai-chat.ts';
import { faultToStatus } from '../../../src/rpc/status.ts';
import { held, startMs, terms } from '../../support/approvals.ts';
import { allowAll } from '../../support/exchange-deps.ts';

const root = new URL('../../..', import.meta.url).pathname;
const page = readFileSync(join(root, 'docs/errors.md'), 'utf8');

/** Rows of the tables of codes. */
const rows = [...page.matchAll(/^\| `([a-z0-9_]+)` \| (\d{3}) \| .* \| (yes|no) \|$/gm)].map(
  ([, code = '', told = '', retry = '']) => ({ code, status: Number(told), retry }),
);

// The compiler keeps these complete.
const bodyErrors: Readonly<Record<BodyError['kind'], true>> = {
  invalid_json: true,
  invalid_utf8: true,
  too_deep: true,
  too_many_values: true,
  body_too_large: true,
  unsupported_encoding: true,
  unsupported_media_type: true,
  invalid_framing: true,
  truncated: true,
};
const rejections: Readonly<Record<RejectedCredential, true>> = {
  malformed: true,
  unsigned: true,
  algorithm_not_allowed: true,
  unknown_issuer: true,
  unknown_key: true,
  bad_signature: true,
  wrong_audience: true,
  expired: true,
  not_yet_valid: true,
  claims_invalid: true,
};
const holds: Readonly<Record<Parameters<typeof replies.held>[0], true>> = {
  pending: true,
  rejected: true,
  expired: true,
  revoked: true,
};

function refusals(): replies.Refusal[] {
  return [
    ...keys(faultStatus).map((code) => replies.faultRefusal(new Fault(code, ''))),
    ...keys(bodyErrors).map((kind) => replies.unreadableRequest({ kind, message: '' })),
    ...keys(bodyErrors).map((kind) => replies.unreadableResponse({ kind, message: '' })),
    ...keys(holds).map((kind) => replies.held(kind, approval())),
    replies.unauthenticated('expired'),
    ...keys(holds).map((kind) => replies.heldAnswer(kind, approval())),
    replies.noTimeToApprove(),
    replies.reasonRequired(),
    replies.maskingNotPossible(),
    replies.signedText(),
    replies.denied({ ...allowAll, action: 'deny' }),
  ];
}

describe('codes', () => {
  test.each(refusals())('$code, with its status and whether to retry', (refusal) => {
    const reply = replies.replyOf(refusal, createOpenAiChat(), 'x');
    const retry = reply.headers.get('x-should-retry') === 'true' ? 'yes' : 'no';
    expect(rows).toContainEqual({ code: refusal.code, status: refusal.status, retry });
  });

  test('of the shipped policies', () => {
    expect(rows).toEqual(expect.arrayContaining(policyCodes()));
  });

  test('and no other', () => {
    const known = new Set([...refusals(), ...policyCodes()].map(({ code }) => code));
    expect(rows.filter(({ code }) => !known.has(code))).toEqual([]);
  });

  test.each(keys(rejections))('reason %s of a token', (reason) => {
    expect(page).toMatch(new RegExp(`^\\| \`${reason}\` \\| .+ \\|$`, 'm'));
  });
});

test('headers', () => {
  const names = refusals().flatMap((refusal) => [...replies.replyOf(refusal, createOpenAiChat(), 'x').headers.keys()]);
  const [, section = ''] = /## Headers\n(.*?)\n## /s.exec(page) ?? [];
  const told = [...section.matchAll(/^\| `([a-z-]+)` \|/gm)].map((match) => match[1]);
  expect(told.sort()).toEqual([...new Set(names)].sort());
});

describe('bodies', () => {
  const exchange = '0197b7a0-5c1d-7b5e-a1b2-c3d4e5f60718';
  const examples = [...page.matchAll(/```(json|sse)\n(.*?)```/gs)].map((match) => match[2] ?? '');
  const dialects: readonly (readonly [number, Dialect])[] = [
    [0, createOpenAiChat()],
    [1, createAnthropicMessages()],
  ];

  test.each(dialects)('example %i is what its dialect says', (index, dialect) => {
    const waiting = replies.replyOf(replies.held('pending', approval()), dialect, exchange);
    expect(JSON.parse(examples[index] ?? '')).toEqual(JSON.parse(waiting.body.toString()));
    const failed = dialect.errorEvent({ ...replies.faultRefusal(new Fault('masking_failed', '')), exchange });
    expect(examples[index + 2]).toBe(failed.toString().trimEnd().concat('\n'));
  });
});

describe('the gRPC API', () => {
  test.each(storeRefusals())('$kind', (refusal) => {
    const { code, details } = refusalToStatus(refusal);
    expect(details.split(':')[0]).toBe(refusal.kind);
    expect(page).toMatch(new RegExp(`^\\| \`${refusal.kind}\` \\| ${status[code]} \\| .+ \\|$`, 'm'));
  });

  test.each(keys(faultStatus))('fault %s', (code) => {
    const [, faults = ''] = /Faults have their code as details: (.*)$/s.exec(page) ?? [];
    const clause = faults.split(';').find((part) => part.includes(`\`${code}\``));
    expect(clause?.trim().split(' ')[0]).toBe(status[faultToStatus(new Fault(code, '')).code]);
  });
});

/** Pending for thirteen hours from midnight on. */
function approval(): Approval {
  return create('0197b7a0-5c1e-7cc3-98c2-0b1c2d3e4f50', 'digest', held(), terms({ ttlS: 13 * 3_600 }), startMs);
}

/** What the shipped rules and main.rego can answer, from their sources. */
function policyCodes(): { code: string; status: number; retry: string }[] {
  const folder = join(root, 'policies');
  const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.rego') && !path.endsWith('_test.rego'))
    .map((path) => readFileSync(join(folder, path), 'utf8'));
  const found: { code: string; status: number; retry: string }[] = [];
  for (const source of sources) {
    for (const match of source.matchAll(/\{[^{}]*"code": "([a-z_]+)"[^{}]*\}/g)) {
      const told = Number(/"status": (\d+)/.exec(match[0])?.[1] ?? 403);
      found.push({
        code: match[1] ?? '',
        status: told,
        retry: told === 503 && match[1] !== 'policy_misconfigured' ? 'yes' : 'no',
      });
    }
  }
  return found;
}

function storeRefusals(): StoreRefusal[] {
  const first = {
    by: { issuer: 'i', id: 'bob', displayName: null },
    groups: [],
    verdict: 'approve',
    reason: null,
  } as const;
  const all: { readonly [Kind in StoreRefusal['kind']]: Extract<StoreRefusal, { kind: Kind }> } = {
    already_resolved: { kind: 'already_resolved', state: 'rejected', first: { ...first, atMs: 0 } },
    already_decided: { kind: 'already_decided', first: { ...first, atMs: 0 } },
    own_request: { kind: 'own_request' },
    not_approver: { kind: 'not_approver', groups: ['g'] },
    seat_filled: { kind: 'seat_filled', groups: ['g'] },
    not_break_glass: { kind: 'not_break_glass', groups: ['g'] },
    not_human: { kind: 'not_human' },
    not_requester: { kind: 'not_requester' },
    reason_required: { kind: 'reason_required' },
    reason_too_long: { kind: 'reason_too_long', charsMax: 1_000 },
    not_approved: { kind: 'not_approved' },
    not_due: { kind: 'not_due', untilMs: 0 },
    due: { kind: 'due' },
    not_found: { kind: 'not_found' },
    lost_race: { kind: 'lost_race' },
  };
  return Object.values(all);
}

function keys<K extends string>(record: Readonly<Record<K, unknown>>): K[] {
  return Object.keys(record).filter((key): key is K => key in record);
}

// `FaultCode` is used so that a new code fails here first.
faultStatus satisfies Readonly<Record<FaultCode, number>>;
