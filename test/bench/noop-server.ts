import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import {
  ExternalProcessorService,
  type ProcessingRequest,
  type ProcessingResponse,
} from '../../src/gen/envoy/service/ext_proc/v3/external_processor.ts';

/**
 * The baseline: an ext_proc server on grpc-js that agrees to everything and looks at nothing. Same Envoy modes, same package, same
 * generated codecs. A process of its own; prints its port when it listens.
 */
const server = new Server({ 'grpc.max_receive_message_length': -1 });
server.addService(ExternalProcessorService, {
  process: (call: ServerDuplexStream<ProcessingRequest, ProcessingResponse>) => {
    call.on('data', (message: ProcessingRequest) => {
      const response = answer(message);
      if (response) call.write(response);
    });
    call.on('end', () => call.end());
    call.on('error', () => {});
  },
});
server.bindAsync(`127.0.0.1:${process.argv[2] ?? '0'}`, ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  process.stdout.write(`${port}\n`);
});

function answer({ request }: ProcessingRequest): ProcessingResponse | null {
  switch (request?.$case) {
    case 'requestHeaders':
    case 'responseHeaders':
      return of({ $case: request.$case, value: { response: undefined } });
    case 'requestBody':
      return of({ $case: 'requestBody', value: { response: undefined } });
    case 'requestTrailers':
    case 'responseTrailers':
      return of({ $case: request.$case, value: { headerMutation: undefined } });
    case 'responseBody': {
      const { body, endOfStream } = request.value;
      const bodyMutation = { mutation: { $case: 'streamedResponse' as const, value: { body, endOfStream } } };
      const response = { status: 0 as const, headerMutation: undefined, bodyMutation, clearRouteCache: false };
      return of({ $case: 'responseBody', value: { response } });
    }
    default:
      return null;
  }
}

function of(response: NonNullable<ProcessingResponse['response']>): ProcessingResponse {
  return { response, dynamicMetadata: undefined, modeOverride: undefined, overrideMessageTimeout: undefined };
}
