import type { ClientError, Dialect, ErrorBody, StreamPlace } from './dialect.ts';
import { exceptionFrame } from './eventstream.ts';

/** The error object in the words that OpenAI's clients know, our code in `code`, our details beside it. */
export function openAiError(error: ClientError): { readonly error: Readonly<Record<string, string | null>> } {
  return {
    error: {
      ...error.details,
      message: error.message,
      type: openAiErrorType(error),
      code: error.code,
      param: null,
      exchange: error.exchange,
    },
  };
}

/** Errors as OpenAI's clients raise them. No `[DONE]` after the event: the SDK throws its APIError there and reads no further. */
export const openAiErrors: Pick<Dialect, 'errorBody' | 'errorEvent'> = {
  errorBody: (error) => jsonErrorBody(openAiError(error)),
  errorEvent: (error, place) => errorEventIn(place, null, openAiError(error)),
};

export function jsonErrorBody(value: unknown): ErrorBody {
  return { contentType: 'application/json', body: Buffer.from(JSON.stringify(value), 'utf8') };
}

/** For clients that pass on nothing of an error but its message: the code stands before it. */
export function codedMessage({ code, message }: ClientError): string {
  return `${code}: ${message}`;
}

/** One event with a JSON payload, framed as the stream is; `event` is its name where events have names. No place: SSE. */
export function errorEventIn(place: StreamPlace | undefined, event: string | null, value: unknown): Buffer {
  const payload = JSON.stringify(value);
  switch (place?.framing ?? 'sse') {
    case 'ndjson':
      return Buffer.from(`${payload}\n`, 'utf8');
    case 'json-array':
      return Buffer.from(`${place?.isFirst ? '[' : ',\n'}${payload}\n]`, 'utf8');
    case 'eventstream':
      return exceptionFrame('internalServerException', value);
    default:
      return Buffer.from(`${event === null ? '' : `event: ${event}\n`}data: ${payload}\n\n`, 'utf8');
  }
}

/** The `type` that OpenAI's API gives with a status (platform documentation, "Error codes"), but for what it knows nothing of. */
function openAiErrorType({ status, code }: ClientError): string {
  switch (status) {
    case 401:
      return 'authentication_error';
    case 403:
      // Not refused for good: agents may look for this, and come back.
      return code === 'approval_pending' ? 'approval_required' : 'permission_error';
    case 404:
      return 'not_found_error';
    case 429:
      return 'rate_limit_error';
    default:
      return status >= 500 ? 'server_error' : 'invalid_request_error';
  }
}
