import { type ClientDuplexStream, credentials, type ServiceError, type StatusObject } from '@grpc/grpc-js';
import { ProcessingMode_BodySendMode as BodySendMode } from '../../src/gen/envoy/extensions/filters/http/ext_proc/v3/processing_mode.ts';
import {
  ExternalProcessorClient,
  ProcessingRequest,
  type ProcessingResponse,
} from '../../src/gen/envoy/service/ext_proc/v3/external_processor.ts';

export { BodySendMode };

/** An ext_proc client that plays Envoy's part, message by message, through the generated codec. */
export interface ExtProcClient {
  open(modes?: { readonly request: BodySendMode; readonly response: BodySendMode } | null): ExtProcConversation;
  close(): void;
}

export interface ExtProcConversation {
  /** The first message carries `protocol_config`, when the conversation was opened with modes. */
  send(...messages: Partial<ProcessingRequest>[]): void;
  /** The next answer; rejects when the stream ends instead. */
  next(): Promise<string>;
  /** The next `count` answers. */
  take(count: number): Promise<string[]>;
  /** All answers until the end, then the status. */
  rest(): Promise<{ readonly answers: string[]; readonly status: string }>;
  halfClose(): void;
  cancel(): void;
  pause(): void;
  resume(): void;
  readonly raw: ClientDuplexStream<ProcessingRequest, ProcessingResponse>;
}

export function connectExtProc(port: number, options: Record<string, unknown> = {}): ExtProcClient {
  const client = new ExternalProcessorClient(`127.0.0.1:${port}`, credentials.createInsecure(), {
    'grpc.max_receive_message_length': -1,
    'grpc.max_send_message_length': -1,
    'grpc.use_local_subchannel_pool': 1,
    ...options,
  });
  return { open: (modes = null) => converse(client.process(), modes), close: () => client.close() };
}

export function converse(
  call: ClientDuplexStream<ProcessingRequest, ProcessingResponse>,
  modes: { readonly request: BodySendMode; readonly response: BodySendMode } | null,
): ExtProcConversation {
  const answers: string[] = [];
  let status: string | null = null;
  let wake: () => void = () => {};
  let isFirst = true;
  call.on('data', (answer: ProcessingResponse) => {
    answers.push(describeAnswer(answer));
    wake();
  });
  call.on('error', (_error: ServiceError) => {});
  call.on('status', ({ code, details }: StatusObject) => {
    status = code === 0 ? 'OK' : `${code} ${details}`;
    wake();
  });

  async function arrived(enough: () => boolean): Promise<void> {
    while (!enough()) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  }

  return {
    raw: call,
    send: (...messages) => {
      for (const message of messages) {
        const config =
          isFirst && modes !== null
            ? {
                protocolConfig: {
                  requestBodyMode: modes.request,
                  responseBodyMode: modes.response,
                  sendBodyWithoutWaitingForHeaderResponse: false,
                },
              }
            : {};
        isFirst = false;
        call.write(ProcessingRequest.fromPartial({ ...config, ...message } as ProcessingRequest));
      }
    },
    next: async () => {
      await arrived(() => answers.length > 0 || status !== null);
      const answer = answers.shift();
      if (answer === undefined) throw new Error(`the stream ended instead of answering: ${status}`);
      return answer;
    },
    take: async (count) => {
      await arrived(() => answers.length >= count || status !== null);
      return answers.splice(0, count);
    },
    rest: async () => {
      await arrived(() => status !== null);
      return { answers: answers.splice(0), status: status ?? '' };
    },
    halfClose: () => call.end(),
    cancel: () => call.cancel(),
    pause: () => void call.pause(),
    resume: () => void call.resume(),
  };
}

export function headers(
  direction: 'request' | 'response',
  fields: Readonly<Record<string, string>>,
  endOfStream: boolean,
): Partial<ProcessingRequest> {
  const list = Object.entries(fields).map(([key, value]) => ({ key, value: '', rawValue: Buffer.from(value) }));
  return {
    request: {
      $case: direction === 'request' ? 'requestHeaders' : 'responseHeaders',
      value: { headers: { headers: list }, endOfStream },
    },
  };
}

export function body(
  direction: 'request' | 'response',
  content: string | Buffer,
  endOfStream: boolean,
): Partial<ProcessingRequest> {
  return {
    request: {
      $case: direction === 'request' ? 'requestBody' : 'responseBody',
      value: { body: Buffer.from(content), endOfStream },
    },
  };
}

export function trailers(direction: 'request' | 'response'): Partial<ProcessingRequest> {
  return {
    request: {
      $case: direction === 'request' ? 'requestTrailers' : 'responseTrailers',
      value: { trailers: { headers: [] } },
    },
  };
}

export const post: Readonly<Record<string, string>> = {
  ':method': 'POST',
  ':path': '/v1/chat/completions',
  ':authority': 'llm.example',
  'content-type': 'application/json',
  'content-length': '5',
};

export const ok: Readonly<Record<string, string>> = {
  ':status': '200',
  'content-type': 'text/event-stream',
};

/** One line an answer, so that a test can assert whole conversations: `request_body replace=… set=… remove=…`. */
export function describeAnswer(answer: ProcessingResponse): string {
  const { response } = answer;
  switch (response?.$case) {
    case 'requestHeaders':
    case 'responseHeaders':
    case 'requestBody':
    case 'responseBody': {
      const parts = [snake(response.$case)];
      const common = response.value.response;
      if (common === undefined) parts.push('empty');
      const mutation = common?.bodyMutation?.mutation;
      if (mutation?.$case === 'body') parts.push(`replace=${mutation.value.toString('latin1')}`);
      if (mutation?.$case === 'clearBody') parts.push('clear');
      if (mutation?.$case === 'streamedResponse') {
        parts.push(`streamed=${mutation.value.body.toString('latin1')}${mutation.value.endOfStream ? ' eos' : ''}`);
      }
      return [...parts, ...headerParts(common?.headerMutation)].join(' ');
    }
    case 'requestTrailers':
    case 'responseTrailers':
      return snake(response.$case);
    case 'immediateResponse': {
      const { status, body: content, details, headers: mutation } = response.value;
      return [`immediate ${status?.code} ${content.toString('latin1')} ${details}`, ...headerParts(mutation)].join(' ');
    }
    default:
      return 'nothing';
  }
}

function headerParts(
  mutation:
    | { setHeaders: { header: { key: string; rawValue: Buffer } | undefined }[]; removeHeaders: string[] }
    | undefined,
): string[] {
  const set = (mutation?.setHeaders ?? []).map(
    ({ header }) => `+${header?.key}=${header?.rawValue.toString('latin1')}`,
  );
  return [...set, ...(mutation?.removeHeaders ?? []).map((name) => `-${name}`)];
}

function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
