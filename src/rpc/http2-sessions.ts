import { constants, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import type { Server } from '@grpc/grpc-js';
import { Fault } from '../lib/fault.ts';
import { invariant } from '../lib/invariant.ts';
import { limits } from '../lib/limits.ts';

/**
 * What grpc-js does not let a server configure: the HTTP/2 windows (its `flow_control_window` is for clients, grpc-node#3058) and the
 * sessions themselves. It keeps both in private fields, so grpc-js is pinned exactly and tests fail when these hooks no longer bite.
 */
interface Internals {
  commonServerOptions: { settings?: object; streamResetBurst?: number; streamResetRate?: number };
  readonly http2Servers: ReadonlyMap<Http2Server, unknown>;
}

/** As much as Envoy itself grants: with the default of 64 KiB a 10 MB body takes a round trip for each 64 KiB of it. */
const streamWindowBytes = 8 * 1024 * 1024;
const sessionWindowBytes = 16 * 1024 * 1024;

/** How many resets Node bears before it closes the connection, where it lets that be said. Envoy ends every ext_proc stream with one. */
const streamResets = { streamResetBurst: 100_000, streamResetRate: 10_000 } as const;

/**
 * GOAWAY, no error, with the highest stream id there is (RFC 9113 section 6.8): open no more streams here, but what you opened before you
 * read this still runs. Not by `session.goaway`: after it nghttp2 ignores new streams without a word, whatever the id in the frame, and
 * the exchanges on them would hang until Envoy's message_timeout. Node writes whole frames, so one more may stand between them.
 */
const shutdownNotice = Buffer.from('0000080700000000007fffffff00000000', 'hex');

/** A connection that was asked to go is closed after this even when its peer keeps it. */
const lingerMs = 60_000;

export interface Http2Sessions {
  /** MUST be called after each bind. */
  attach(): void;
  /** Asks every peer to open no more streams here; resolves when all have been told, or after `waitMs`. */
  goAway(waitMs: number): Promise<void>;
  /** Stops listening, and closes each connection once its streams have finished. Resolves when none is left. */
  close(): Promise<void>;
  /** Cuts every connection, and those that are still to come. */
  destroy(): void;
}

/** `streamResetBurst` and `streamResetRate` exist from Node 22.10 on; before, Node ignores them. */
export function canRaiseResetLimit(nodeVersion: string): boolean {
  const [major = 0, minor = 0] = nodeVersion.split('.').map(Number);
  return major > 22 || (major === 22 && minor >= 10);
}

/**
 * MUST be called before the server is bound. `retires`: ask each peer for another connection after `streamsPerConnectionMax` streams.
 * Throws when grpc-js no longer keeps its HTTP/2 servers where they are looked for.
 */
export function tuneHttp2(server: Server, retires: boolean): Http2Sessions {
  const internals = internalsOf(server);
  Object.assign(internals.commonServerOptions, streamResets, {
    settings: { ...internals.commonServerOptions.settings, initialWindowSize: streamWindowBytes },
  });
  const attached = new WeakSet<Http2Server>();
  const sessions = new Map<ServerHttp2Session, Socket>();
  let isCut = false;

  return {
    attach: () => {
      for (const http2Server of internals.http2Servers.keys()) {
        if (attached.has(http2Server)) continue;
        attached.add(http2Server);
        onSession(http2Server, (session, socket) => {
          if (isCut) {
            session.destroy();
            return;
          }
          sessions.set(session, socket);
          session.once('close', () => sessions.delete(session));
          session.setLocalWindowSize(sessionWindowBytes);
          session.on('stream', sparePeerResets);
          if (retires) retireByCount(session, socket);
        });
      }
    },
    goAway: async (waitMs) => {
      await Promise.all([...sessions].map(([session, socket]) => goAwayHeard(session, socket, waitMs)));
    },
    // grpc-js has tryShutdown and forceShutdown for this: the one never calls back when a session goes away beside it, and the other
    // forgets the sessions when channelz is off.
    close: async () => {
      const listeners = [...internals.http2Servers.keys()].map(
        (http2Server) => new Promise((resolve) => http2Server.close(resolve)),
      );
      const left = [...sessions.keys()].map((session) => new Promise((resolve) => session.once('close', resolve)));
      for (const session of sessions.keys()) session.close();
      await Promise.all([...listeners, ...left]);
    },
    destroy: () => {
      isCut = true;
      for (const session of sessions.keys()) session.destroy(undefined, constants.NGHTTP2_CANCEL);
    },
  };
}

/** Each new session, with the socket that it speaks over and that Node keeps to itself: a session is made while its connection is told of. */
function onSession(http2Server: Http2Server, listener: (session: ServerHttp2Session, socket: Socket) => void): void {
  let latest: Socket | null = null;
  for (const event of ['connection', 'secureConnection']) {
    http2Server.prependListener(event, (socket: Socket) => {
      latest = socket;
    });
  }
  http2Server.on('session', (session) => {
    invariant(latest !== null, 'a session comes of a connection');
    listener(session, latest);
  });
}

/**
 * Node closes a connection, and fails every exchange on it, after some 1,000 stream resets (a burst of 1,000, then 33 a second), and
 * Envoy ends every ext_proc stream with a reset. So a connection is retired long before: Envoy finishes what is under way on it and
 * opens the next. Not for nothing: a stream that Envoy opens while it reads what stands before the GOAWAY it then refuses by itself. That
 * happens to an ext_proc stream that follows from the Check answered on the same connection, to about one exchange in 3,000.
 * Where Node can bear the resets, connections stay; where Envoy counts (`max_requests_per_connection`), it never comes to a GOAWAY.
 */
function retireByCount(session: ServerHttp2Session, socket: Socket): void {
  let streams = 0;
  session.on('stream', () => {
    streams += 1;
    if (streams !== limits.streamsPerConnectionMax) return;
    goAway(session, socket);
    const linger = setTimeout(() => session.close(), lingerMs);
    linger.unref();
    session.once('close', () => clearTimeout(linger));
  });
}

/**
 * Where the peer has reset a stream, Node makes an error of it when it destroys the stream, and has its stack written as text: for every
 * exchange, as Envoy ends every ext_proc stream with a reset. All streams get one and the same error instead; nobody reads it.
 */
function sparePeerResets(stream: ServerHttp2Stream): void {
  const destroy = stream.destroy.bind(stream);
  stream.destroy = (error) => {
    const { rstCode = noError } = stream;
    return destroy(error ?? (rstCode === noError || rstCode === constants.NGHTTP2_CANCEL ? undefined : peerReset));
  };
}

const noError = constants.NGHTTP2_NO_ERROR;
const peerReset = new Error('the peer has reset the stream');

function goAway(session: ServerHttp2Session, socket: Socket): void {
  if (session.destroyed || session.closed) return;
  // Node's TLS bears one writer only. So the true last id: streams that cross this frame are refused, but at once and not in silence.
  if (session.encrypted) session.goaway(constants.NGHTTP2_NO_ERROR);
  else if (socket.writable) socket.write(shutdownNotice);
}

/** One round trip after GOAWAY, every stream that the peer opened before it read the frame is here. */
function goAwayHeard(session: ServerHttp2Session, socket: Socket, waitMs: number): Promise<void> {
  return new Promise((resolve) => {
    if (session.destroyed || session.closed) {
      resolve();
      return;
    }
    const timeout = setTimeout(resolve, waitMs);
    const heard = () => {
      clearTimeout(timeout);
      resolve();
    };
    session.once('close', heard);
    goAway(session, socket);
    if (!session.ping(heard)) heard();
  });
}

function internalsOf(server: Server): Internals {
  const candidate: unknown = server;
  if (isInternals(candidate)) return candidate;
  throw new Fault(
    'internal',
    'this version of grpc-js hides its HTTP/2 servers: streams cannot be protected from resets',
  );
}

function isInternals(candidate: unknown): candidate is Internals {
  return (
    typeof candidate === 'object' &&
    candidate !== null &&
    'commonServerOptions' in candidate &&
    typeof candidate.commonServerOptions === 'object' &&
    candidate.commonServerOptions !== null &&
    'http2Servers' in candidate &&
    candidate.http2Servers instanceof Map
  );
}
