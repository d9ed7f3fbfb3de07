import type { Gate } from '../approval/approval.ts';
import type { AuditLog } from '../audit/entry.ts';
import type { Detector } from '../detect/finding.ts';
import type { Authenticator } from '../identity/subject.ts';
import type { TokenHeader } from '../identity/token-header.ts';
import type { Clock } from '../lib/clock.ts';
import type { NewId } from '../lib/ids.ts';
import type { Dialect, RouteFacts } from '../llm/dialect.ts';
import type { SessionKeys } from '../mask/session-keys.ts';
import type { Pdp } from '../policy/decision.ts';
import type { Log, Metrics } from '../telemetry/telemetry.ts';
import type { ExternalRecognition } from './recognise.ts';
import type { MaskingScope, Pseudonyms } from './session.ts';

/** All that the two phases stand on, for one exchange. */
export interface ExchangeDeps {
  readonly authenticator: Authenticator;
  readonly selectDialect: (route: RouteFacts, contentType: string | null) => Dialect;
  /** The same from the request's first text to the answer's last. */
  readonly detector: Detector;
  /** Asked as well about requests; null: nobody is. */
  readonly recognition: ExternalRecognition | null;
  /** Names that detector and recogniser can report. */
  readonly entities: ReadonlySet<string>;
  readonly pdp: Pdp;
  readonly gate: Gate;
  readonly audit: AuditLog;
  readonly clock: Clock;
  readonly newId: NewId;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly keys: ExchangeKeys;
  readonly settings: ExchangeSettings;
}

/** The same for all exchanges. Built once by the composition root; holds no state of any of them. */
export interface ServiceDeps extends Omit<ExchangeDeps, 'detector'> {
  readonly detection: DetectorInService;
}

/** Detection that may change while the service runs. */
export interface DetectorInService {
  /** The detector of the policy in service: the two change together. */
  current(): Detector;
}

/**
 * What an exchange goes on with. Called in the same turn as `pdp.current()`, so that a reload between scanning and recording changes
 * neither what is masked nor which revision is on record.
 */
export function depsOfNow(service: ServiceDeps): ExchangeDeps {
  // In front: a member that is added behind a spread costs microseconds (V8).
  return { detector: service.detection.current(), ...service };
}

/** A key for each purpose, or what is done with it. */
export interface ExchangeKeys {
  readonly placeholder: SessionKeys;
  readonly handover: Uint8Array;
  readonly pseudonym: Pseudonyms;
}

/** What of the configuration an exchange is led by. */
export interface ExchangeSettings {
  readonly tokenHeader: TokenHeader;
  /** False (default): the identity token is removed before the request goes on. */
  readonly forwardToken: boolean;
  readonly sessionHeader: string;
  readonly maskingScope: MaskingScope;
  /** Headers that policy may see; lower-case. */
  readonly policyHeaders: readonly string[];
  /** A held request waits in-band no longer than this, whatever policy asks for. */
  readonly holdWaitMsMax: number;
  /** The same for a held answer. Absent: as for a request. */
  readonly answerWaitMsMax?: number;
  /** Where a caller sees what became of its approval, with `{approval}` for the id. Absent: nowhere but over gRPC. */
  readonly approvalStatusUrl?: string | null;
  /** In which content encoding a body leaves that came with one; untouched bodies that came whole leave as they came. */
  readonly encoding: { readonly requests: Recoding; readonly answers: Recoding };
  /** Bytes of a body, decoded, that are read at most. */
  readonly bodyBytesMax: number;
}

/** `identity`: without one. `same`: in the one that it came with. */
export type Recoding = 'identity' | 'same';
