import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { afterAll, describe, expect, test } from 'vitest';
import { createHttpClient } from '../../../../src/audit/sinks/http-post.ts';
import type { TlsClient } from '../../../../src/audit/tls-client.ts';
import { createAuthority } from '../../../support/certificates.ts';

const authority = createAuthority('a company');
const receiverOf = authority.issue('receiver');
const ours = authority.issue('countersign');
/** Takes nobody who has no certificate of the company; answers with the name that it shows. */
const server: Server = createServer(
  { cert: receiverOf.cert, key: receiverOf.key, ca: authority.cert, requestCert: true, rejectUnauthorized: true },
  (request, response) => {
    const { socket } = request;
    request.resume().on('end', () => {
      if (request.url === '/moved') response.writeHead(302, { location: 'https://127.0.0.1:1/' });
      response.end(String((socket as TLSSocket).getPeerCertificate().subject.CN));
    });
  },
);
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
const address = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
afterAll(() => server.close());

const whole: TlsClient = { ca: authority.cert, cert: ours.cert, key: ours.key, serverName: null };

async function said(tls: TlsClient | null, path = '/'): Promise<string> {
  const client = createHttpClient(tls);
  try {
    const { status, text } = await client.post(`${address}${path}`, {}, 'x', AbortSignal.timeout(5_000));
    return `${status} ${text}`;
  } catch (thrown) {
    return thrown instanceof Error && 'code' in thrown ? String(thrown.code) : String(thrown);
  } finally {
    client.close();
  }
}

describe('a receiver over HTTP with certificates of a company', () => {
  test('is talked to by who trusts its authority and shows what it asks for', async () => {
    expect(await said(whole)).toBe('200 countersign');
    expect(await said({ ...whole, serverName: 'localhost' })).toBe('200 countersign');
  });

  test.each([
    ['an authority that is not trusted', null, /UNABLE_TO|SELF_SIGNED/],
    ['another name', { ...whole, serverName: 'splunk.example.com' }, /ERR_TLS_CERT_ALTNAME_INVALID/],
    ['no certificate of ours', { ...whole, cert: null, key: null }, /SSL|ECONNRESET|EPIPE/],
  ] as const)('is not talked to with %s', async (_, tls, want) => {
    expect(await said(tls)).toMatch(want);
  });

  test('is not followed to another place', async () => {
    expect(await said(whole, '/moved')).toBe('302 countersign');
  });
});
