import { createServer, type IncomingMessage, type Server } from 'node:http';
import { type Witness, witnessRequestBytesMax } from './witness.ts';

export interface WitnessServer {
  readonly port: number;
  close(): Promise<void>;
}

/** Serves `POST /add-checkpoint` alone. Bodies, connections and times are bounded. Port 0 picks a free one. */
export async function startWitnessServer(
  witness: Witness,
  options: { readonly host: string; readonly port: number; onFailure(error: unknown): void },
): Promise<WitnessServer> {
  const server: Server = createServer({ requestTimeout: 10_000, headersTimeout: 5_000 }, (request, response) => {
    const reply = (status: number, text: string, type = 'text/plain; charset=utf-8'): void => {
      response.writeHead(status, { 'content-type': type }).end(text);
    };
    if (request.url !== '/add-checkpoint') return reply(404, 'not found\n');
    if (request.method !== 'POST') return reply(405, 'POST only\n');
    readBody(request)
      .then((body) => (body === null ? null : witness.addCheckpoint(body)))
      .then(
        (answer) =>
          answer === null ? reply(413, 'too long\n') : reply(answer.status, answer.body, answer.contentType),
        (error: unknown) => {
          options.onFailure(error);
          reply(500, 'internal\n');
        },
      );
  });
  server.maxConnections = 256;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : options.port,
    close: () => {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

/** Null when it is longer than a request can be. */
async function readBody(request: IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > witnessRequestBytesMax) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}
