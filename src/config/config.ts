import type { EmailChannel, NoticeRoute, WebhookChannel } from '../approval/notice/route.ts';
import type { RedisTarget } from '../approval/redis-client.ts';
import type { SinkSpec, SinkTarget } from '../audit/sinks/sink-spec.ts';
import type { TrustedWitness } from '../audit/verify-trust.ts';
import type { CustomPattern } from '../detect/custom-pattern.ts';
import type { Dictionary } from '../detect/dictionary.ts';
import type { Decoding } from '../detect/escapes.ts';
import type { TrustedIssuer } from '../identity/jwt-authenticator.ts';
import type { JwksOptions } from '../identity/keys.ts';
import type { TokenHeader } from '../identity/token-header.ts';
import type { LogLevel } from '../telemetry/pino-log.ts';
import type { KekConfig, RetentionConfig, RevealConfig, ShardConfig } from './audit-section.ts';
import type { Secret } from './secret.ts';

/**
 * The whole configuration, checked: durations in milliseconds, paths absolute, references resolved, defaults filled in.
 * What each setting means is said once, in schema.ts, from which docs/configuration.md is made.
 */
export interface Config {
  readonly listen: { readonly pep: Listener; readonly api: Listener; readonly http: Listener };
  /** Null: no gateway asks by HTTP. */
  readonly gateways: GatewaysConfig | null;
  readonly identity: IdentityConfig;
  readonly policy: {
    readonly bundle: string;
    /** 0: the bundle is read once. */
    readonly reloadMs: number;
    /** Lower-case names of request headers that policy may see. */
    readonly headers: readonly string[];
  };
  readonly detection: DetectionConfig;
  readonly masking: {
    readonly scope: 'session' | 'tenant' | 'request';
    /** Null: a key of this process, forgotten when it ends. */
    readonly key: Secret | null;
    /** Null: placeholders are keyed with `key`. */
    readonly keyFile: string | null;
    readonly keyReloadMs: number;
  };
  readonly approval: ApprovalConfig;
  readonly notices: NoticesConfig;
  readonly audit: AuditConfig;
  readonly limits: { readonly bodyBytesMax: number };
  readonly encoding: { readonly requests: 'identity' | 'same'; readonly answers: 'identity' | 'same' };
  readonly session: { readonly header: string };
  readonly access: AccessConfig;
  readonly log: { readonly level: LogLevel };
  /** The longest prefix that fits speaks for the path. */
  readonly routes: readonly { readonly pathPrefix: string; readonly dialect: string }[];
  readonly envoy: { readonly messageTimeoutMs: number; readonly maxMessageTimeoutMs: number };
}

export interface GatewaysConfig {
  readonly listen: Listener;
  readonly key: Secret;
}

export interface Listener {
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  readonly tls: TlsFiles | null;
}

/** PEM files. With `clientCaFile`, clients must show a certificate that it signed. */
export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
  readonly clientCaFile: string | null;
}

export interface IdentityConfig {
  readonly token: TokenHeader;
  readonly forwardToken: boolean;
  readonly issuers: readonly IssuerConfig[];
  readonly workload: { readonly xfccTrusted: boolean };
  readonly cache: { readonly ttlMs: number; readonly entriesMax: number };
}

/** A trusted issuer, with the place of its keys instead of the keys. */
export type IssuerConfig = Omit<TrustedIssuer, 'keys'> & { readonly jwks: JwksOptions };

export interface AccessConfig {
  readonly auditorGroups: readonly string[];
  readonly readerGroups: readonly string[];
  readonly officerGroups: readonly string[];
  /** Calls of one caller to the API: so many a second in the long run, four times as many at once. */
  readonly callsPerSecond: number;
  /** Without approver groups an auditor may reveal alone. */
  readonly reveal: RevealConfig;
}

export interface DetectionConfig {
  readonly tier: 'core' | 'extended';
  /** Null: all. */
  readonly countries: readonly string[] | null;
  readonly custom: readonly CustomDetector[];
  readonly dictionaries: readonly DictionaryConfig[];
  readonly decode: Decoding;
  /** Exact values that are never findings; below, the same by pattern and by hash. */
  readonly allow: readonly string[];
  readonly allowPatterns: readonly string[];
  readonly allowHashes: readonly string[];
  /** Null: the hashes are plain SHA-256. */
  readonly allowKey: Secret | null;
  /** Null: not used. */
  readonly presidio: PresidioConfig | null;
}

export interface PresidioConfig {
  readonly url: string;
  readonly language: string;
  readonly entities: readonly string[];
  readonly scoreThreshold: number;
  readonly roles: readonly string[];
  readonly timeoutMs: number;
  readonly concurrency: number;
  readonly charactersMax: number;
  readonly onFailure: 'deny' | 'ignore';
}

/** A pattern of the user's own. */
export type CustomDetector = CustomPattern;

export type DictionaryConfig = Dictionary;

export interface ApprovalConfig {
  readonly store: { readonly kind: 'embedded'; readonly directory: string } | RedisConfig;
  /** Longest in-band wait of a held request; 0: none. */
  readonly maxWaitMs: number;
  /** How long an approval is kept after its last deadline. */
  readonly retentionMs: number;
  /** Told to who is held, with `{approval}` for the id; null: nothing is. */
  readonly statusUrl: string | null;
}

export interface RedisConfig {
  readonly kind: 'redis';
  /** Addresses and credentials. */
  readonly target: Secret<RedisTarget>;
  readonly keyPrefix: string;
  readonly deadlineMs: number;
}

export interface NoticesConfig {
  readonly directory: string;
  /** With `{approval}` for the id; null: none. */
  readonly link: string | null;
  readonly routes: readonly NoticeRouteConfig[];
}

/** A route, its secrets out of sight and its authority not read yet. */
export type NoticeRouteConfig = Omit<NoticeRoute, 'channel'> & {
  readonly channel:
    | (Pick<WebhookChannel, 'kind' | 'format'> & {
        readonly url: Secret;
        readonly secret: Secret | null;
        readonly caFile: string | null;
      })
    | (Omit<EmailChannel, 'ca' | 'login'> & {
        readonly login: { readonly user: string; readonly password: Secret } | null;
        readonly caFile: string | null;
      });
};

/** A sink, its address and credentials out of sight. */
export type SinkConfig = Omit<SinkSpec, 'target'> & { readonly target: Secret<SinkTarget> };

/** How many witnesses must have cosigned the record, and how late, for exchanges to pass. */
export interface WitnessDemand {
  /** 0: none must. */
  readonly required: number;
  readonly maxLagMs: number;
}

export interface AuditConfig {
  readonly directory: string;
  /** A folder above the logs of several writers, this one's among them, which are read as one; null: this log alone. */
  readonly readFrom: string | null;
  /** Names this writer's log, for ever: `audit.example.com/prod/gateway-0`. */
  readonly origin: string;
  /** Null: the keys come from the environment. */
  readonly keyFile: string | null;
  readonly createKeyFile: boolean;
  readonly sinks: readonly SinkConfig[];
  readonly witnesses: readonly TrustedWitness[];
  readonly witness: WitnessDemand;
  /** Where sinks keep their cursors and dead letters. */
  readonly sinkDirectory: string;
  /** Null: the key-encryption key lies with the signing key. */
  readonly kek: KekConfig | null;
  /** Key files that were replaced: what their keys wrapped stays readable. */
  readonly previousKeyFiles: readonly string[];
  readonly ageRecipients: readonly string[];
  readonly retention: RetentionConfig;
  readonly shard: ShardConfig;
  /** Below this much free space nothing more is recorded. */
  readonly freeBytesMin: number;
  /** Whether exchanges pass when they cannot be recorded. */
  readonly allowsUnrecorded: boolean;
}
