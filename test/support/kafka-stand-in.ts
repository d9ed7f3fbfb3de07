import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer, type TLSSocket, type TlsOptions } from 'node:tls';

export interface KafkaStandIn {
  /** `127.0.0.1:<port>` */
  readonly broker: string;
  /** Common name of each certificate that was shown, a connection each. */
  readonly clients: readonly string[];
  /** Batches of records as they came, uncompressed. */
  readonly batches: readonly Buffer[];
  close(): Promise<void>;
}

/**
 * A single broker behind TLS with one topic of one partition that takes whatever is produced: as much of the protocol as a producer needs,
 * in old versions. With `login`, SASL PLAIN alone.
 */
export async function startKafkaStandIn(
  tls: TlsOptions,
  { topic, login = null }: { readonly topic: string; readonly login?: string | null },
): Promise<KafkaStandIn> {
  const clients: string[] = [];
  const batches: Buffer[] = [];
  const sockets = new Set<TLSSocket>();
  const server = createServer(tls, (socket) => {
    clients.push(String(socket.getPeerCertificate().subject?.CN));
    sockets.add(socket);
    let pending: Buffer = Buffer.alloc(0);
    let isIn = login === null;
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk: Buffer) => {
      pending = Buffer.concat([pending, chunk]);
      while (pending.length >= 4 && pending.length >= 4 + pending.readInt32BE()) {
        const request = reader(pending.subarray(4, 4 + pending.readInt32BE()));
        pending = pending.subarray(4 + pending.readInt32BE());
        const [key, , correlation] = [request.int16(), request.int16(), request.int32()];
        request.text();
        if (!isIn && ![apis.versions, apis.saslHandshake, apis.saslAuthenticate].includes(key)) return socket.destroy();
        if (key === apis.saslAuthenticate) isIn = request.bytes().toString() === login;
        if (key === apis.produce) batches.push(produced(request));
        const body = Buffer.concat([int32(correlation), ...answer(key, isIn)]);
        socket.write(Buffer.concat([int32(body.length), body]));
      }
    });
  });
  server.on('tlsClientError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;

  function answer(key: number, isIn: boolean): readonly Buffer[] {
    switch (key) {
      case apis.versions: {
        const spoken = [apis.produce, 3, apis.metadata, 0, apis.saslHandshake, 1, apis.saslAuthenticate, 0];
        const rows = spoken.flatMap((value, at) => (at % 2 === 0 ? [int16(value)] : [int16(value), int16(value)]));
        return [int16(0), int32(spoken.length / 2), ...rows, int32(0)];
      }
      case apis.metadata:
        return [
          ...[int32(1), int32(1), text('127.0.0.1'), int32(port)],
          ...[int32(1), int16(0), text(topic), int32(1), int16(0), int32(0), int32(1)],
          ...[int32(1), int32(1), int32(1), int32(1)],
        ];
      case apis.saslHandshake:
        return [int16(0), int32(1), text('PLAIN')];
      case apis.saslAuthenticate:
        return [int16(isIn ? 0 : 58), text(isIn ? '' : 'no such login'), int32(0)];
      case apis.produce:
        return [int32(1), text(topic), int32(1), int32(0), int16(0), Buffer.alloc(8), Buffer.alloc(8, 0xff), int32(0)];
      default:
        throw new Error(`a producer has no need of API ${key}`);
    }
  }

  return {
    broker: `127.0.0.1:${port}`,
    clients,
    batches,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

const apis = { produce: 0, metadata: 3, saslHandshake: 17, versions: 18, saslAuthenticate: 36 };

/** The records of a Produce request (version 3) with one topic and one partition. */
function produced(request: ReturnType<typeof reader>): Buffer {
  request.text();
  const [acks] = [request.int16(), request.int32(), request.int32()];
  if (acks !== -1) throw new Error('all in-sync replicas must have it');
  request.text();
  request.int32();
  request.int32();
  return request.bytes();
}

function reader(from: Buffer) {
  let at = 0;
  const take = (size: number): Buffer => {
    at += Math.max(0, size);
    return from.subarray(at - Math.max(0, size), at);
  };
  const int16 = (): number => take(2).readInt16BE();
  const int32 = (): number => take(4).readInt32BE();
  return { int16, int32, text: () => take(int16()).toString(), bytes: () => take(int32()) };
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function text(value: string): Buffer {
  return Buffer.concat([int16(Buffer.byteLength(value)), Buffer.from(value)]);
}
