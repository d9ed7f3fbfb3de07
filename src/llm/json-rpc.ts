import type { ClientError, Dialect } from './dialect.ts';
import { errorEventIn, jsonErrorBody } from './error-body.ts';
import { type JsonNode, memberOf, stringMember } from './json-source.ts';
import { isIdentifier } from './tokens.ts';

/**
 * Errors as JSON-RPC 2.0 has them. Their `id` is null: whoever answers here has not told one call of a batch from another, and what the caller
 * wrote as its id is not repeated.
 */
export const jsonRpcErrors: Pick<Dialect, 'errorBody' | 'errorEvent'> = {
  errorBody: (error) => jsonErrorBody(jsonRpcError(error)),
  errorEvent: (error, place) => errorEventIn(place, null, jsonRpcError(error)),
};

/** The method that a body calls; `batch` for several, `response` for an answer to the other side, else `unknown`. */
export function methodOf(source: string, root: JsonNode): string {
  if (root.type === 'array') return 'batch';
  const method = stringMember(source, root, 'method');
  if (method !== null) return method.length <= 64 && isIdentifier(method) ? method : 'unknown';
  return memberOf(root, 'result') === undefined && memberOf(root, 'error') === undefined ? 'unknown' : 'response';
}

function jsonRpcError(error: ClientError): unknown {
  return {
    jsonrpc: '2.0',
    id: null,
    error: {
      code: error.code === 'invalid_json' ? parseError : serverError,
      message: error.message,
      data: { ...error.details, status: error.status, code: error.code, exchange: error.exchange },
    },
  };
}

/** JSON-RPC 2.0 section 5.1. */
const parseError = -32_700;
const serverError = -32_000;
