import type { ClientError, ErrorBody } from './dialect.ts';

/** The error object in the words that OpenAI's clients know, our code in `code`, our details beside it. */
export function openAiError(error: ClientError): { readonly error: Readonly<Record<string, string | null>> } {
  return {
    error: {
      ...error.details,
      message: error.message,
      type: openAiErrorType(error.status),
      code: error.code,
      param: null,
      exchange: error.exchange,
    },
  };
}

export function jsonErrorBody(value: unknown): ErrorBody {
  return { contentType: 'application/json', body: Buffer.from(JSON.stringify(value), 'utf8') };
}

/** One SSE event with a JSON payload; `event` null: no `event:` line. */
export function sseErrorEvent(event: string | null, value: unknown): Buffer {
  const head = event === null ? '' : `event: ${event}\n`;
  return Buffer.from(`${head}data: ${JSON.stringify(value)}\n\n`, 'utf8');
}

/** The `type` that OpenAI's API gives with a status (platform documentation, "Error codes"). */
function openAiErrorType(status: number): string {
  switch (status) {
    case 401:
      return 'authentication_error';
    case 403:
      return 'permission_error';
    case 404:
      return 'not_found_error';
    case 429:
      return 'rate_limit_error';
    default:
      return status >= 500 ? 'server_error' : 'invalid_request_error';
  }
}
