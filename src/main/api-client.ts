import { readFileSync } from 'node:fs';
import { type ChannelCredentials, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js';
import type { Command } from 'commander';
import { ApprovalServiceClient } from '../gen/countersign/approval/v1/approval.ts';
import { AuditServiceClient } from '../gen/countersign/audit/v1/audit.ts';
import { CliError, exitCodes } from './output.ts';

/** Options of every command that talks to a running service. */
export interface ApiOptions {
  readonly api: string;
  readonly tokenFile?: string;
  /** The token itself, where the caller has it. */
  readonly token?: string;
  readonly ca?: string;
  readonly insecure?: boolean;
}

export function withApiOptions(command: Command): Command {
  return command
    .option('--api <address>', "the service's own gRPC API", '127.0.0.1:9192')
    .option('--token-file <file>', 'file with your identity token (default: COUNTERSIGN_TOKEN)')
    .option('--ca <file>', 'CA certificate (PEM): talk TLS to the API')
    .option('--insecure', 'talk without TLS to an address that is not this machine');
}

/** A client with the caller's token on every call. Throws CliError with what to do when there is no token. */
export function openApprovals(options: ApiOptions): {
  readonly client: ApprovalServiceClient;
  readonly metadata: Metadata;
} {
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${token(options)}`);
  return {
    client: new ApprovalServiceClient(options.api, channel(options)),
    metadata,
  };
}

/** The same for the record. */
export function openAudit(options: ApiOptions): {
  readonly client: AuditServiceClient;
  readonly metadata: Metadata;
} {
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${token(options)}`);
  return { client: new AuditServiceClient(options.api, channel(options)), metadata };
}

function token(options: ApiOptions): string {
  const found = options.token ?? (options.tokenFile ? readFile(options.tokenFile) : process.env['COUNTERSIGN_TOKEN']);
  if (!found?.trim()) {
    throw new CliError('No identity token. Set COUNTERSIGN_TOKEN, or name a file with --token-file.', exitCodes.usage);
  }
  const word = found.trim();
  // Checked here: grpc-js would print what it does not take.
  if (/^[!-~]+$/.test(word)) return word;
  throw new CliError(
    'What was given as identity token is none: a token is one word of printable ASCII.',
    exitCodes.usage,
  );
}

function channel(options: ApiOptions): ChannelCredentials {
  if (options.ca) return credentials.createSsl(Buffer.from(readFile(options.ca)));
  const host = options.api.replace(/:\d+$/, '');
  if (!options.insecure && !['127.0.0.1', 'localhost', '[::1]'].includes(host)) {
    throw new CliError(
      `Your token would travel in clear to ${host}. Name the API's CA with --ca, or say --insecure.`,
      exitCodes.usage,
    );
  }
  return credentials.createInsecure();
}

function readFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    throw new CliError(`${path} cannot be read.`, exitCodes.usage);
  }
}

/** Waits for a unary call and turns its status into an exit code: `unary((done) => client.get(request, metadata, done))`. */
export function unary<Response>(
  start: (done: (error: ServiceError | null, response: Response) => void) => unknown,
): Promise<Response> {
  return new Promise((resolve, reject) => {
    start((error, response) => {
      if (error) reject(apiError(error));
      else resolve(response);
    });
  });
}

export function apiError(error: ServiceError): CliError {
  switch (error.code) {
    case status.UNAVAILABLE:
      // grpc-js's own words for a connection that never came about; a service of ours says what it cannot do.
      if (/^(No connection established|Name resolution failed)/.test(error.details)) {
        const [why = error.details] = /\bE[A-Z]{4,}\b/.exec(error.details) ?? [];
        return new CliError(
          `No service answers there; is it running, and --api right? (${why})`,
          exitCodes.unreachable,
        );
      }
      return new CliError(`The service cannot do this now: ${error.details}`, exitCodes.unreachable);
    case status.DEADLINE_EXCEEDED:
      return new CliError(`The service cannot do this now: ${error.details}`, exitCodes.unreachable);
    case status.UNAUTHENTICATED:
      return new CliError(`Your identity token was not accepted: ${error.details}`, exitCodes.no);
    case status.FAILED_PRECONDITION:
      return new CliError(error.details, exitCodes.conflict);
    case status.ABORTED:
    case status.RESOURCE_EXHAUSTED:
      return new CliError(`Try again: ${error.details}`, exitCodes.again);
    case status.INVALID_ARGUMENT:
      return new CliError(error.details, exitCodes.usage);
    default:
      return new CliError(error.details || status[error.code] || 'failed');
  }
}
