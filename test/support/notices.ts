import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tell } from '../../src/approval/notice/fields.ts';
import type { Letter } from '../../src/approval/notice/letter.ts';
import { letterKey } from '../../src/approval/notice/letter.ts';
import { noticeEvents } from '../../src/approval/notice/notice.ts';
import type { EmailChannel, NoticeRoute, WebhookChannel } from '../../src/approval/notice/route.ts';
import { defaultText, defaultTitle, parseTemplate, type Template } from '../../src/approval/notice/template.ts';
import { sampleNotice } from '../../src/main/notice-sample.ts';
import { startMs } from './approvals.ts';

/** A key of the right length, made here so that no scanner takes it for a live one. */
export const webhookSecret: string = `whsec_${Buffer.from('countersign test key, not secret').toString('base64')}`;

export function template(text: string): Template {
  const parsed = parseTemplate(text);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value;
}

export function route(changes: Partial<NoticeRoute> = {}, channel: Partial<WebhookChannel> = {}): NoticeRoute {
  return {
    name: 'hooks',
    events: noticeEvents,
    groups: [],
    rules: [],
    maskedView: false,
    title: template(defaultTitle),
    text: template(defaultText),
    channel: { kind: 'webhook', url: 'http://127.0.0.1:1/', format: 'json', key: null, ca: null, ...channel },
    ...changes,
  };
}

/** A route that writes to whoever asked. */
export function requesterRoute(channel: Partial<EmailChannel> = {}): NoticeRoute {
  const email = {
    host: '127.0.0.1',
    port: 1,
    tls: 'none',
    ca: null,
    login: null,
    from: 'countersign@example.com',
  } as const;
  return route({ name: 'requester', channel: { kind: 'email', ...email, to: 'requester', ...channel } });
}

/** A letter about the sample approval that was just created. */
export function letter(changes: Partial<Letter> = {}, maskedView = false): Letter {
  const { notice, from } = sampleNotice('created', startMs, { group: 'reviewers', rule: 'production_code' });
  const { id, atMs, untilMs } = notice;
  const told = tell(notice, from, { link: 'https://console.example/a/{approval}', maskedView });
  return {
    key: letterKey(id, 'hooks'),
    route: 'hooks',
    notice: id,
    told,
    atMs,
    untilMs,
    attempts: 0,
    nextAtMs: atMs,
    problem: null,
    ...changes,
  };
}

export interface Received {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

export interface Receiver {
  readonly url: string;
  readonly received: readonly Received[];
  close(): Promise<void>;
}

/** A webhook receiver; `answer` says what it thinks of the so many-th post (from 0), or nothing: it then never answers. */
export async function startReceiver(
  answer: (index: number) => { readonly status: number; readonly headers?: Record<string, string> } | null = () => ({
    status: 204,
  }),
  port = 0,
): Promise<Receiver> {
  const received: Received[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => void chunks.push(chunk));
    request.on('error', () => {});
    request.on('end', () => {
      const index = received.length;
      received.push({
        path: request.url ?? '',
        headers: request.headers,
        body: Buffer.concat(chunks).toString('utf8'),
      });
      const answered = answer(index);
      if (answered !== null) response.writeHead(answered.status, answered.headers ?? {}).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hooks`,
    received,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
