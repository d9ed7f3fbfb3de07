import { createCipheriv, createDecipheriv, createHash, createHmac, randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, type ServerOptions } from 'node:https';
import type { AddressInfo } from 'node:net';

/**
 * Stand-ins for the HTTP APIs of key management services. Strict: what the real one refuses (a wrong token, an unsigned request, an
 * unknown member, another context) they refuse in its words. They encrypt for real, under keys that can be rotated.
 */
export interface KeyServiceStandIn {
  readonly url: string;
  /** What the next answers are instead, in order: a status, or `hang`, or `reset`. */
  readonly next: (number | 'hang' | 'reset')[];
  /** Requests so far, refused ones too. */
  readonly requests: string[];
  rotate(): void;
  close(): Promise<void>;
}

type Answer = { readonly status: number; readonly body: object };
type Crypt = {
  seal(plain: Buffer, aad: string): string;
  open(sealed: string, aad: string): Buffer | null;
  rotate(): void;
};

/** `POST /v1/transit/{encrypt,decrypt}/audit` with `X-Vault-Token`. */
export function startVault(token: () => string, tls: ServerOptions | null = null): Promise<KeyServiceStandIn> {
  const crypt = createCrypt('vault');
  return start(tls, crypt.rotate, async (request, body) => {
    if (request.headers['x-vault-token'] !== token()) return { status: 403, body: { errors: ['permission denied'] } };
    const action = /^\/v1\/transit\/(encrypt|decrypt)\/audit$/.exec(request.url ?? '')?.[1];
    if (action === undefined || request.method !== 'POST') return { status: 404, body: { errors: [] } };
    const given: Record<string, string> = JSON.parse(body);
    const aad = given['associated_data'] ?? '';
    if (action === 'encrypt') {
      mustHaveOnly(given, ['plaintext', 'associated_data']);
      return {
        status: 200,
        body: { data: { ciphertext: crypt.seal(base64(given['plaintext']), aad), key_version: 1 } },
      };
    }
    mustHaveOnly(given, ['ciphertext', 'associated_data']);
    const plain = crypt.open(given['ciphertext'] ?? '', aad);
    if (plain === null) return { status: 400, body: { errors: ['invalid ciphertext: unable to decrypt'] } };
    return { status: 200, body: { data: { plaintext: plain.toString('base64') } } };
  });
}

/** AWS JSON 1.1, `X-Amz-Target: TrentService.*`, Signature Version 4 checked in full. */
export function startAwsKms(
  secret: { id: string; key: string },
  keyId: string,
  tls: ServerOptions | null = null,
): Promise<KeyServiceStandIn> {
  const crypt = createCrypt('aws');
  return start(tls, crypt.rotate, async (request, body) => {
    if (!isSigned(request, body, secret)) {
      return {
        status: 400,
        body: { __type: 'InvalidSignatureException', message: 'The request signature does not match' },
      };
    }
    const given = JSON.parse(body);
    const aad = JSON.stringify(given.EncryptionContext ?? {});
    if (given.KeyId !== keyId) return { status: 400, body: { __type: 'NotFoundException', message: 'no such key' } };
    switch (request.headers['x-amz-target']) {
      case 'TrentService.Encrypt': {
        mustHaveOnly(given, ['KeyId', 'Plaintext', 'EncryptionContext']);
        const blob = Buffer.from(crypt.seal(base64(given.Plaintext), aad)).toString('base64');
        return { status: 200, body: { KeyId: keyId, CiphertextBlob: blob } };
      }
      case 'TrentService.Decrypt': {
        mustHaveOnly(given, ['KeyId', 'CiphertextBlob', 'EncryptionContext']);
        const plain = crypt.open(base64(given.CiphertextBlob).toString(), aad);
        if (plain === null) return { status: 400, body: { __type: 'InvalidCiphertextException', message: null } };
        return { status: 200, body: { KeyId: keyId, Plaintext: plain.toString('base64') } };
      }
      default:
        return { status: 400, body: { __type: 'UnknownOperationException' } };
    }
  });
}

/** Cloud KMS over REST with CRC-32C both ways, and the metadata server that gives out its tokens. */
export function startGcpKms(key: string, crc: (bytes: Uint8Array) => number): Promise<KeyServiceStandIn> {
  const crypt = createCrypt('gcp');
  const token = randomBytes(12).toString('hex');
  return start(null, crypt.rotate, async (request, body) => {
    const path = request.url ?? '';
    if (path.startsWith('/computeMetadata/')) {
      if (request.headers['metadata-flavor'] !== 'Google') return { status: 403, body: {} };
      return { status: 200, body: { access_token: token, expires_in: 3_600, token_type: 'Bearer' } };
    }
    if (request.headers.authorization !== `Bearer ${token}`) {
      return { status: 401, body: { error: { code: 401, status: 'UNAUTHENTICATED' } } };
    }
    const given: Record<string, string> = JSON.parse(body);
    const aad = given['additionalAuthenticatedData'] ?? '';
    const isIntact = (name: string): boolean => given[`${name}Crc32c`] === String(crc(base64(given[name])));
    if (path === `/v1/${key}:encrypt`) {
      const sealed = Buffer.from(crypt.seal(base64(given['plaintext']), aad));
      const answer = {
        name: `${key}/cryptoKeyVersions/1`,
        ciphertext: sealed.toString('base64'),
        ciphertextCrc32c: String(crc(sealed)),
        verifiedPlaintextCrc32c: isIntact('plaintext'),
        verifiedAdditionalAuthenticatedDataCrc32c: isIntact('additionalAuthenticatedData'),
      };
      return { status: 200, body: answer };
    }
    if (path !== `/v1/${key}:decrypt`) return { status: 404, body: { error: { code: 404, status: 'NOT_FOUND' } } };
    const plain = isIntact('ciphertext') ? crypt.open(base64(given['ciphertext']).toString(), aad) : null;
    if (plain === null) return { status: 400, body: { error: { code: 400, status: 'INVALID_ARGUMENT' } } };
    return { status: 200, body: { plaintext: plain.toString('base64'), plaintextCrc32c: String(crc(plain)) } };
  });
}

async function start(
  tls: ServerOptions | null,
  rotate: () => void,
  answer: (request: IncomingMessage, body: string) => Promise<Answer>,
): Promise<KeyServiceStandIn> {
  const next: (number | 'hang' | 'reset')[] = [];
  const requests: string[] = [];
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece);
    requests.push(`${request.method} ${request.url}`);
    const instead = (request.url ?? '').startsWith('/computeMetadata/') ? undefined : next.shift();
    if (instead === 'hang') return;
    if (instead === 'reset') {
      request.socket.destroy();
      return;
    }
    let given: Answer;
    try {
      given =
        instead === undefined ? await answer(request, Buffer.concat(pieces).toString()) : { status: instead, body: {} };
    } catch {
      given = { status: 400, body: { message: 'malformed' } };
    }
    const headers = { 'content-type': 'application/json', 'metadata-flavor': 'Google' };
    response.writeHead(given.status, headers).end(JSON.stringify(given.body));
  };
  const take: RequestListener = (request, response) => void serve(request, response);
  const server = tls === null ? createServer(take) : createTlsServer(tls, take);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const scheme = tls === null ? 'http' : 'https';
  return { url: `${scheme}://127.0.0.1:${portOf(server)}`, next, requests, rotate, close: () => closeServer(server) };
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

function closeServer(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((done) => void server.close(() => done()));
}

/** `name:v<version>:<base64>`: a version of its own for each rotation, all of them kept. */
function createCrypt(name: string): Crypt {
  const versions = [randomBytes(32)];
  return {
    rotate: () => void versions.push(randomBytes(32)),
    seal: (plain, aad) => {
      const nonce = randomBytes(12);
      const cipher = createCipheriv('aes-256-gcm', versions.at(-1) ?? randomBytes(32), nonce).setAAD(Buffer.from(aad));
      const sealed = Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
      return `${name}:v${versions.length}:${sealed.toString('base64')}`;
    },
    open: (sealed, aad) => {
      const [, version, encoded] = /^[a-z]+:v(\d+):(.+)$/.exec(sealed) ?? [];
      const key = versions[Number(version) - 1];
      const bytes = Buffer.from(encoded ?? '', 'base64');
      if (key === undefined || bytes.length < 28) return null;
      try {
        const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12)).setAAD(Buffer.from(aad));
        decipher.setAuthTag(bytes.subarray(-16));
        return Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]);
      } catch {
        return null;
      }
    },
  };
}

/** AWS Signature Version 4 over the request as it came. */
function isSigned(request: IncomingMessage, body: string, secret: { id: string; key: string }): boolean {
  const [, id, date, region, service, names, signature] =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/.exec(
      request.headers.authorization ?? '',
    ) ?? [];
  if (id !== secret.id || names === undefined || service !== 'kms') return false;
  const hex = (text: string): string => createHash('sha256').update(text).digest('hex');
  const headers = names.split(';').map((name) => `${name}:${String(request.headers[name]).trim()}\n`);
  const canonical = [request.method, request.url, '', headers.join(''), names, hex(body)].join('\n');
  const scope = `${date}/${region}/${service}/aws4_request`;
  const text = ['AWS4-HMAC-SHA256', request.headers['x-amz-date'], scope, hex(canonical)].join('\n');
  const mac = (key: string | Buffer, data: string): Buffer => createHmac('sha256', key).update(data).digest();
  const key = mac(mac(mac(mac(`AWS4${secret.key}`, date ?? ''), region ?? ''), service), 'aws4_request');
  return mac(key, text).toString('hex') === signature;
}

function base64(text: string | undefined): Buffer {
  return Buffer.from(text ?? '', 'base64');
}

function mustHaveOnly(given: object, names: readonly string[]): void {
  if (Object.keys(given).some((name) => !names.includes(name))) throw new Error('unknown member');
}
