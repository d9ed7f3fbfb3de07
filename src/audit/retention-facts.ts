import { isJsonObject, type JsonObject, type JsonValue } from '../lib/json.ts';
import type { HoldScope } from './retention-plan.ts';

/** How orders, scopes and ranges stand in the facts of a record. What is read back is taken as far as it has the right type. */

/** Who wants something held, released or erased, as verified, and why. */
export interface Order {
  readonly by: { readonly issuer: string; readonly id: string };
  readonly tenant: string;
  readonly groups: readonly string[];
  readonly reason: string;
}

export function orderFacts({ by, tenant, groups, reason }: Order): JsonObject {
  return { by: { issuer: by.issuer, id: by.id }, tenant, groups, reason };
}

export function orderOf(facts: JsonObject): Order {
  const by = isJsonObject(facts['by']) ? facts['by'] : {};
  return {
    by: { issuer: text(by['issuer']), id: text(by['id']) },
    tenant: text(facts['tenant']),
    groups: texts(facts['groups']),
    reason: text(facts['reason']),
  };
}

export function scopeFacts({ tenant, subject, session, exchange, fromMs, untilMs }: HoldScope): JsonObject {
  return {
    ...(tenant === undefined ? {} : { tenant }),
    ...(subject === undefined ? {} : { subject }),
    ...(session === undefined ? {} : { session }),
    ...(exchange === undefined ? {} : { exchange }),
    ...(fromMs === undefined ? {} : { from: new Date(fromMs).toISOString() }),
    ...(untilMs === undefined ? {} : { until: new Date(untilMs).toISOString() }),
  };
}

export function scopeOf(value: JsonValue | undefined): HoldScope {
  if (!isJsonObject(value)) return {};
  const { tenant, subject, session, exchange, from, until } = value;
  return {
    ...(typeof tenant === 'string' ? { tenant } : {}),
    ...(typeof subject === 'string' ? { subject } : {}),
    ...(typeof session === 'string' ? { session } : {}),
    ...(typeof exchange === 'string' ? { exchange } : {}),
    ...(typeof from === 'string' ? { fromMs: Date.parse(from) } : {}),
    ...(typeof until === 'string' ? { untilMs: Date.parse(until) } : {}),
  };
}

/** The ranges of records that an `expire` names. */
export function rangesOf(value: JsonValue | undefined): { first: number; last: number }[] {
  return (Array.isArray(value) ? value : []).filter(isJsonObject).map((range) => ({
    first: Number(range['first']),
    last: Number(range['last']),
  }));
}

export function texts(value: JsonValue | undefined): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

export function text(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value : '';
}
