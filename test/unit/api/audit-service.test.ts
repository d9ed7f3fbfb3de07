import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { credentials, Metadata, Server, ServerCredentials, type ServiceError, status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createAuditService } from '../../../src/api/audit-service.ts';
import { createGate } from '../../../src/approval/gate.ts';
import { createLevelStore } from '../../../src/approval/level-store.ts';
import type { ApprovalStore } from '../../../src/approval/store.ts';
import { createJoinedIndex } from '../../../src/audit/joined-index.ts';
import { openBodies, readRecordAt, readRecords, type StoredRecord } from '../../../src/audit/read.ts';
import { readPublished } from '../../../src/audit/sinks/log-tail.ts';
import { proveRecord } from '../../../src/audit/tlog-proof.ts';
import { verifyLog } from '../../../src/audit/verify.ts';
import {
  AuditServiceClient,
  AuditServiceService,
  EraseState,
  type ExportResponse,
  Filter,
  type ListResponse,
  RevealRequest,
  type VerifyResponse,
} from '../../../src/gen/countersign/audit/v1/audit.ts';
import { type Authenticator, anonymous, type Subject } from '../../../src/identity/subject.ts';
import { createPooledRandom, createUuidV7 } from '../../../src/lib/ids.ts';
import { err, ok } from '../../../src/lib/result.ts';
import { noMetrics, silentLog } from '../../../src/telemetry/telemetry.ts';
import { testKeys } from '../../support/audit.ts';
import { createManualClock } from '../../support/manual-clock.ts';
import { covered, openRetentionStack, type RetentionStack } from '../../support/retention.ts';

const people: Readonly<Record<string, Subject>> = {
  rita: subject('rita', ['readers']),
  audrey: subject('audrey', ['auditors']),
  aron: subject('aron', ['auditors', 'partners']),
  olga: subject('olga', ['officers']),
  bob: subject('bob', ['staff']),
  eve: { ...subject('eve', ['readers', 'auditors', 'officers']), tenant: 'other' },
};
const authenticator: Authenticator = {
  authenticate: async ({ token }) => {
    const found = people[token ?? ''];
    return found === undefined ? err('bad_signature') : ok(found);
  },
};

const directory = mkdtempSync(join(tmpdir(), 'audit-api-'));
const log = join(directory, 'log');
const clock = createManualClock();
let stack: RetentionStack;
let store: ApprovalStore;
let server: Server;
let client: AuditServiceClient;
let secondPerson: AuditServiceClient;
const servers: Server[] = [];

beforeAll(async () => {
  stack = await openRetentionStack({ directory: log, clock });
  store = await createLevelStore(
    { directory: join(directory, 'approvals'), retentionMs: 1_000 },
    { clock, onTransition: async () => undefined },
  );
  client = await serve([]);
  secondPerson = await serve(['partners']);
  for (const n of [1, 2, 3]) await stack.exchange(`e-${n}`, 'alice', 's-1');
  clock.advance(60_000);
  await stack.exchange('e-4', 'carl', 's-2');
});

afterAll(async () => {
  client.close();
  secondPerson.close();
  for (const each of servers) each.forceShutdown();
  await store.close();
  await stack.close();
  rmSync(directory, { recursive: true });
});

function verifierKeyOf({ folder }: StoredRecord): string {
  return readFileSync(join(folder, 'log.vkey'), 'utf8').trim();
}

async function serve(
  approverGroups: readonly string[],
  logs: readonly { folder: string; stack: RetentionStack }[] = [{ folder: log, stack }],
): Promise<AuditServiceClient> {
  const newId = createUuidV7(clock, createPooledRandom());
  server = new Server();
  servers.push(server);
  server.addService(
    AuditServiceService,
    createAuditService(
      {
        authenticator,
        index: stack.index,
        logs: createJoinedIndex(async () => logs.map(({ folder, stack: { index } }) => ({ folder, index }))),
        retention: stack.retention,
        log: stack.log,
        gate: createGate({ store, clock, newId, observe: noMetrics }, {}),
        observe: silentLog,
        read: ({ row, folder }) => readRecordAt(folder, row.segment, row.offset),
        prove: async (record) => {
          const published = await readPublished(record.folder);
          return published && proveRecord(record.folder, record, published.note, published.size);
        },
        verifierKeyOf,
        verify: () => Promise.all(logs.map(({ folder }) => verifyLog({ directory: folder }))),
        open: (record) => openBodies(record.folder, record, testKeys()),
        valueOf: async (_record, _bodies, placeholder) => (placeholder === 'CREDIT_CARD_7QK3M9XW2A' ? '4111' : null),
        pseudonymOf: ({ id }) => id,
      },
      {
        readerGroups: ['readers'],
        auditorGroups: ['auditors'],
        officerGroups: ['officers'],
        approverGroups,
        approvalTtlMs: 3_600_000,
      },
    ),
  );
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  return new AuditServiceClient(`127.0.0.1:${port}`, credentials.createInsecure());
}

function as(name: string): Metadata {
  const metadata = new Metadata();
  metadata.set('authorization', `Bearer ${name}`);
  return metadata;
}

function call<T>(start: (done: (error: ServiceError | null, answer: T) => void) => unknown): Promise<T> {
  return new Promise((resolve, reject) => void start((error, answer) => (error ? reject(error) : resolve(answer))));
}

function list(
  who: string,
  filter: Partial<Filter>,
  page: { size?: number; token?: string } = {},
): Promise<ListResponse> {
  const request = { filter: Filter.fromPartial(filter), pageSize: page.size ?? 0, pageToken: page.token ?? '' };
  return call((done) => client.list(request, as(who), done));
}

async function intentOf(exchange: string): Promise<string> {
  const { records } = await list('rita', { exchange, kind: 'intent' });
  return records[0]?.id ?? '';
}

function revealing(request: Partial<RevealRequest>, who = 'audrey', by = client) {
  return call<{
    bodies: { name: string; content: Uint8Array; salt: Uint8Array }[];
    value: string;
    accessRecord: string;
  }>((done) => by.reveal(RevealRequest.fromPartial({ reason: 'ticket 7', ...request }), as(who), done));
}

describe('finding records', () => {
  test.each([
    { name: 'by session', filter: { session: 's-1', kind: 'intent' }, want: ['e-3', 'e-2', 'e-1'] },
    { name: 'by subject', filter: { subject: 'carl', kind: 'outcome' }, want: ['e-4'] },
    { name: 'by rule', filter: { rule: 'pii.mask' }, want: ['e-4', 'e-3', 'e-2', 'e-1'] },
    { name: 'by model and entity', filter: { model: 'gpt-x', entity: 'CREDIT_CARD', session: 's-2' }, want: ['e-4'] },
    { name: 'by time', filter: { kind: 'intent', from: new Date(Date.UTC(2026, 0, 5, 12, 0, 30)) }, want: ['e-4'] },
    {
      name: 'up to a time',
      filter: { kind: 'intent', until: new Date(Date.UTC(2026, 0, 5, 12, 0, 30)) },
      want: ['e-3', 'e-2', 'e-1'],
    },
    { name: 'nothing', filter: { model: 'other' }, want: [] },
  ])('$name', async ({ filter, want }) => {
    expect((await list('rita', filter)).records.map(({ exchange }) => exchange)).toEqual(want);
  });

  test('page by page', async () => {
    const first = await list('rita', { kind: 'intent' }, { size: 3 });
    const second = await list('rita', { kind: 'intent' }, { size: 3, token: first.nextPageToken });
    const exchanges = [...first.records, ...second.records].map(({ exchange }) => exchange);
    expect(exchanges).toEqual(['e-4', 'e-3', 'e-2', 'e-1']);
  });

  test('shows facts and what is sealed, never the seal', async () => {
    const id = await intentOf('e-1');
    const { record } = await call<{ record: unknown }>((done) => client.get({ id }, as('rita'), done));
    expect(record).toMatchObject({
      id,
      kind: 'intent',
      session: 's-1',
      facts: { model: 'gpt-x', caller: { tenant: 'acme' } },
      bodies: [{ name: 'prompt_original', mediaType: 'text/plain', bytes: 13n }],
    });
  });

  test('to another tenant nothing of it exists', async () => {
    expect((await list('eve', { exchange: 'e-1' })).records).toEqual([]);
    const id = await intentOf('e-1');
    await expect(call((done) => client.get({ id }, as('eve'), done))).rejects.toMatchObject({ code: status.NOT_FOUND });
    await expect(revealing({ id }, 'eve')).rejects.toMatchObject({ code: status.NOT_FOUND });
  });
});

describe('roles', () => {
  const id = '0'.repeat(8);
  const filter = undefined;
  test.each([
    { name: 'no group: read', act: (done: never) => client.get({ id }, as('bob'), done) },
    {
      name: 'reader: reveal',
      act: (done: never) => client.reveal(RevealRequest.fromPartial({ id }), as('rita'), done),
    },
    {
      name: 'officer: reveal',
      act: (done: never) => client.reveal(RevealRequest.fromPartial({ id }), as('olga'), done),
    },
    { name: 'reader: hold', act: (done: never) => client.hold({ filter, reason: 'x' }, as('rita'), done) },
    { name: 'auditor: release', act: (done: never) => client.release({ id, reason: 'x' }, as('audrey'), done) },
    {
      name: 'auditor: erase',
      act: (done: never) => client.erase({ subject: 'alice', person: undefined, reason: 'x' }, as('audrey'), done),
    },
    { name: 'auditor: expire', act: (done: never) => client.expire({}, as('audrey'), done) },
  ])('$name is not theirs', async ({ act }) => {
    await expect(call((done) => act(done as never))).rejects.toMatchObject({ code: status.PERMISSION_DENIED });
  });

  test('nobody without a token', async () => {
    await expect(call((done) => client.get({ id }, new Metadata(), done))).rejects.toMatchObject({
      code: status.UNAUTHENTICATED,
    });
  });
});

describe('revealing', () => {
  test('opens what was asked for, after saying so on record', async () => {
    const id = await intentOf('e-1');
    const { bodies, accessRecord } = await revealing({ id, bodies: ['prompt_original'] });
    expect(bodies.map(({ name, content }) => [name, Buffer.from(content).toString()])).toEqual([
      ['prompt_original', 'prompt of e-1'],
    ]);
    const access = [];
    for await (const record of readRecords(log)) if (record.id === accessRecord) access.push(record);
    expect(access).toMatchObject([
      {
        kind: 'access',
        exchange: 'e-1',
        facts: {
          action: 'reveal',
          record: id,
          by: { id: 'audrey' },
          groups: ['auditors'],
          reason: 'ticket 7',
          bodies: ['prompt_original'],
        },
      },
    ]);
  });

  test('a placeholder alone, and nothing but its value', async () => {
    const id = await intentOf('e-1');
    const answer = await revealing({ id, placeholder: 'CREDIT_CARD_7QK3M9XW2A' });
    expect(answer).toMatchObject({ value: '4111', bodies: [] });
    await expect(revealing({ id, placeholder: 'CREDIT_CARD_AAAAAAAAAA' })).rejects.toMatchObject({
      code: status.NOT_FOUND,
    });
  });

  test.each([
    { name: 'no reason', request: { reason: ' ' }, want: 'reason is missing' },
    { name: 'a body that is not there', request: { bodies: ['output'] }, want: 'must be among prompt_original' },
    { name: 'no placeholder', request: { placeholder: 'alice' }, want: 'placeholder is none of ours' },
  ])('$name is refused, and leaves no access', async ({ request, want }) => {
    const id = await intentOf('e-1');
    const before = stack.log.health().records;
    await expect(revealing({ id, ...request })).rejects.toThrow(want);
    expect(stack.log.health().records).toBe(before);
  });

  test('needs a second person where configuration says so, for exactly this request, once', async () => {
    const id = await intentOf('e-2');
    const pending = await revealing({ id }, 'aron', secondPerson).catch((error: ServiceError) => error);
    const approval = /approval_pending: (\S+)/.exec(pending instanceof Error ? pending.message : '')?.[1] ?? '';
    const by = (name: string) => {
      const found = people[name] ?? anonymous;
      const person = { issuer: found.issuer, id: found.id, displayName: null };
      return { by: { person, kind: found.kind, tenant: found.tenant, groups: found.groups }, reason: null };
    };
    expect(await store.approve(approval, by('aron'))).toMatchObject({ ok: false, error: { kind: 'own_request' } });
    const pia = { ...by('aron'), by: { ...by('aron').by, person: { issuer: 'i', id: 'pia', displayName: null } } };
    expect(await store.approve(approval, pia)).toMatchObject({ ok: true });
    await expect(revealing({ id, reason: 'another' }, 'aron', secondPerson)).rejects.toThrow('approval_pending');
    expect((await revealing({ id }, 'aron', secondPerson)).bodies).toHaveLength(1);
    await expect(revealing({ id }, 'aron', secondPerson)).rejects.toThrow('approval_pending');
  });
});

describe('proving and exporting', () => {
  test('a proof leads from the manifest to the signed root', async () => {
    const { records } = await list('rita', {});
    for (const { id } of records) {
      const proof = await call<{ manifest: Uint8Array; proof: string }>((done) =>
        client.getProof({ id }, as('rita'), done),
      );
      expect(rootOf(proof.manifest, proof.proof)).toBe(proof.proof.split('\n\n')[1]?.split('\n')[2]);
    }
    expect(records.length).toBeGreaterThan(8);
  });

  test('an export has every record that fits, sealed as it lies, and is on record itself', async () => {
    const messages: ExportResponse[] = [];
    const stream = client.export({ filter: Filter.fromPartial({ session: 's-1' }) }, as('audrey'));
    for await (const message of stream) messages.push(message);
    expect(messages.filter(({ record }) => record?.kind === 'intent').map(({ record }) => record?.exchange)).toEqual([
      'e-3',
      'e-2',
      'e-1',
    ]);
    expect(messages.every(({ proof, manifest }) => rootOf(manifest, proof) !== '')).toBe(true);
    await covered(stack.log);
    const { records } = await list('rita', { kind: 'access' });
    expect(records[0]?.facts).toMatchObject({ action: 'export', filter: { session: 's-1' } });
  });

  test('the server checks its own log', async () => {
    const report = await call<{ intact: boolean; problems: unknown[] }>((done) => client.verify({}, as('rita'), done));
    expect(report).toMatchObject({ intact: true, problems: [] });
  });
});

describe('holding and erasing', () => {
  test('a hold defers an erasure until its release', async () => {
    const reason = 'court order 12';
    const filter = Filter.fromPartial({ session: 's-2' });
    const hold = await call<{ id: string }>((done) => client.hold({ filter, reason }, as('olga'), done));
    const erase = { subject: '', person: { issuer: 'https://idp.example.com', id: 'carl' }, reason: 'article 17' };
    const deferred = await call<{ state: number; holds: string[] }>((done) => client.erase(erase, as('olga'), done));
    expect(deferred).toMatchObject({ state: EraseState.ERASE_STATE_DEFERRED, holds: [hold.id] });
    await expect(call((done) => client.release({ id: hold.id, reason }, as('eve'), done))).rejects.toMatchObject({
      code: status.NOT_FOUND,
    });
    const released = await call<{ erased: number }>((done) =>
      client.release({ id: hold.id, reason }, as('olga'), done),
    );
    expect(released.erased).toBe(1);
    const id = await intentOf('e-4');
    await expect(revealing({ id })).rejects.toMatchObject({ code: status.UNAVAILABLE, details: 'key_unavailable' });
    await expect(call((done) => client.erase(erase, as('olga'), done))).rejects.toMatchObject({
      code: status.NOT_FOUND,
    });
  });

  test("another tenant's subject is not erased", async () => {
    const erase = { subject: 'alice', person: undefined, reason: 'x' };
    await expect(call((done) => client.erase(erase, as('eve'), done))).rejects.toMatchObject({
      code: status.NOT_FOUND,
    });
  });

  test('what is due is destroyed on demand', async () => {
    const answer = await call<{ epochs: number }>((done) => client.expire({}, as('olga'), done));
    expect(answer).toEqual({ epochs: 0, segments: 0 });
  });
});

describe('the logs of several writers', () => {
  const folder = join(directory, 'other');
  const name = 'audit.example.com/test/gw-0/other';
  let other: RetentionStack;
  let both: AuditServiceClient;

  beforeAll(async () => {
    other = await openRetentionStack({ directory: folder, origin: name, clock });
    both = await serve(
      [],
      [
        { folder: log, stack },
        { folder, stack: other },
      ],
    );
    clock.advance(1_000);
    await other.exchange('o-1', 'alice', 's-9');
    clock.advance(1_000);
    await stack.exchange('o-2', 'dora', 's-9');
    clock.advance(1_000);
    await other.exchange('o-3', 'dora', 's-9');
  });
  afterAll(async () => {
    both.close();
    await other.close();
  });

  const found = (pageToken = '', pageSize = 2): Promise<ListResponse> =>
    call((done) =>
      both.list(
        { filter: Filter.fromPartial({ session: 's-9', kind: 'intent' }), pageSize, pageToken },
        as('rita'),
        done,
      ),
    );

  test('are one list, each record with the name of its log', async () => {
    const first = await found();
    const second = await found(first.nextPageToken);
    const rows = [...first.records, ...second.records].map((record) => [record.exchange, record.log]);
    expect(rows).toEqual([
      ['o-3', name],
      ['o-2', 'audit.example.com/test/gw-0'],
      ['o-1', name],
    ]);
    expect(second.nextPageToken).toBe('');
  });

  test("a record of another writer's log is proved by that log's key, and revealed; the access is on our record", async () => {
    const id = (await found('', 10)).records.find(({ exchange }) => exchange === 'o-1')?.id ?? '';
    const proof = await call<{ manifest: Buffer; proof: string; verifierKey: string }>((done) =>
      both.getProof({ id }, as('rita'), done),
    );
    expect(proof.verifierKey).toMatch(/^audit\.example\.com\/test\/gw-0\/other\+/);
    expect(rootOf(proof.manifest, proof.proof)).toBe(proof.proof.split('\n\n')[1]?.split('\n')[2]);
    const { bodies, accessRecord } = await revealing({ id }, 'audrey', both);
    expect(bodies.map(({ content }) => Buffer.from(content).toString())).toEqual(['prompt of o-1']);
    const ours: string[] = [];
    for await (const record of readRecords(log)) ours.push(record.id);
    expect(ours).toContain(accessRecord);
  });

  test('are verified each by itself and together', async () => {
    const report = await call<VerifyResponse>((done) => both.verify({}, as('rita'), done));
    expect(report.logs.map(({ origin, intact }) => [origin, intact])).toEqual([
      ['audit.example.com/test/gw-0', true],
      [name, true],
    ]);
    expect([report.intact, report.records]).toEqual([true, report.logs.reduce((sum, each) => sum + each.records, 0n)]);
  });

  test('an erasure says which other writers have to be asked', async () => {
    const erase = (subject: string) =>
      call<{ elsewhere: string[] }>((done) =>
        both.erase({ subject, person: undefined, reason: 'letter of May 5' }, as('olga'), done),
      );
    expect((await erase('dora')).elsewhere).toEqual([name]);
    await other.exchange('o-4', 'frieda', 's-9');
    await expect(erase('frieda')).rejects.toMatchObject({
      details: expect.stringContaining(`ask the writers of ${name}`),
    });
  });
});

/** The root that a proof leads to, worked out anew after RFC 9162 section 2.1.3.2. */
function rootOf(manifest: Uint8Array, proof: string): string {
  const [head = '', note = ''] = proof.split('\n\n');
  const [, , index = '', ...path] = head.split('\n');
  const hash = (...parts: Uint8Array[]): Buffer => createHash('sha256').update(Buffer.concat(parts)).digest();
  const text = Buffer.from(manifest).toString();
  const commitment = hash(Buffer.from('countersign/v1/manifest\0'), manifest).toString('base64url');
  const { id, kind }: { id: string; kind: string } = JSON.parse(text);
  let root = hash(Buffer.of(0), Buffer.from(`{"c":"${commitment}","i":"${id}","k":"${kind}","v":1}`));
  let fn = Number(index.replace('index ', ''));
  let sn = Number(note.split('\n')[1]) - 1;
  for (const step of path) {
    const sibling = Buffer.from(step, 'base64');
    if (fn % 2 === 1 || fn === sn) {
      root = hash(Buffer.of(1), sibling, root);
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [fn / 2, Math.floor(sn / 2)];
    } else root = hash(Buffer.of(1), root, sibling);
    [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
  }
  return sn === 0 ? root.toString('base64') : '';
}

function subject(id: string, groups: readonly string[]): Subject {
  return {
    ...anonymous,
    authenticated: true,
    kind: 'human',
    id,
    issuer: 'https://idp.example.com',
    tenant: 'acme',
    groups,
  };
}
