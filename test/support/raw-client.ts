import { Agent, type ClientRequest, request as httpRequest, type IncomingHttpHeaders } from 'node:http';

/** An answer with what `fetch` hides: how it ended, and what came before it. */
export interface RawAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** The body ended as HTTP says it should; false: the connection was cut. */
  readonly complete: boolean;
  /** `100 Continue` came first. */
  readonly continued: boolean;
}

export interface RawOptions {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
  readonly agent?: Agent;
  /** Wait for `100 Continue` before the body goes. */
  readonly expectContinue?: boolean;
  /** Called with the body so far, each time that some of it came. */
  readonly onBody?: (sofar: string, request: ClientRequest) => void;
}

/** Sends one request and reads the answer to whatever end it has. Rejects only when there is no answer at all. */
export function rawRequest(url: string, options: RawOptions = {}): Promise<RawAnswer> {
  const { method = 'POST', headers = {}, body = '', agent, expectContinue = false, onBody } = options;
  return new Promise((resolve, reject) => {
    let continued = false;
    const request = httpRequest(url, {
      method,
      agent: agent ?? false,
      headers: {
        ...(method === 'GET' ? {} : { 'content-length': String(Buffer.byteLength(body)) }),
        ...headers,
        ...(expectContinue ? { expect: '100-continue' } : {}),
      },
    });
    request.on('error', reject);
    request.on('continue', () => {
      continued = true;
      request.end(body);
    });
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        onBody?.(Buffer.concat(chunks).toString('utf8'), request);
      });
      response.on('error', () => {});
      response.on('close', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: Buffer.concat(chunks).toString('utf8'),
          complete: response.complete,
          continued,
        }),
      );
    });
    if (expectContinue) request.flushHeaders();
    else request.end(body);
  });
}

/** Connections that are used again, as many at once as wanted. */
export function keepAlive(connections: number): Agent {
  return new Agent({ keepAlive: true, maxSockets: connections });
}
