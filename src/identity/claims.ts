import { isJsonObject, type JsonObject, type JsonValue } from '../lib/json.ts';
import { err, ok, type Result } from '../lib/result.ts';
import type { Subject } from './subject.ts';

/**
 * The place of a claim. The whole text is tried as one claim name first (`https://example.com/groups`), then as names
 * joined by dots (`realm_access.roles`).
 */
export type ClaimPath = string;

/** True of tokens that no person stands behind: any one rule is enough. */
export type ServiceRule =
  | { readonly claim: ClaimPath; readonly equals: string }
  | { readonly claim: ClaimPath; readonly equalsClaim: ClaimPath }
  | { readonly claim: ClaimPath; readonly startsWith: string };

/** How one issuer's claims become a Subject. */
export interface ClaimRules {
  readonly subject: ClaimPath;
  /** Where group and role names stand; those of all places are joined. An array of strings, or one string with spaces. */
  readonly groups: readonly ClaimPath[];
  readonly roles: readonly ClaimPath[];
  /** A claim that must be there, or the one tenant that all callers of this issuer belong to. */
  readonly tenant: { readonly claim: ClaimPath } | { readonly fixed: string };
  /** The first that holds a text is shown to reviewers. */
  readonly displayName: readonly ClaimPath[];
  /** People who own a service account. */
  readonly owners: ClaimPath | null;
  /** The address of the token's subject; null or absent: it is not read. */
  readonly email?: ClaimPath | null;
  /** RFC 8693 section 4.1 `act`; null: delegation is not looked at. */
  readonly actor: ClaimPath | null;
  readonly service: readonly ServiceRule[];
  /** Top-level names of claims that policy and the record may see; every other claim is forgotten. */
  readonly keep: readonly string[];
}

const displayNameCharsMax = 200;
/** Deep enough for any real claim; keeps every later walk over `claims` shallow. */
const claimDepthMax = 16;

/**
 * Reads a Subject out of verified claims. Strict where a right could hang on it: a group, role, owner, tenant or actor
 * claim of a wrong type is `claims_invalid`, never an empty list, because a rule may deny by membership.
 *
 * With `act` the one who calls is the current actor and the token's subject is the one acted for: the Subject is the
 * actor, always a service, `onBehalfOf` the token's subject. Groups and roles are those of the token (RFC 8693: only
 * the top-level claims and the current actor count).
 */
export function subjectFromClaims(claims: JsonObject, rules: ClaimRules): Result<Subject, 'claims_invalid'> {
  const issuer = claims['iss'];
  const id = text(read(claims, rules.subject));
  const groups = names(claims, rules.groups);
  const roles = names(claims, rules.roles);
  const owners = names(claims, rules.owners === null ? [] : [rules.owners]);
  const tenant = 'fixed' in rules.tenant ? rules.tenant.fixed : text(read(claims, rules.tenant.claim));
  const actor = rules.actor === null ? undefined : actorOf(read(claims, rules.actor));
  const kept = keep(claims, rules.keep);
  const email = emailOf(claims, rules.email ?? null);
  if (typeof issuer !== 'string' || !issuer.isWellFormed() || id === null || tenant === null || actor === null)
    return err('claims_invalid');
  if (groups === null || roles === null || owners === null || kept === null) return err('claims_invalid');
  const isService = actor !== undefined || rules.service.some((rule) => applies(claims, rule));
  return ok({
    authenticated: true,
    kind: isService ? 'service' : 'human',
    id: actor ?? id,
    issuer,
    tenant,
    displayName: displayName(claims, rules.displayName),
    groups,
    roles,
    claims: kept,
    workload: null,
    onBehalfOf: actor === undefined ? null : id,
    owners,
    ...(email === null ? {} : { email }),
  });
}

function read(claims: JsonObject, path: ClaimPath): JsonValue | undefined {
  if (Object.hasOwn(claims, path)) return claims[path];
  let at: JsonValue | undefined = claims;
  for (const name of path.split('.')) {
    if (!isJsonObject(at) || !Object.hasOwn(at, name)) return undefined;
    at = at[name];
  }
  return at;
}

/** A usable identifier: not empty, and well-formed so that it can stand in canonical JSON. */
function text(value: JsonValue | undefined): string | null {
  return typeof value === 'string' && value !== '' && value.isWellFormed() ? value : null;
}

/** Null when a claim is there but is no list of names. */
function names(claims: JsonObject, paths: readonly ClaimPath[]): readonly string[] | null {
  const found = new Set<string>();
  for (const path of paths) {
    const value = read(claims, path);
    if (value === undefined || value === null) {
      if (isElsewhere(claims, path)) return null;
      continue;
    }
    const list: readonly JsonValue[] | null =
      typeof value === 'string' ? value.split(' ').filter((name) => name !== '') : Array.isArray(value) ? value : null;
    if (list === null) return null;
    for (const item of list) {
      const name = text(item);
      if (name === null) return null;
      found.add(name);
    }
  }
  return [...found].sort();
}

/**
 * OpenID Connect Core section 5.6.2: `_claim_names` says that a claim exists but is kept elsewhere. Entra ID does so for a
 * member of more groups than fit into a token. To read that as "no groups" would switch off every rule about groups.
 */
function isElsewhere(claims: JsonObject, path: ClaimPath): boolean {
  const elsewhere = claims['_claim_names'];
  return isJsonObject(elsewhere) && Object.hasOwn(elsewhere, path.split('.')[0] ?? path);
}

/** Undefined: nobody acts. Null: somebody acts, but it is not said who. */
function actorOf(value: JsonValue | undefined): string | null | undefined {
  if (value === undefined) return undefined;
  if (!isJsonObject(value)) return null;
  return text(value['sub']) ?? text(value['client_id']);
}

function applies(claims: JsonObject, rule: ServiceRule): boolean {
  const value = read(claims, rule.claim);
  if (typeof value !== 'string' || value === '') return false;
  if ('equals' in rule) return value === rule.equals;
  if ('startsWith' in rule) return value.startsWith(rule.startsWith);
  return value === read(claims, rule.equalsClaim);
}

function displayName(claims: JsonObject, paths: readonly ClaimPath[]): string | null {
  for (const path of paths) {
    const value = text(read(claims, path));
    // Reviewers read this in a terminal or a page: no escape sequences, no text that turns direction.
    const shown = value?.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ').trim();
    if (shown) return [...shown].slice(0, displayNameCharsMax).join('');
  }
  return null;
}

/**
 * OpenID Connect Core section 5.1: `email`, unless `email_verified` says anything but that it is (some issuers say so in a text). No right
 * hangs on it, so an address that is none is no address; one that could name a second recipient or a header is none.
 */
function emailOf(claims: JsonObject, path: ClaimPath | null): string | null {
  const given = path === null ? undefined : read(claims, path);
  const verified = claims['email_verified'] ?? true;
  if (typeof given !== 'string' || given.length > 254) return null;
  return (verified === true || verified === 'true') && mailbox.test(given) ? given : null;
}

/** RFC 5321 section 4.1.2, less quoted local parts and address literals. */
const mailbox = /^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?$/;

function keep(claims: JsonObject, allowed: readonly string[]): JsonObject | null {
  const kept: Record<string, JsonValue> = {};
  for (const name of allowed) {
    const value = Object.hasOwn(claims, name) ? claims[name] : undefined;
    if (value === undefined) continue;
    if (!isSound(value, claimDepthMax)) return null;
    kept[name] = value;
  }
  return kept;
}

/** Can stand in canonical JSON: well-formed texts, bounded depth. */
function isSound(value: JsonValue, depth: number): boolean {
  if (typeof value === 'string') return value.isWellFormed();
  if (typeof value === 'number') return Number.isFinite(value);
  if (typeof value !== 'object' || value === null) return true;
  if (depth === 0) return false;
  return Object.entries(value).every(([name, inner]) => name.isWellFormed() && isSound(inner, depth - 1));
}
