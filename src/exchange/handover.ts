import { equalBytes, hmacSha256 } from '../lib/hash.ts';
import { canonicalJson, isJsonObject, type JsonObject, jsonObjectOf } from '../lib/json.ts';

/** What ext_authz found out about an exchange, carried to ext_proc by Envoy's dynamic metadata. */
export interface HandedOver {
  readonly exchangeId: string;
  readonly session: string;
  /** Hex SHA-256 of the body that was judged. */
  readonly bodyDigest: string;
  /** The Subject, as JSON. */
  readonly subject: JsonObject;
  readonly policyRevision: string;
  /** What the decision says of recording bodies. */
  readonly capture: 'full' | 'masked' | 'metadata';
  /** What the response phase tells policy of the request. */
  readonly asked: {
    readonly dialect: string;
    readonly operation: string;
    readonly model: string | null;
    readonly stream: boolean;
  };
  /** Wall clock, milliseconds: a verdict is good for its own exchange, not for later. */
  readonly decidedAtMs: number;
}

const ageMsMax = 300_000;

/**
 * Dynamic metadata is written by Envoy's filters, never by a client; the MAC is the second lock, for listeners where some other
 * filter copies request headers into metadata. Replicas that share traffic must share the key.
 */
export function sealHandover(key: Uint8Array, handed: HandedOver): JsonObject {
  const content = canonicalJson({ ...handed, asked: { ...handed.asked } });
  return { content, mac: mac(key, content) };
}

/** Null when the object is not one of ours, was altered, or is too old: then the exchange is refused, never re-decided silently. */
export function openHandover(key: Uint8Array, sealed: JsonObject, nowMs: number): HandedOver | null {
  const content = sealed['content'];
  const claimed = sealed['mac'];
  if (typeof content !== 'string' || typeof claimed !== 'string') return null;
  if (!equalBytes(Buffer.from(claimed), Buffer.from(mac(key, content)))) return null;
  const value = jsonObjectOf(content);
  if (value === null) return null;
  const { exchangeId, session, bodyDigest, subject, policyRevision, capture, asked, decidedAtMs } = value;
  if (
    typeof exchangeId !== 'string' ||
    typeof session !== 'string' ||
    typeof bodyDigest !== 'string' ||
    !isJsonObject(subject) ||
    typeof policyRevision !== 'string' ||
    (capture !== 'full' && capture !== 'masked' && capture !== 'metadata') ||
    !isJsonObject(asked) ||
    typeof decidedAtMs !== 'number'
  ) {
    return null;
  }
  if (Math.abs(nowMs - decidedAtMs) > ageMsMax) return null;
  return {
    exchangeId,
    session,
    bodyDigest,
    subject,
    policyRevision,
    capture,
    asked: {
      dialect: typeof asked['dialect'] === 'string' ? asked['dialect'] : 'none',
      operation: typeof asked['operation'] === 'string' ? asked['operation'] : 'unknown',
      model: typeof asked['model'] === 'string' ? asked['model'] : null,
      stream: asked['stream'] === true,
    },
    decidedAtMs,
  };
}

function mac(key: Uint8Array, content: string): string {
  return hmacSha256(key, `countersign/v1/handover\0${content}`).toString('base64url');
}
