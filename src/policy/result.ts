import { z } from 'zod';
import { Fault } from '../lib/fault.ts';
import { limits } from '../lib/limits.ts';
import { partialKeepMax } from '../mask/plan.ts';
import type { Decision } from './decision.ts';

const message = z.string().min(1).max(1000);
const name = z.string().min(1).max(256);
const seconds = z
  .int()
  .positive()
  .max(366 * 24 * 3600);

const redaction = z
  .strictObject({
    entity: z.string().regex(/^[A-Z0-9_*]{1,128}$/),
    method: z.enum(['label', 'token', 'surrogate', 'partial', 'hash', 'drop']),
    roles: z.array(name).max(16).optional(),
    min_score: z.number().min(0).max(1).optional(),
    keep: z.int().min(1).max(partialKeepMax).optional(),
  })
  .transform(({ entity, method, roles, min_score, keep }) => ({
    entity,
    method,
    ...(roles === undefined ? {} : { roles }),
    ...(min_score === undefined ? {} : { minScore: min_score }),
    ...(keep === undefined ? {} : { keep }),
  }));

const restoration = z
  .strictObject({ entity: z.string().regex(/^[A-Z0-9_*]{1,128}$/), tools: z.boolean().optional() })
  .transform(({ entity, tools }) => (tools === undefined ? { entity } : { entity, tools }));

const omission = z.strictObject({ blocks: z.enum(['signed', 'encrypted']) });

const denial = z.strictObject({
  status: z.int().min(400).max(599),
  code: z.string().regex(/^[a-z][a-z0-9_]{0,63}$/),
  message,
});

const hold = z
  .strictObject({
    approvers: z.strictObject({
      groups: z.array(name).min(1).max(64),
      quorum: z.int().min(1).max(16),
      match: z.enum(['any', 'all']).default('any'),
    }),
    ttl_s: seconds,
    wait_s: z.int().min(0).max(limits.holdWaitSecondsMax),
    grant: z.strictObject({ uses: z.int().min(1).max(limits.grantUsesMax), ttl_s: seconds }),
    require_reason: z.boolean(),
    require_requester_reason: z.boolean().default(false),
    return_reason: z.boolean().default(true),
    allow_self_approval: z.boolean().default(false),
    break_glass: z.strictObject({ groups: z.array(name).max(64) }).default({ groups: [] }),
  })
  .transform((terms) => ({
    approverGroups: terms.approvers.groups,
    groupMatch: terms.approvers.match,
    quorum: terms.approvers.quorum,
    ttlS: terms.ttl_s,
    waitS: terms.wait_s,
    grant: { uses: terms.grant.uses, ttlS: terms.grant.ttl_s },
    requireReason: terms.require_reason,
    requireRequesterReason: terms.require_requester_reason,
    returnReason: terms.return_reason,
    allowSelf: terms.allow_self_approval,
    breakGlassGroups: terms.break_glass.groups,
  }));

const decision = z
  .strictObject({
    action: z.enum(['allow', 'hold', 'deny']),
    rules: z.array(name).max(256),
    reasons: z.array(z.strictObject({ rule: name, message })).max(256),
    redact: z.array(redaction).max(1024),
    restore: z.array(restoration).max(256).default([]),
    omit: z.array(omission).max(256).default([]),
    deny: denial.nullable(),
    hold: hold.nullable(),
    labels: z.record(z.string().min(1).max(64), z.string().max(1000)),
    capture: z.enum(['full', 'masked', 'metadata']),
  })
  .refine((result) => (result.action === 'deny') === (result.deny !== null), { path: ['deny'] })
  .refine((result) => (result.action === 'hold') === (result.hold !== null), { path: ['hold'] })
  .refine((result) => result.action === 'allow' || result.reasons.length > 0, { path: ['reasons'] });

/**
 * Validates what an entry point returned. Strict: a member that is not of the contract is as wrong as one that is
 * missing, because it may be a misspelt obligation. Throws Fault `policy_failed` naming the place, never a value.
 */
export function parseDecision(result: unknown): Decision {
  const parsed = decision.safeParse(result);
  if (parsed.success) return parsed.data;
  const places = parsed.error.issues.slice(0, 3).map((issue) => `${issue.path.join('.') || 'result'} (${issue.code})`);
  throw new Fault('policy_failed', `the policy's result is malformed at ${places.join(', ')}`);
}
