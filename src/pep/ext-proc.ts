import { type ServerDuplexStream, type ServiceDefinition, status } from '@grpc/grpc-js';
import type { ExchangeService } from '../exchange/exchange.ts';
import {
  ExternalProcessorService,
  ProcessingRequest,
  ProcessingResponse,
} from '../gen/envoy/service/ext_proc/v3/external_processor.ts';
import type { RpcServer } from '../rpc/server.ts';
import type { Log, Metrics } from '../telemetry/telemetry.ts';
import type { EnvoyTime } from './envoy-time.ts';
import { decodeProcessingRequest, type Incoming } from './ext-proc-decode.ts';
import { encodeProcessingResponse, streamedPieces } from './ext-proc-encode.ts';
import type { Answer, EndedBy, MoreTime } from './ext-proc-event.ts';
import { createExtProcStream } from './ext-proc-stream.ts';

export interface ExtProcDeps {
  readonly exchange: ExchangeService;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly envoyTime?: EnvoyTime;
}

/** Serves `envoy.service.ext_proc.v3.ExternalProcessor` on this server. */
export function addExternalProcessor(server: RpcServer, deps: ExtProcDeps): void {
  server.addService(definition, {
    process: (call: ServerDuplexStream<Incoming, Answer | MoreTime>) => serve(call, server, deps),
  });
}

const definition: ServiceDefinition = {
  process: {
    ...ExternalProcessorService.process,
    requestSerialize: (request: ProcessingRequest) => Buffer.from(ProcessingRequest.encode(request).finish()),
    requestDeserialize: decodeProcessingRequest,
    responseSerialize: encodeProcessingResponse,
    responseDeserialize: (bytes: Buffer) => ProcessingResponse.decode(bytes),
  },
};

/** By event handlers, not by an async iterator: that would cost a promise and a tick for every message. */
function serve(call: ServerDuplexStream<Incoming, Answer | MoreTime>, server: RpcServer, deps: ExtProcDeps): void {
  let isBlocked = false;
  const stream = createExtProcStream(deps, {
    send: (answer) => {
      if (answer.kind === 'streamed') for (const piece of streamedPieces(answer)) write(piece);
      else write(answer);
    },
    end: () => call.end(),
    // grpc-js makes a status of an emitted error, after the messages that were written before it.
    destroy: (by) => call.emit('error', { code: statusCode[by], details: by }),
  });
  call.on('data', stream.receive);
  // A connection that we cut looks half-closed first.
  call.on('end', () => (server.isCutting() ? stream.cancelled('draining') : stream.halfClosed()));
  call.on('cancelled', () => stream.cancelled(server.isCutting() ? 'draining' : 'client_gone'));

  /** FULL_DUPLEX_STREAMED has no flow control of its own: what the client does not read must stop what the upstream sends. */
  function write(answer: Answer | MoreTime): void {
    if (call.write(answer) || isBlocked) return;
    isBlocked = true;
    call.pause();
    call.once('drain', () => {
      isBlocked = false;
      call.resume();
    });
  }
}

const statusCode: Readonly<Record<EndedBy, status>> = {
  protocol_violation: status.INVALID_ARGUMENT,
  failed: status.INTERNAL,
  client_gone: status.CANCELLED,
};
