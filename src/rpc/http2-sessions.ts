import { constants, type Http2Server, type ServerHttp2Session } from 'node:http2';
import type { Server } from '@grpc/grpc-js';
import { Fault } from '../lib/fault.ts';
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

/** Node from 22.10 on: how many resets it bears before it closes the connection. Envoy ends every ext_proc stream with one. */
const streamResets = { streamResetBurst: 100_000, streamResetRate: 10_000 } as const;

/** "No stream has been refused": streams under way, and those that the peer opens before it reads the frame, still run. */
const lastStreamId = 2 ** 31 - 1;

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

/** MUST be called before the server is bound. Throws when grpc-js no longer keeps its HTTP/2 servers where they are looked for. */
export function tuneHttp2(server: Server): Http2Sessions {
  const internals = internalsOf(server);
  Object.assign(internals.commonServerOptions, streamResets, {
    settings: { ...internals.commonServerOptions.settings, initialWindowSize: streamWindowBytes },
  });
  const attached = new WeakSet<Http2Server>();
  const sessions = new Set<ServerHttp2Session>();
  let isCut = false;

  return {
    attach: () => {
      for (const http2Server of internals.http2Servers.keys()) {
        if (attached.has(http2Server)) continue;
        attached.add(http2Server);
        http2Server.on('session', (session) => {
          if (isCut) {
            session.destroy();
            return;
          }
          sessions.add(session);
          session.once('close', () => sessions.delete(session));
          session.setLocalWindowSize(sessionWindowBytes);
          retireByCount(session);
        });
      }
    },
    goAway: async (waitMs) => {
      await Promise.all([...sessions].map((session) => goAwayHeard(session, waitMs)));
    },
    // grpc-js has tryShutdown and forceShutdown for this: the one never calls back when a session goes away beside it, and the other
    // forgets the sessions when channelz is off.
    close: async () => {
      const listeners = [...internals.http2Servers.keys()].map(
        (http2Server) => new Promise((resolve) => http2Server.close(resolve)),
      );
      const left = [...sessions].map((session) => new Promise((resolve) => session.once('close', resolve)));
      for (const session of sessions) session.close();
      await Promise.all([...listeners, ...left]);
    },
    destroy: () => {
      isCut = true;
      for (const session of sessions) session.destroy(undefined, constants.NGHTTP2_CANCEL);
    },
  };
}

/**
 * Node closes a connection, and fails every exchange on it, after some 1,000 stream resets (a burst of 1,000, then 33 a second), and
 * Envoy ends every ext_proc stream with a reset. So a connection is retired long before: Envoy finishes what is under way on it and
 * opens the next.
 */
function retireByCount(session: ServerHttp2Session): void {
  let streams = 0;
  session.on('stream', () => {
    streams += 1;
    if (streams !== limits.streamsPerConnectionMax) return;
    goAway(session);
    const linger = setTimeout(() => session.close(), lingerMs);
    linger.unref();
    session.once('close', () => clearTimeout(linger));
  });
}

function goAway(session: ServerHttp2Session): void {
  if (!session.destroyed && !session.closed) session.goaway(constants.NGHTTP2_NO_ERROR, lastStreamId);
}

/** One round trip after GOAWAY, every stream that the peer opened before it read the frame is here (RFC 9113 section 6.8). */
function goAwayHeard(session: ServerHttp2Session, waitMs: number): Promise<void> {
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
    goAway(session);
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
