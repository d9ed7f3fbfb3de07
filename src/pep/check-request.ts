import type { RequestHead } from '../exchange/exchange.ts';
import type { Address } from '../gen/envoy/config/core/v3/address.ts';
import type { AttributeContext_HttpRequest } from '../gen/envoy/service/auth/v3/attribute_context.ts';
import type { CheckRequest } from '../gen/envoy/service/auth/v3/external_auth.ts';
import { Fault } from '../lib/fault.ts';
import { createHeaderBlock, namespaces } from './request-head.ts';

/** What ext_authz asks about. */
export interface CheckedRequest {
  readonly head: RequestHead;
  /** Null: there is none, or Envoy was not told to send it (`with_request_body`). */
  readonly body: Buffer | null;
  /** The request has a body, and Envoy shows none of it. */
  readonly isBodyWithheld: boolean;
  /** The body is longer than what Envoy sent of it. */
  readonly isTruncated: boolean;
}

/** Throws a Fault when the request says nothing of an HTTP request. */
export function checkedRequest(request: CheckRequest): CheckedRequest {
  const attributes = request.attributes;
  const http = attributes?.request?.http;
  if (attributes === undefined || http === undefined) {
    throw new Fault('protocol_violation', 'a CheckRequest without attributes.request.http');
  }
  const { headers, pseudo } = headerBlock(http);
  const principal = attributes.source?.principal ?? '';
  const head: RequestHead = {
    method: http.method || (pseudo.get(':method') ?? ''),
    path: http.path || (pseudo.get(':path') ?? ''),
    host: http.host || (pseudo.get(':authority') ?? ''),
    headers,
    source: { address: addressText(attributes.source?.address), principal: principal === '' ? null : principal },
    destination: addressText(attributes.destination?.address),
    contextExtensions: attributes.contextExtensions,
    metadata: namespaces(attributes.metadataContext),
  };
  const body = bodyOf(http);
  // `size` is the content-length, -1 when there is none.
  const isShort = body !== null && http.size > BigInt(body.length);
  // Without `with_request_body` Envoy shows none, whatever the client sent.
  const isBodyWithheld = body === null && (http.size > 0n || headers.has('transfer-encoding'));
  return { head, body, isBodyWithheld, isTruncated: isShort || headers.get('x-envoy-auth-partial-body') === 'true' };
}

/** Either the map, whose values Envoy joined already, or (`encode_raw_headers`) the list. */
function headerBlock(http: AttributeContext_HttpRequest): ReturnType<typeof createHeaderBlock> {
  const block = createHeaderBlock();
  for (const [name, value] of Object.entries(http.headers)) block.add(name, value);
  for (const { key, value, rawValue } of http.headerMap?.headers ?? []) {
    block.add(key, rawValue.length > 0 ? rawValue.toString('utf8') : value);
  }
  return block;
}

/** `raw_body` with `pack_as_bytes`, else `body`. */
function bodyOf(http: AttributeContext_HttpRequest): Buffer | null {
  if (http.rawBody.length > 0) return http.rawBody;
  return http.body === '' ? null : Buffer.from(http.body, 'utf8');
}

/** `10.0.0.1:443`, as the CEL attribute `source.address` has it. */
function addressText(address: Address | undefined): string {
  if (address?.address?.$case === 'pipe') return address.address.value.path;
  if (address?.address?.$case !== 'socketAddress') return '';
  const { address: host, portSpecifier } = address.address.value;
  const text = host.includes(':') ? `[${host}]` : host;
  return portSpecifier === undefined ? text : `${text}:${portSpecifier.value}`;
}
