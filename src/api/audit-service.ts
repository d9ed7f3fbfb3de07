import { type ServerUnaryCall, type ServerWritableStream, type sendUnaryData, status } from '@grpc/grpc-js';
import type { AuditLog } from '../audit/entry.ts';
import type { FoundRecord, JoinedIndex } from '../audit/joined-index.ts';
import type { StoredRecord } from '../audit/read.ts';
import { isVisibleTo, type RecordIndex, type RecordQuery } from '../audit/record-index.ts';
import type { Erased, Retention } from '../audit/retention.ts';
import type { Order } from '../audit/retention-facts.ts';
import type { VerifyReport } from '../audit/verify.ts';
import {
  type AuditServiceServer,
  type EraseResponse,
  EraseState,
  type ExportRequest,
  type ExportResponse,
} from '../gen/countersign/audit/v1/audit.ts';
import type { Authenticator, Subject } from '../identity/subject.ts';
import { Fault } from '../lib/fault.ts';
import { limits } from '../lib/limits.ts';
import { err, ok, type Result } from '../lib/result.ts';
import { faultToStatus, type RpcStatus } from '../rpc/status.ts';
import type { Log } from '../telemetry/telemetry.ts';
import { type AuditRole, type AuditRoles, entitled } from './audit-access.ts';
import { originOf, queryOf, recordMessage, verifyMessage } from './audit-message.ts';
import { type RevealDeps, type RevealOptions, reveal } from './audit-reveal.ts';
import { authenticateCaller, invalid, isId } from './caller.ts';

export interface AuditServiceDeps extends RevealDeps {
  readonly authenticator: Authenticator;
  /** Of the log that this process writes: what it may hold and erase. */
  readonly index: RecordIndex;
  /** Of all logs that are read. */
  readonly logs: JoinedIndex;
  readonly retention: Retention;
  readonly log: AuditLog;
  readonly observe: Log;
  /** Reads a record where the index says that it lies; null: it is not there any more. */
  readonly read: (found: FoundRecord) => Promise<StoredRecord | null>;
  readonly prove: (record: StoredRecord) => Promise<string | null>;
  /** Of the log that the record is in. */
  readonly verifierKeyOf: (record: StoredRecord) => string;
  /** A report on each log that is read, this process's own first. */
  readonly verify: () => Promise<readonly VerifyReport[]>;
  readonly pseudonymOf: (person: { readonly tenant: string; readonly issuer: string; readonly id: string }) => string;
}

export interface AuditServiceOptions extends AuditRoles, RevealOptions {}

type Answer<T> = Promise<Result<T, RpcStatus>>;

/** A caller with a role, and the groups that give it. */
interface Entitled {
  readonly subject: Subject;
  readonly groups: readonly string[];
}

/** `countersign.audit.v1.AuditService`: see the .proto for the contract of each call. */
export function createAuditService(deps: AuditServiceDeps, options: AuditServiceOptions): AuditServiceServer {
  const { index, logs, retention } = deps;
  let verifying: Promise<readonly VerifyReport[]> | null = null;

  /** Authenticates, looks at the role, answers, and turns whatever goes wrong into a status. */
  const unary =
    <Q, A>(role: AuditRole, answer: (caller: Entitled, request: Q) => Answer<A>) =>
    async (call: ServerUnaryCall<Q, A>, respond: sendUnaryData<A>): Promise<void> => {
      try {
        const caller = await callerOf(call, role);
        const answered = caller.ok ? await answer(caller.value, call.request) : caller;
        if (answered.ok) respond(null, answered.value);
        else respond(answered.error);
      } catch (thrown) {
        respond(faulted(thrown));
      }
    };

  async function callerOf(
    call: Pick<ServerUnaryCall<unknown, unknown>, 'metadata'>,
    role: AuditRole,
  ): Answer<Entitled> {
    const caller = await authenticateCaller(deps.authenticator, call.metadata, AbortSignal.timeout(callMsMax));
    if (!caller.ok) return caller;
    const groups = entitled(caller.value, role, options);
    return groups.ok ? ok({ subject: caller.value, groups: groups.value }) : groups;
  }

  function faulted(thrown: unknown): RpcStatus {
    const fault = Fault.from(thrown);
    deps.observe.error('audit call failed', { code: fault.code, reason: fault.message });
    return faultToStatus(fault);
  }

  /** The record, if this caller may know of it. */
  async function visible({ subject }: Entitled, id: string): Answer<StoredRecord> {
    if (!isId(id)) return invalid('id', 'must be the id of a record');
    await logs.catchUp();
    const found = await logs.byId(id);
    const record = found !== null && isVisibleTo(subject.tenant, found.row) ? await deps.read(found) : null;
    return record === null ? err({ code: status.NOT_FOUND, details: 'not_found' }) : ok(record);
  }

  /** Null: `place` is not one of ours. */
  async function page(
    caller: Entitled,
    query: Omit<RecordQuery, 'before'>,
    place: string | null,
  ): Promise<{ records: StoredRecord[]; next: string | null } | null> {
    const found = await logs.find({ ...query, visibleTo: caller.subject.tenant }, place);
    if (found === null) return null;
    const read = await Promise.all(found.found.map(deps.read));
    return { records: read.filter((record) => record !== null), next: found.next };
  }

  function orderOf({ subject, groups }: Entitled, said: string): Result<Order, RpcStatus> {
    const reason = said.trim();
    if (reason === '') return invalid('reason', 'is missing: it goes on record');
    if (reason.length > limits.reasonCharsMax)
      return invalid('reason', `is longer than ${limits.reasonCharsMax} characters`);
    return ok({ by: { issuer: subject.issuer, id: subject.id }, tenant: subject.tenant, groups, reason });
  }

  async function exportAll(call: ServerWritableStream<ExportRequest, ExportResponse>): Promise<RpcStatus | null> {
    const caller = await callerOf(call, 'auditor');
    if (!caller.ok) return caller.error;
    await logs.catchUp();
    const query = queryOf(call.request.filter);
    await recordExport(caller.value, query);
    let place: string | null = null;
    do {
      const got: Awaited<ReturnType<typeof page>> = await page(
        caller.value,
        { ...query, limit: exportPageRecords },
        place,
      );
      const { records, next } = got ?? { records: [], next: null };
      for (const record of records) {
        if (call.cancelled) return null;
        const message = {
          record: recordMessage(record),
          manifest: record.manifestBytes,
          sealed: record.sealed,
          proof: (await deps.prove(record)) ?? '',
        };
        if (!call.write(message)) await drained(call);
      }
      place = next;
    } while (place !== null);
    return null;
  }

  /** Names of the logs of other writers that have such records. */
  async function elsewhere(query: Omit<RecordQuery, 'limit'>): Promise<string[]> {
    const records = await Promise.all((await logs.inOthers(query)).map(deps.read));
    return records.filter((record) => record !== null).map(originOf);
  }

  async function recordExport({ subject, groups }: Entitled, query: Omit<RecordQuery, 'limit'>) {
    const { issuer, id, tenant } = subject;
    const facts = { action: 'export', tenant, by: { issuer, id }, groups, filter: { ...query } };
    await deps.log.append({ kind: 'access', exchange: '', session: '', facts, bodies: {} });
  }

  return {
    get: unary('reader', async (caller, { id }: { readonly id: string }) => {
      const found = await visible(caller, id);
      return found.ok ? ok({ record: recordMessage(found.value) }) : found;
    }),
    list: unary('reader', async (caller, request) => {
      await logs.catchUp();
      const got = await page(
        caller,
        {
          ...queryOf(request.filter),
          limit: Math.min(request.pageSize === 0 ? pageSizeDefault : request.pageSize, limits.auditPageMax),
        },
        request.pageToken === '' ? null : request.pageToken,
      );
      if (got === null) return invalid('page_token', 'is not one of ours');
      return ok({ records: got.records.map(recordMessage), nextPageToken: got.next ?? '' });
    }),
    getProof: unary('reader', async (caller, { id }: { readonly id: string }) => {
      const found = await visible(caller, id);
      if (!found.ok) return found;
      const proof = await deps.prove(found.value);
      if (proof === null)
        return err({ code: status.FAILED_PRECONDITION, details: 'not_covered: try again in a second' });
      return ok({ manifest: found.value.manifestBytes, proof, verifierKey: deps.verifierKeyOf(found.value) });
    }),
    export: (call) =>
      void exportAll(call).then(
        (refusal) => (refusal === null ? call.end() : call.emit('error', refusal)),
        (thrown: unknown) => call.emit('error', faulted(thrown)),
      ),
    reveal: unary('auditor', async (caller, request) => {
      const found = await visible(caller, request.id);
      return found.ok ? reveal(deps, options, caller, found.value, request) : found;
    }),
    verify: unary('reader', async () => {
      // One at a time: everybody who asks meanwhile gets the same report.
      verifying ??= deps.verify().finally(() => {
        verifying = null;
      });
      return ok(verifyMessage(await verifying));
    }),
    hold: unary('officer', async (caller, { filter, reason }) => {
      const order = orderOf(caller, reason);
      if (!order.ok) return order;
      const { rule, model, entity, kind, ...scope } = queryOf(filter);
      if ([rule, model, entity, kind].some((given) => given !== undefined)) {
        return invalid('filter', 'may name subject, session, exchange, from and until');
      }
      const { id } = await retention.hold({ ...scope, tenant: caller.subject.tenant }, order.value);
      return ok({ id });
    }),
    release: unary('officer', async (caller, { id, reason }) => {
      const order = orderOf(caller, reason);
      if (!order.ok) return order;
      const released = await retention.release(id, order.value);
      return released.ok ? released : err({ code: status.NOT_FOUND, details: 'not_found: there is no such hold' });
    }),
    erase: unary('officer', async (caller, { subject, person, reason }) => {
      const order = orderOf(caller, reason);
      if (!order.ok) return order;
      if ((subject === '') === (person === undefined))
        return invalid('subject', 'or person must be given, and not both');
      const { tenant } = caller.subject;
      const whose = person === undefined ? subject : deps.pseudonymOf({ tenant, issuer: person.issuer, id: person.id });
      await logs.catchUp();
      // A pseudonym is of one tenant: an officer of another one cannot have it erased.
      const known = await index.find({ subject: whose, tenant, limit: 1 });
      const others = await elsewhere({ subject: whose, tenant });
      const erased = known.records.length === 0 ? err('not_found') : await retention.erase(whose, order.value);
      if (!erased.ok) {
        const where = others.length === 0 ? '' : ` here; ask the writers of ${others.join(', ')}`;
        return err({ code: status.NOT_FOUND, details: `not_found: nothing is sealed for this subject${where}` });
      }
      return ok(eraseMessage(erased.value, others));
    }),
    expire: unary('officer', async () => ok(await retention.expire())),
  };
}

function eraseMessage(erased: Erased, elsewhere: readonly string[]): EraseResponse {
  const { record } = erased;
  if (erased.kind === 'erased')
    return { state: EraseState.ERASE_STATE_ERASED, record, holds: [], elsewhere: [...elsewhere] };
  return { state: EraseState.ERASE_STATE_DEFERRED, record, holds: [...erased.holds], elsewhere: [...elsewhere] };
}

const pageSizeDefault = 50;
const exportPageRecords = 32;
/** How long a caller's identity may take to be looked up. */
const callMsMax = 10_000;

function drained(call: ServerWritableStream<ExportRequest, ExportResponse>): Promise<void> {
  return new Promise((resolve) => {
    call.once('drain', resolve);
    call.once('cancelled', () => resolve());
  });
}
