import { Server, ServerCredentials, type ServiceDefinition, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';
import { Fault } from '../lib/fault.ts';
import { limits } from '../lib/limits.ts';
import type { Log } from '../telemetry/telemetry.ts';
import { canRaiseResetLimit, tuneHttp2 } from './http2-sessions.ts';
import { addReflection } from './reflection.ts';

/** PEM. `clientCa`: clients must show a certificate of one of these authorities (mTLS); null: they need none. */
export interface RpcTls {
  readonly certificate: Buffer;
  readonly privateKey: Buffer;
  readonly clientCa: Buffer | null;
}

export interface RpcServerOptions {
  readonly log: Log;
  /** Offer gRPC reflection, from the .proto files of this folder; null: do not. */
  readonly reflectionRoot: string | null;
  /**
   * Ask a peer for another connection after `streamsPerConnectionMax` streams. By default where Node would close the connection after
   * 1,000 stream resets: before 22.10.
   */
  readonly retiresConnections?: boolean;
}

export interface RpcServer {
  /** Registers a service; its health follows the server's. MUST come before `listen`. */
  addService(definition: ServiceDefinition, implementation: UntypedServiceImplementation): void;
  /** `host:port` (0: any free one) or `unix:/path`; returns the port. May be called for several addresses. */
  listen(address: string, tls: RpcTls | null): Promise<number>;
  /** What `grpc.health.v1.Health` answers, for the server and each of its services. NOT_SERVING until it is called. */
  setServing(serving: boolean): void;
  /**
   * Stops taking new streams (GOAWAY) and lets those under way finish. After `deadlineMs` what is left is cut, which Envoy takes as
   * a failure and never as an allow. Resolves when no connection is left: `drained`, or `cut` when the deadline had to be used.
   */
  drain(deadlineMs: number): Promise<'drained' | 'cut'>;
  /** The drain deadline has passed: streams are being cut by us, not by their clients. */
  isCutting(): boolean;
}

/** Why an address cannot be listened on. grpc-js speaks of the addresses that it resolved, and names the reason in the midst. */
function whyNot(message: string): string {
  const [code] = /\bE[A-Z]{4,}\b/.exec(message) ?? [];
  switch (code) {
    case 'EADDRINUSE':
      return 'another process listens there';
    case 'EADDRNOTAVAIL':
      return 'this machine has no such address';
    case 'EACCES':
      return 'this user may not listen there';
    default:
      return message;
  }
}

/** How long a peer may take to hear a GOAWAY before the drain goes on without it. */
const goAwayWaitMs = 1_000;

export function createRpcServer(options: RpcServerOptions): RpcServer {
  const { log } = options;
  const server = new Server({
    'grpc.max_receive_message_length': limits.grpcMessageBytesMax,
    'grpc.max_send_message_length': -1,
    'grpc.enable_channelz': 0,
  });
  const sessions = tuneHttp2(server, options.retiresConnections ?? !canRaiseResetLimit(process.versions.node));
  const health = new HealthImplementation({ '': 'NOT_SERVING' });
  health.addToServer(server);
  const services: string[] = [];
  if (options.reflectionRoot !== null) addReflection(server, options.reflectionRoot);
  let isServing = false;
  let isCutting = false;

  function setServing(serving: boolean): void {
    isServing = serving;
    for (const service of ['', ...services]) health.setStatus(service, serving ? 'SERVING' : 'NOT_SERVING');
  }

  return {
    addService: (definition, implementation) => {
      server.addService(definition, implementation);
      services.push(serviceName(definition));
      setServing(isServing);
    },
    listen: (address, tls) =>
      new Promise((resolve, reject) => {
        server.bindAsync(address, credentials(tls), (error, port) => {
          if (error !== null) {
            reject(new Fault('internal', `${address}: ${whyNot(error.message)}`, error));
            return;
          }
          sessions.attach();
          log.info('listening', { address: address.replace(/:0$/, `:${port}`) });
          resolve(port);
        });
      }),
    setServing,
    drain: async (deadlineMs) => {
      setServing(false);
      let timer: NodeJS.Timeout | undefined;
      const deadline = new Promise<'cut'>((resolve) => {
        timer = setTimeout(() => resolve('cut'), deadlineMs);
      });
      const drained = sessions.goAway(Math.min(goAwayWaitMs, deadlineMs)).then(() => sessions.close());
      const outcome = await Promise.race([drained.then(() => 'drained' as const), deadline]);
      clearTimeout(timer);
      if (outcome === 'cut') {
        isCutting = true;
        sessions.destroy();
        await drained;
      }
      server.forceShutdown();
      return outcome;
    },
    isCutting: () => isCutting,
  };
}

function credentials(tls: RpcTls | null): ServerCredentials {
  if (tls === null) return ServerCredentials.createInsecure();
  return ServerCredentials.createSsl(
    tls.clientCa,
    [{ cert_chain: tls.certificate, private_key: tls.privateKey }],
    tls.clientCa !== null,
  );
}

/** `package.Service`, from the path of any of its methods: `/package.Service/Method`. */
function serviceName(definition: ServiceDefinition): string {
  const [method] = Object.values(definition);
  return method?.path.split('/')[1] ?? '';
}
