import { spawn } from 'node:child_process';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';

/** Something that speaks Presidio Analyzer's HTTP API. */
export interface PresidioServer {
  readonly url: string;
  close(): Promise<void>;
}

export interface StandIn extends PresidioServer {
  /** Texts that it was asked about. */
  readonly asked: string[];
  /** From now on it answers so, whatever it is asked; null: as it should. */
  answerWith(answer: { readonly status: number; readonly body: string } | 'nothing' | null): void;
}

const names: readonly (readonly [entity: string, word: string])[] = [
  ['PERSON', 'Jane Miller'],
  ['LOCATION', 'Berlin'],
  ['DATE_TIME', 'yesterday'],
];

/** Knows two names and a date. Strict about what it is asked; offsets count code points, as Presidio's do. */
export async function startPresidioStandIn(): Promise<StandIn> {
  const asked: string[] = [];
  let canned: Parameters<StandIn['answerWith']>[0] = null;
  const server = createServer((request, response) => {
    void answer(request, response, asked, canned);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    asked,
    answerWith: (answer) => {
      canned = answer;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  asked: string[],
  canned: Parameters<StandIn['answerWith']>[0],
): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  if (canned === 'nothing') return;
  const reply = (status: number, body: string): void => {
    response.writeHead(status, { 'content-type': 'application/json', location: '/elsewhere' }).end(body);
  };
  if (canned !== null) return reply(canned.status, canned.body);
  const given = JSON.parse(Buffer.concat(chunks).toString('utf8'));
  const { text, language, entities, score_threshold: threshold, ...rest } = given;
  const isRight =
    request.method === 'POST' &&
    request.url === '/analyze' &&
    request.headers['content-type'] === 'application/json' &&
    typeof text === 'string' &&
    text.isWellFormed() &&
    Array.isArray(entities) &&
    typeof threshold === 'number' &&
    Object.keys(rest).length === 0;
  if (!isRight || language !== 'en')
    return reply(500, JSON.stringify({ error: 'No matching recognizers were found.' }));
  asked.push(text);
  const found = names
    .filter(([entity, word]) => entities.includes(entity) && text.includes(word))
    .map(([entity, word]) => {
      const start = [...text.slice(0, text.indexOf(word))].length;
      const metadata = { recognizer_identifier: 'StandIn_1', recognizer_name: 'StandIn' };
      const end = start + [...word].length;
      return {
        analysis_explanation: null,
        end,
        entity_type: entity,
        recognition_metadata: metadata,
        score: 0.85,
        start,
      };
    });
  reply(200, JSON.stringify(found));
}

/** The real engine (presidio-server.py), with a Python that has it installed. */
export async function startRealPresidio(python: string, model: string): Promise<PresidioServer> {
  const script = new URL('presidio-server.py', import.meta.url).pathname;
  const child = spawn(python, [script, model], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout });
  const port = await new Promise<string>((resolve, reject) => {
    lines.once('line', resolve);
    child.once('exit', () => reject(new Error('Presidio did not start')));
  });
  return {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        child.removeAllListeners('exit').once('exit', () => resolve());
        child.kill();
      }),
  };
}
