import { Agent, createServer, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What the benchmarks through Envoy send, to whom, and the model that answers. */
export interface Subject {
  readonly name: string;
  readonly port: number;
  /** Process whose CPU time counts; null: none. */
  readonly pid: number | null;
  readonly headers: Readonly<Record<string, string>>;
}

export interface Work {
  readonly name: string;
  readonly body: (n: number) => Buffer;
  readonly stream: boolean;
  /** How many of the others one exchange is worth when processes are warmed up. */
  readonly weight?: number;
}

const jsonAnswer = Buffer.from(
  JSON.stringify({
    id: 'chatcmpl-bench',
    object: 'chat.completion',
    created: 1700000000,
    model: 'bench-1',
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: prose(900), refusal: null },
        logprobs: null,
        finish_reason: 'stop',
      },
    ],
    usage: { prompt_tokens: 10, completion_tokens: 10, total_tokens: 20 },
  }),
);
/** By the model that is asked for; each event says 40 characters. */
const streams: ReadonlyMap<string, readonly Buffer[]> = new Map(
  [40, 400].map((count) => [`bench-${count}`, sseAnswer(count)]),
);

export const works: readonly Work[] = [
  { name: '1 KB JSON', body: (n) => prompt(1024, n), stream: false },
  { name: '4 KB JSON', body: (n) => prompt(4096, n), stream: false },
  { name: '16 KB JSON', body: (n) => prompt(16_384, n), stream: false },
  { name: '4 KB, 40-event SSE', body: (n) => prompt(4096, n, 40), stream: true },
  // The difference to the row above, by 360, is what one event costs.
  { name: '4 KB, 400-event SSE', body: (n) => prompt(4096, n, 400), stream: true, weight: 10 },
];

/** As fast as `concurrency` keep-alive connections go, until told to stop. Returns how many were answered. */
export async function keepAsking(
  subject: Subject,
  work: Work,
  concurrency: number,
  isOver: (done: number) => boolean,
): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: concurrency });
  let done = 0;
  await Promise.all(
    Array.from({ length: concurrency }, async (_, lane) => {
      for (let n = lane; !isOver(done); n += concurrency) {
        await ask(subject, work, agent, n);
        done++;
      }
    }),
  );
  agent.destroy();
  return done;
}

export function ask(subject: Subject, work: Work, agent: Agent, n: number): Promise<number> {
  const body = work.body(n);
  return new Promise((resolve, reject) => {
    const started = process.hrtime.bigint();
    let first = 0n;
    const call = request(
      {
        host: '127.0.0.1',
        port: subject.port,
        path: '/v1/chat/completions',
        method: 'POST',
        agent,
        headers: { ...subject.headers, 'content-type': 'application/json', 'content-length': body.length },
      },
      (response) => {
        if (response.statusCode !== 200) reject(new Error(`${subject.name} answered ${response.statusCode}`));
        response.on('data', () => {
          first ||= process.hrtime.bigint();
        });
        response.on('end', () => resolve(Number((first || process.hrtime.bigint()) - started) / 1e6));
        response.on('error', reject);
      },
    );
    call.on('error', reject);
    call.end(body);
  });
}

export function startModel(): Promise<{ readonly port: number; close(): void }> {
  const server = createServer((incoming: IncomingMessage, response) => {
    let events: readonly Buffer[] | undefined;
    incoming.on('data', (chunk: Buffer) => {
      events ??= streams.get(/"model":"(bench-\d+)","stream":true/.exec(chunk.toString('latin1'))?.[1] ?? '');
    });
    incoming.on('end', () => {
      if (events === undefined) {
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': jsonAnswer.length });
        response.end(jsonAnswer);
        return;
      }
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const answer = events.values();
      const next = (): void => {
        const event = answer.next().value;
        if (event === undefined) response.end();
        else response.write(event, () => setImmediate(next));
      };
      next();
    });
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () =>
      resolve({ port: (server.address() as AddressInfo).port, close: () => server.close() }),
    );
  });
}

/** Access logs cost all three alike; they are left out so that Envoy's pipe is not measured. */
export function quiet(yaml: string): string {
  return yaml.replace(/ {16}access_log:[\s\S]*?(?= {16}route_config:)/, '');
}

/**
 * 64 different prompts, each with one card, one social security number and one e-mail address of reserved ranges. `events`: of the streamed
 * answer; 0: it is not to be streamed.
 */
function prompt(bytes: number, n: number, events = 0): Buffer {
  const variant = n % 64;
  const facts = ` Card 4111 1111 1111 1111, number 536-22-${String(1000 + variant)}, mail user${variant}@example.com. `;
  const text = prose(Math.max(0, bytes - 260), variant);
  const middle = Math.floor(text.length / 2);
  return Buffer.from(
    JSON.stringify({
      model: `bench-${events}`,
      stream: events > 0,
      messages: [
        { role: 'system', content: 'You are a helpful assistant.' },
        { role: 'user', content: text.slice(0, middle) + facts + text.slice(middle) },
      ],
    }),
  );
}

function prose(length: number, variant = 0): string {
  const sentence = `Please look at item ${variant} of the quarterly report and tell me, in a few words, what changed since the last review. `;
  return sentence.repeat(Math.ceil(length / sentence.length)).slice(0, length);
}

function sseAnswer(count: number): Buffer[] {
  const chunk = (delta: unknown, finish: string | null): Buffer =>
    Buffer.from(
      `data: ${JSON.stringify({ id: 'chatcmpl-bench', object: 'chat.completion.chunk', created: 1700000000, model: 'bench-1', choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }] })}\n\n`,
    );
  const words = prose(count * 40);
  return [
    chunk({ role: 'assistant', content: '' }, null),
    ...Array.from({ length: count - 2 }, (_, at) => chunk({ content: words.slice(at * 40, at * 40 + 40) }, null)),
    chunk({}, 'stop'),
    Buffer.from('data: [DONE]\n\n'),
  ];
}
