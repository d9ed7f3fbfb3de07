import type { RequestHead, ResponseHead } from '../exchange/exchange.ts';
import type { Metadata } from '../gen/envoy/config/core/v3/base.ts';
import type { JsonObject, JsonValue } from '../lib/json.ts';

/** Headers as they are read: names lower-case, pseudo headers apart. */
export interface HeaderBlock {
  readonly headers: Map<string, string>;
  /** `:method`, `:path`, `:authority`, `:status`, where present. */
  readonly pseudo: Map<string, string>;
  /** A repeated header is joined by `, ` (RFC 9110 section 5.3), a cookie by `; ` (RFC 9113 section 8.2.3). */
  add(name: string, value: string): void;
}

export function createHeaderBlock(): HeaderBlock {
  const headers = new Map<string, string>();
  const pseudo = new Map<string, string>();
  return {
    headers,
    pseudo,
    add: (name, value) => {
      if (name.startsWith(':')) {
        pseudo.set(name, value);
        return;
      }
      const key = name.toLowerCase();
      const before = headers.get(key);
      headers.set(key, before === undefined ? value : `${before}${key === 'cookie' ? '; ' : ', '}${value}`);
    },
  };
}

/** What Envoy tells beside the headers. */
export interface Surroundings {
  readonly metadata: JsonObject | null;
  readonly attributes: JsonObject | null;
}

/**
 * The head of a request from ext_proc. Headers that Envoy does not send (request_header_mode SKIP) leave an empty head, about which
 * the exchange decides as about any other.
 */
export function requestHead(block: HeaderBlock | null, around: Surroundings): RequestHead {
  const { source, destination, rest } = peers(around.attributes);
  return {
    method: block?.pseudo.get(':method') ?? '',
    path: block?.pseudo.get(':path') ?? '',
    host: block?.pseudo.get(':authority') ?? '',
    headers: block?.headers ?? new Map(),
    source,
    destination,
    contextExtensions: rest,
    metadata: around.metadata ?? {},
  };
}

/** Status 0: Envoy did not send the headers (response_header_mode SKIP). */
export function responseHead(block: HeaderBlock | null): ResponseHead {
  const status = Number(block?.pseudo.get(':status') ?? 0);
  return { status: Number.isInteger(status) ? status : 0, headers: block?.headers ?? new Map() };
}

/** The attributes that say who is connected, and the others, by their CEL names. */
function peers(attributes: JsonObject | null): {
  readonly source: RequestHead['source'];
  readonly destination: string;
  readonly rest: Readonly<Record<string, string>>;
} {
  if (attributes === null) return nobody;
  const rest: Record<string, string> = {};
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean')
      rest[name] = String(value);
  }
  return {
    source: {
      address: text(attributes['source.address']),
      principal:
        text(attributes['connection.uri_san_peer_certificate']) ||
        text(attributes['connection.dns_san_peer_certificate']) ||
        text(attributes['connection.subject_peer_certificate']) ||
        null,
    },
    destination: text(attributes['destination.address']),
    rest,
  };
}

const nobody = { source: { address: '', principal: null }, destination: '', rest: {} } as const;

function text(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value : '';
}

/** Dynamic metadata by namespace, as data. */
export function namespaces(metadata: Metadata | undefined): JsonObject {
  const found: { [namespace: string]: JsonValue } = {};
  for (const [namespace, fields] of Object.entries(metadata?.filterMetadata ?? {})) {
    if (fields !== undefined) found[namespace] = fields;
  }
  return found;
}
