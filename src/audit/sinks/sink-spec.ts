import type { TlsClientFiles } from '../tls-client.ts';
import type { Format } from './format.ts';
import type { Projection } from './projection.ts';

/** A sink as data: what configuration says, secrets revealed, so that it can be handed to another thread. */
export interface SinkSpec {
  /** Names its cursor, its dead letters and its metrics. */
  readonly name: string;
  readonly format: Format;
  readonly projection: Projection;
  readonly batch: { readonly records: number; readonly bytes: number; readonly waitMs: number };
  readonly eventBytesMax: number;
  /** The last so many bytes of the prompt that was sent, masked, go along; 0: nothing of it. */
  readonly promptBytesMax: number;
  readonly deadlineMs: number;
  readonly target: SinkTarget;
}

export type SinkTarget =
  | { readonly kind: 'stdout' }
  | { readonly kind: 'file'; readonly path: string }
  | {
      readonly kind: 'webhook';
      readonly url: string;
      readonly tls: TlsClientFiles | null;
      readonly secret: string;
      readonly headers: Readonly<Record<string, string>>;
    }
  | {
      readonly kind: 'syslog';
      readonly address: { readonly host: string; readonly port: number };
      readonly enterprise: number;
      readonly tls: TlsClientFiles | null;
    }
  | {
      readonly kind: 'splunk_hec';
      readonly url: string;
      readonly tls: TlsClientFiles | null;
      readonly token: string;
      readonly index: string | null;
      readonly acks: boolean;
    }
  | {
      readonly kind: 'elasticsearch';
      readonly url: string;
      readonly tls: TlsClientFiles | null;
      readonly index: string;
      readonly authorization: string | null;
    }
  | {
      readonly kind: 'otlp';
      readonly url: string;
      readonly tls: TlsClientFiles | null;
      readonly headers: Readonly<Record<string, string>>;
    }
  | {
      readonly kind: 'kafka';
      readonly brokers: readonly string[];
      readonly topic: string;
      readonly tls: boolean | TlsClientFiles;
      readonly sasl: {
        readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
        readonly username: string;
        readonly password: string;
      } | null;
    }
  | {
      readonly kind: 's3';
      readonly bucket: string;
      readonly region: string;
      readonly endpoint: string | null;
      readonly tls: TlsClientFiles | null;
      readonly accessKeyId: string | null;
      readonly secretAccessKey: string | null;
      readonly lockMs: number;
      readonly legalHold: boolean;
    };
