import { once } from 'node:events';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { SMTPServerOptions } from 'smtp-server';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Delivery, mailOf } from '../../../../src/approval/notice/delivery.ts';
import { postOnce } from '../../../../src/approval/notice/http-post.ts';
import type { EmailChannel } from '../../../../src/approval/notice/route.ts';
import { mailOnce } from '../../../../src/approval/notice/smtp-mailer.ts';
import { type Certified, createAuthority } from '../../../support/certificates.ts';
import { type MailServer, startMailServer } from '../../../support/mail-server.ts';
import { letter, requesterRoute, route, startReceiver } from '../../../support/notices.ts';

const never = new AbortController().signal;
const authority = createAuthority('test authority');
const ca = authority.cert.toString();
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

describe('posts', () => {
  let url: string;
  const server = createTlsServer(pemOf(authority.issue('hooks')), (_request, response) => response.end());
  beforeAll(async () => {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  });
  afterAll(() => server.close());
  const post = (to: string, trusted: string | null, timeoutMs = 5_000, signal = never) =>
    postOnce({ url: to, headers: {}, body: '{}', ca: trusted }, timeoutMs, signal);

  test('a certificate that nobody vouches for is not talked to', async () => {
    expect(await post(url, null)).toMatchObject({ kind: 'failed', reason: expect.stringMatching(/CERT|VERIFY/) });
    expect(await post(url, createAuthority('other').cert.toString())).toMatchObject({ kind: 'failed' });
    expect(await post(url, ca)).toEqual({ kind: 'sent' });
  });

  test('no answer in time, an end from outside, nobody there', async () => {
    const silent = await startReceiver(() => null);
    cleanups.push(silent.close);
    expect(await post(silent.url, null, 50)).toMatchObject({ kind: 'failed', reason: 'no answer in time' });
    expect(await post(silent.url, null, 5_000, AbortSignal.abort())).toMatchObject({ kind: 'failed' });
    expect(await post('http://127.0.0.1:1/', null)).toMatchObject({ kind: 'failed', reason: 'ECONNREFUSED' });
  });

  test('an endless answer is not read', async () => {
    const endless = await startReceiver(() => ({ status: 200, headers: { 'content-length': '1000000000' } }));
    cleanups.push(endless.close);
    expect(await post(endless.url, null)).toEqual({ kind: 'sent' });
  });

  test.each([
    { given: '120', want: 120_000 },
    { given: 'Wed, 21 Oct 2026 07:28:00 GMT', want: null },
    { given: '-1', want: null },
  ])('retry-after: $given', async ({ given, want }) => {
    const busy = await startReceiver(() => ({ status: 429, headers: { 'retry-after': given } }));
    cleanups.push(busy.close);
    expect(await post(busy.url, null)).toEqual({ kind: 'failed', reason: 'status 429', retryAfterMs: want });
  });
});

describe('mail', () => {
  const login = { user: 'countersign', password: ['not', 'a', 'secret'].join('-') };
  const certified = pemOf(authority.issue('mail'));

  test('arrives whole over STARTTLS, with the login, under one id', async () => {
    const { port, mails } = await mailServer({ ...certified, secure: false });
    expect(await send({ port, tls: 'starttls', ca, login })).toEqual({ kind: 'sent' });
    expect(await send({ port, tls: 'starttls', ca, login })).toEqual({ kind: 'sent' });
    const [first = '', second = ''] = mails;
    expect(first).toMatch(/^From: countersign@example\.com\r\nTo: a@example\.com, b@example\.com\r\n/m);
    expect(first).toMatch(/^Subject: A request of Alice Example to example-1 waits for approval\r$/m);
    expect(first).toMatch(/^Auto-Submitted: auto-generated\r$/m);
    expect(first).toContain('https://console.example/a/00000000-0000-7000-8000-000000000000');
    expect(messageId(first)).toMatch(/^<msg_[0-9a-f-]+_1\.hooks@example\.com>$/);
    expect(messageId(second)).toBe(messageId(first));
  });

  test('to the requester alone, whose address is one address whatever it looks like', async () => {
    const { port, mails, recipients } = await mailServer({ ...certified, secure: false });
    const to = "o'neil+llm@example.com";
    const { channel } = requesterRoute({ port, tls: 'starttls', ca, login });
    if (channel.kind !== 'email') throw new Error('a route by mail');
    const mail = mailOf(requesterRoute(), channel, letter({ to }));
    expect(await mailOnce(mail, 5_000, never)).toEqual({ kind: 'sent' });
    const twice = { ...mail, to: ['rita@example.com, eve@example.com'] };
    expect(await mailOnce(twice, 5_000, never)).toMatchObject({ kind: expect.stringMatching(/failed|refused/) });
    expect(recipients).toEqual([[to]]);
    expect(mails[0]).toContain(`\r\nTo: ${to}\r\n`);
  });

  test('arrives over TLS from the first byte', async () => {
    const { port, mails } = await mailServer({ ...certified, secure: true });
    expect(await send({ port, tls: 'implicit', ca, login })).toEqual({ kind: 'sent' });
    expect(mails.length).toBe(1);
  });

  test('a certificate that nobody vouches for gets neither login nor mail', async () => {
    const { port, mails, logins } = await mailServer({ ...certified, secure: false });
    expect(await send({ port, tls: 'starttls', ca: null, login })).toMatchObject({ kind: 'failed' });
    expect([mails, logins()]).toEqual([[], 0]);
  });

  test('a server without STARTTLS gets neither login nor mail', async () => {
    const { port, mails, logins } = await mailServer({ secure: false, disabledCommands: ['STARTTLS'] });
    expect(await send({ port, tls: 'starttls', ca, login })).toMatchObject({
      kind: 'failed',
      reason: 'SMTP reply 500',
    });
    expect([mails, logins()]).toEqual([[], 0]);
  });

  test.each([
    { code: 550, want: { kind: 'refused', reason: 'SMTP reply 550' } },
    { code: 451, want: { kind: 'failed', reason: 'SMTP reply 451', retryAfterMs: null } },
  ])('a recipient refused with $code', async ({ code, want }) => {
    const { port } = await mailServer({
      secure: false,
      disabledCommands: ['STARTTLS', 'AUTH'],
      onRcptTo: (_address, _session, done) => done(Object.assign(new Error('no'), { responseCode: code })),
    });
    expect(await send({ port, tls: 'none', ca: null, login: null })).toEqual(want);
  });

  test('a server that says nothing, and one that is not there', async () => {
    const { port } = await mailServer({ secure: false, onConnect: () => {} });
    expect(await send({ port, tls: 'none', ca: null, login: null }, 100)).toMatchObject({ kind: 'failed' });
    expect(await send({ port: 1, tls: 'none', ca: null, login: null })).toMatchObject({ kind: 'failed' });
  });
});

function send(to: Pick<EmailChannel, 'port' | 'tls' | 'ca' | 'login'>, timeoutMs = 5_000): Promise<Delivery> {
  const channel: EmailChannel = {
    kind: 'email',
    host: '127.0.0.1',
    from: 'countersign@example.com',
    to: ['a@example.com', 'b@example.com'],
    ...to,
  };
  return mailOnce(mailOf(route({ channel }), channel, letter()), timeoutMs, never);
}

async function mailServer(options: SMTPServerOptions): Promise<MailServer> {
  const server = await startMailServer(options);
  cleanups.push(server.close);
  return server;
}

function messageId(mail: string): string {
  return /^Message-ID: (.*)\r$/m.exec(mail)?.[1] ?? '';
}

function pemOf({ cert, key }: Certified): { readonly cert: Buffer; readonly key: Buffer } {
  return { cert, key };
}
