import { createApprovalService } from '../api/approval-service.ts';
import { createCensus } from '../approval/census.ts';
import { createGate } from '../approval/gate.ts';
import { createLevelStore } from '../approval/level-store.ts';
import type { RecordedStoreDeps } from '../approval/recorded-store.ts';
import { createRedisStore } from '../approval/redis-store.ts';
import type { ApprovalStore } from '../approval/store.ts';
import { startSweeper } from '../approval/sweeper.ts';
import { allowUnrecorded, allowUnrecordedEntry } from '../audit/allow-unrecorded.ts';
import { createBallast } from '../audit/ballast.ts';
import { countEntries } from '../audit/counted-log.ts';
import { type FileLog, openFileLog } from '../audit/file-log.ts';
import { nodeFs } from '../audit/fs-port.ts';
import { layout } from '../audit/layout.ts';
import { recordQuarantines } from '../audit/quarantine.ts';
import { openSubjectKeys, sealForSubjects } from '../audit/subject-keys.ts';
import type { Config } from '../config/config.ts';
import type { LoadedConfig } from '../config/load.ts';
import { createAnswerService } from '../exchange/answer-service.ts';
import type { ServiceDeps } from '../exchange/deps.ts';
import { createExchangeService } from '../exchange/service.ts';
import { ApprovalServiceService } from '../gen/countersign/approval/v1/approval.ts';
import { AuditServiceService } from '../gen/countersign/audit/v1/audit.ts';
import { createJwks } from '../identity/jwks.ts';
import { createJwtAuthenticator } from '../identity/jwt-authenticator.ts';
import { systemClock } from '../lib/clock.ts';
import { createPooledRandom, createUuidV7 } from '../lib/ids.ts';
import { limits } from '../lib/limits.ts';
import { createDialects } from '../llm/dialects.ts';
import { createSessionKeys } from '../mask/session-keys.ts';
import { plainWaitMs } from '../pep/envoy-time.ts';
import { addAuthorization } from '../pep/ext-authz.ts';
import { addExternalProcessor } from '../pep/ext-proc.ts';
import type { ReloadingPdp } from '../policy/pdp.ts';
import { createRpcServer } from '../rpc/server.ts';
import { createHttpEndpoint } from '../telemetry/http-endpoint.ts';
import { createPinoLog, type PinoLog } from '../telemetry/pino-log.ts';
import { createPrometheus } from '../telemetry/prometheus.ts';
import { approvalEntry } from './approval-record.ts';
import { openAuditApi } from './audit-api.ts';
import { openAuditKeys } from './audit-keys.ts';
import { countDecisions, startBeacons } from './beacons.ts';
import { recognitionFrom } from './detector.ts';
import { startPdp } from './following-policy.ts';
import { createGateways } from './gateways.ts';
import { derivedKeys } from './keys.ts';
import { address, listenAddress, readTls, rpcTls, tlsOf } from './listeners.ts';
import { followKeyFile, openPlaceholderKeys } from './masking-keys.ts';
import { openNotices, tellsRequesters } from './notices.ts';
import { createOpened, type Opened } from './opened.ts';
import { createFollowingDetection } from './policy-detection.ts';
import { openSinks, promptsLeaveEntry } from './sinks.ts';
import { openWitnesses, refuseRollback, type Witnesses } from './witnesses.ts';

/** The service, running. */
export interface Service {
  readonly addresses: {
    readonly pep: string;
    readonly api: string;
    readonly http: string;
    /** Absent: not configured. */
    readonly gateways?: string;
  };
  /** Takes no more exchanges, lets those in flight finish, closes the record. Idempotent. */
  stop(): Promise<void>;
}

export interface ServiceOptions {
  /** The version that runs; goes on record. */
  readonly version: string;
  /** Folder of .proto files for gRPC reflection; null: none. */
  readonly protoFolder: string | null;
  /** How long exchanges in flight may take when the service stops, milliseconds. */
  readonly drainMs: number;
}

/** Builds the whole service from its configuration and starts it. Throws what keeps it from starting; nothing of it is left open then. */
export async function startService(loaded: LoadedConfig, options: ServiceOptions): Promise<Service> {
  const opened = createOpened();
  try {
    return await compose(loaded, options, opened);
  } catch (thrown) {
    // What kept it from starting is the news, not what then went wrong with closing.
    await opened.close().catch(() => {});
    throw thrown;
  }
}

async function compose(loaded: LoadedConfig, options: ServiceOptions, opened: Opened): Promise<Service> {
  const { config } = loaded;
  const clock = systemClock;
  const random = createPooledRandom();
  const newId = createUuidV7(clock, random);
  const log = createPinoLog({ clock }, { level: config.log.level });
  const { metrics, counts: decisions } = countDecisions(
    createPrometheus({ version: options.version, processMetrics: true }),
  );
  const lifetime = new AbortController();
  opened.add(async () => {
    log.info('countersign has stopped');
    log.flush();
  });

  const auditKeys = await openAuditKeys(config.audit, process.env, random);
  const sinks = openSinks(config.audit, { version: options.version, newId, log, metrics, keys: auditKeys });
  opened.add(sinks.close);
  await refuseRollback(config.audit);
  const audit = await openFileLog({
    directory: config.audit.directory,
    origin: config.audit.origin,
    keys: auditKeys,
    clock,
    random,
    newId,
    observe: { log, metrics },
    shard: config.audit.shard,
    limits: { freeBytesMin: config.audit.freeBytesMin },
    ballast: createBallast({
      fs: nodeFs,
      path: layout.ballast(config.audit.directory),
      bytes: limits.auditBallastBytes,
      spareBytes: config.audit.freeBytesMin,
      random,
    }),
    openFacts: { version: options.version, config: loaded.digest, node: process.versions.node },
  });
  opened.add(audit.close);
  await recordQuarantines(nodeFs, config.audit.directory, audit);
  const promptsLeave = promptsLeaveEntry(config.audit);
  if (promptsLeave !== null) await audit.append(promptsLeave);
  const { allowsUnrecorded } = config.audit;
  if (allowsUnrecorded) await audit.append(allowUnrecordedEntry);
  const entries = countEntries(audit);
  const recorded = allowsUnrecorded ? allowUnrecorded(entries.log, log, clock.nowMs) : entries.log;
  const witnesses = openWitnesses(config.audit, recorded, clock, { log, metrics });
  opened.add(witnesses.close);
  const beacons = startBeacons({
    log: audit,
    entries: entries.counts,
    decisions,
    witnessed: witnesses.latest,
    observe: log,
  });
  opened.add(beacons.stop);
  const subjects = await openSubjectKeys({
    directory: config.audit.directory,
    keys: auditKeys,
    random,
    cachedMax: limits.subjectKeysCachedMax,
  });
  const recognition = recognitionFrom(config.detection.presidio);
  const detection = createFollowingDetection(config.detection, recognition?.recogniser.entities ?? []);
  const pdp = await startPdp(config, audit, log, detection, lifetime.signal);
  opened.add(async () => lifetime.abort());
  const authenticator = createJwtAuthenticator(
    { clock },
    {
      issuers: config.identity.issuers.map(({ jwks, claims, ...issuer }) => ({
        ...issuer,
        // An address is read only where somebody is to be written to.
        claims: { ...claims, email: tellsRequesters(config.notices) ? (claims.email ?? null) : null },
        keys: createJwks({ clock, log }, jwks),
      })),
      workload: config.identity.workload,
      cache: config.identity.cache,
    },
  );
  const notices = await openNotices(config.notices, config.approval.retentionMs, { clock, random, log, metrics });
  opened.add(notices.close);
  const store = await openStore(config, {
    clock,
    log,
    onTransition: async (approval, before) => {
      await audit.append(approvalEntry(approval, before));
      metrics.approvalTransition(approval.state);
      if (before?.state === 'pending' && approval.state !== 'pending') {
        metrics.approvalDecided(approval.state, (clock.nowMs() - approval.createdAtMs) / 1000);
      }
      await notices.tell(approval, before);
    },
  });
  opened.add(() => store.close());
  const sweeper = startSweeper(store, log, 1_000, createCensus({ store, clock, metrics }));
  opened.add(() => sweeper.close());
  const { entities } = detection;
  const keys = derivedKeys(config.masking.key?.reveal() ?? null, random);
  const { keyFile, keyReloadMs } = config.masking;
  const placeholders = createSessionKeys(
    { clock, entities },
    await openPlaceholderKeys(keyFile, keys.placeholder, auditKeys),
  );
  if (keyFile !== null) {
    followKeyFile(keyFile, auditKeys, { log, everyMs: keyReloadMs }, placeholders, lifetime.signal);
  }
  const gate = createGate({ store, clock, newId, observe: metrics }, { draining: lifetime.signal });
  const selectDialect = createDialects(config.routes);
  const exchangeDeps: ServiceDeps = {
    authenticator,
    selectDialect,
    detection,
    recognition,
    entities,
    pdp,
    gate,
    audit: sealForSubjects(witnesses.demanded, subjects),
    clock,
    newId,
    log,
    metrics,
    keys: { ...keys, placeholder: placeholders },
    settings: {
      tokenHeader: config.identity.token,
      forwardToken: config.identity.forwardToken,
      sessionHeader: config.session.header,
      maskingScope: config.masking.scope,
      policyHeaders: config.policy.headers,
      bodyBytesMax: config.limits.bodyBytesMax,
      holdWaitMsMax: config.approval.maxWaitMs,
      approvalStatusUrl: config.approval.statusUrl,
      answerWaitMsMax: plainWaitMs(config.approval.maxWaitMs, config.envoy),
      encoding: config.encoding,
    },
  };
  const exchange = createExchangeService(exchangeDeps);

  const pep = createRpcServer({ log, reflectionRoot: options.protoFolder });
  addExternalProcessor(pep, { exchange, log, metrics, envoyTime: config.envoy });
  addAuthorization(pep, { exchange, log, metrics, envoyTime: config.envoy });
  const api = createRpcServer({ log, reflectionRoot: options.protoFolder });
  const approvals = createApprovalService(
    { store, authenticator, clock, log, metrics },
    {
      auditorGroups: config.access.auditorGroups,
      rate: { perSecond: config.access.callsPerSecond, burst: 4 * config.access.callsPerSecond },
      draining: lifetime.signal,
    },
  );
  api.addService(ApprovalServiceService, approvals);
  const auditApi = await openAuditApi(config, {
    log: audit,
    keys: auditKeys,
    subjects,
    authenticator,
    gate,
    clock,
    observe: log,
    pseudonym: keys.pseudonym,
    placeholders: {
      detection,
      entities,
      selectDialect,
      keysOf: placeholders.all,
      maskingScope: config.masking.scope,
    },
  });
  if (auditApi !== null) {
    opened.add(auditApi.close);
    api.addService(AuditServiceService, auditApi.service);
  }
  let isStopping = false;
  const http = createHttpEndpoint(
    { metrics, log, readiness: () => readiness(isStopping, audit, pdp, witnesses, allowsUnrecorded) },
    { ...address(config.listen.http), tls: tlsOf(config.listen.http, readTls) },
  );

  const gateways = createGateways(config, {
    exchange,
    answers: createAnswerService(exchangeDeps),
    sessionHeader: config.session.header,
    log,
    metrics,
  });

  opened.add(() => http.close());
  opened.add(async () => {
    const [outcome] = await Promise.all([
      pep.drain(options.drainMs),
      api.drain(options.drainMs),
      gateways?.close(options.drainMs),
    ]);
    if (outcome === 'cut') log.warn('exchanges were cut at the end of the drain time');
  });

  const ports = [
    await pep.listen(listenAddress(config.listen.pep), tlsOf(config.listen.pep, rpcTls)),
    await api.listen(listenAddress(config.listen.api), tlsOf(config.listen.api, rpcTls)),
    await http.start(),
    (await gateways?.start()) ?? 0,
  ];
  pep.setServing(true);
  api.setServing(true);
  log.info('countersign serves', { revision: pdp.revision() ?? 'none', file: loaded.file });

  const stop = async (): Promise<void> => {
    isStopping = true;
    lifetime.abort();
    await opened.close();
  };
  let stopped: Promise<void> | null = null;
  return {
    addresses: {
      pep: `${config.listen.pep.host}:${ports[0]}`,
      api: `${config.listen.api.host}:${ports[1]}`,
      http: `${config.listen.http.host}:${ports[2]}`,
      ...(config.gateways ? { gateways: `${config.gateways.listen.host}:${ports[3]}` } : {}),
    },
    stop: () => {
      stopped ??= stop();
      return stopped;
    },
  };
}

function openStore(config: Config, deps: RecordedStoreDeps & { readonly log: PinoLog }): Promise<ApprovalStore> {
  const { store, retentionMs } = config.approval;
  if (store.kind === 'embedded') return createLevelStore({ directory: store.directory, retentionMs }, deps);
  return createRedisStore(
    { target: store.target.reveal(), prefix: store.keyPrefix, deadlineMs: store.deadlineMs, retentionMs },
    deps,
  );
}

function readiness(
  isStopping: boolean,
  audit: FileLog,
  pdp: ReloadingPdp,
  { missing }: Witnesses,
  allowsUnrecorded: boolean,
): { name: string; ready: boolean; reason: string | null }[] {
  const { state, reason } = audit.health();
  const revision = pdp.revision();
  return [
    { name: 'lifecycle', ready: !isStopping, reason: isStopping ? 'stopping' : null },
    { name: 'audit', ready: state === 'open' || allowsUnrecorded, reason: state === 'open' ? null : (reason ?? state) },
    { name: 'policy', ready: revision !== null, reason: revision === null ? 'no policy is loaded' : null },
    ...(missing === null ? [] : [{ name: 'witnesses', ready: missing() === null, reason: missing() }]),
  ];
}
