import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { nodeFs } from '../../../src/audit/fs-port.ts';
import { signNote } from '../../../src/audit/note.ts';
import { readRecords } from '../../../src/audit/read.ts';
import { verifyLog } from '../../../src/audit/verify.ts';
import { parseNoteKey } from '../../../src/audit/verify-note.ts';
import { parseTrustPolicy, type TrustedWitness } from '../../../src/audit/verify-trust.ts';
import { demandWitnesses } from '../../../src/audit/witness/demand-witnesses.ts';
import { createWitness } from '../../../src/audit/witness/witness.ts';
import { createWitnessClient } from '../../../src/audit/witness/witness-client.ts';
import { startWitnessServer } from '../../../src/audit/witness/witness-http.ts';
import { createWitnessKey } from '../../../src/audit/witness/witness-key.ts';
import { findAhead, startWitnessing } from '../../../src/audit/witness/witnessing.ts';
import { bareEntry, intentEntry, openTestLog, outcomeEntry, testKeys, testOrigin } from '../../support/audit.ts';
import { inlineWriter } from '../../support/audit-fs.ts';
import { eventually } from '../../support/eventually.ts';
import { createManualClock } from '../../support/manual-clock.ts';
import { startReceiver } from '../../support/receiver.ts';

const root = mkdtempSync(join(tmpdir(), 'witness-'));
afterAll(() => rmSync(root, { recursive: true }));
const key = createWitnessKey('witness.example/w1', Buffer.alloc(32, 9));
const signal = new AbortController().signal;
let count = 0;

async function logOf(records: number): Promise<string> {
  count += 1;
  const directory = join(root, `log-${count}`);
  await grow(directory, records);
  return directory;
}

async function grow(directory: string, records: number): Promise<void> {
  const log = await openTestLog(directory, { startWriter: inlineWriter(nodeFs) });
  await Promise.all(Array.from({ length: records - 2 }, () => log.append(bareEntry('policy'))));
  await log.close();
}

function noteOf(directory: string): string {
  return readFileSync(join(directory, 'checkpoint'), 'utf8');
}

async function witnessFor(
  directory: string,
  signing = key,
): Promise<{ witness: TrustedWitness; state: string; close(): Promise<void> }> {
  const logKey = parseNoteKey(readFileSync(join(directory, 'log.vkey'), 'utf8').trim());
  const own = parseNoteKey(signing.verifierKey);
  if (logKey === null || own === null) throw new Error('no key');
  count += 1;
  const state = mkdtempSync(join(root, 'state-'));
  const witness = createWitness({
    fs: nodeFs,
    directory: state,
    key: signing,
    logs: [logKey],
    nowMs: () => 1_795_376_943_000,
  });
  const server = await startWitnessServer(witness, { host: '127.0.0.1', port: 0, onFailure: () => undefined });
  return {
    witness: { name: 'w1', key: own, url: `http://127.0.0.1:${server.port}` },
    state,
    close: server.close,
  };
}

async function post(
  { url }: TrustedWitness,
  body: string,
): Promise<{ status: number; text: string; type: string | null }> {
  const response = await fetch(`${url}/add-checkpoint`, { method: 'POST', body });
  return { status: response.status, text: await response.text(), type: response.headers.get('content-type') };
}

describe('a witness', () => {
  test('cosigns what grew, and nothing else', async () => {
    const directory = await logOf(300);
    const { witness, state, close } = await witnessFor(directory);
    const note = noteOf(directory);
    const client = createWitnessClient(directory, witness);
    expect(await client.ask(note, signal)).toMatchObject({ kind: 'cosigned', timeS: 1_795_376_943 });

    await grow(directory, 300);
    const grown = noteOf(directory);
    expect(await client.ask(grown, signal)).toMatchObject({ kind: 'cosigned' });
    // A client that starts anew learns the size from the conflict.
    expect(await createWitnessClient(directory, witness).ask(grown, signal)).toMatchObject({ kind: 'cosigned' });

    // The answers that C2SP tlog-witness asks for.
    expect(await post(witness, `old 0\n\n${grown}`)).toEqual({ status: 409, text: '600\n', type: 'text/x.tlog.size' });
    expect(await post(witness, `old 700\n\n${grown}`)).toMatchObject({ status: 400 });
    expect(await post(witness, 'nonsense')).toMatchObject({ status: 400 });
    expect(await post(witness, `old 600\n\n${grown.replace(/./, 'x')}`)).toMatchObject({ status: 404 });
    expect(await post(witness, `old 600\n\n${grown.replace('\n600\n', '\n601\n')}`)).toMatchObject({ status: 403 });
    expect(await post(witness, `old 600\n\n${note}`)).toMatchObject({ status: 400 });
    expect(await post(witness, 'x'.repeat(100_000))).toMatchObject({ status: 413 });

    // It remembers over a restart, and refuses to guess when its memory is damaged.
    const [file = ''] = nodeFs.list(state);
    expect(JSON.parse(readFileSync(join(state, file), 'utf8'))).toMatchObject({ origin: testOrigin, size: 600 });
    writeFileSync(join(state, file), '{}');
    expect(await post(witness, `old 600\n\n${grown}`)).toMatchObject({ status: 500 });
    await close();
  });

  test('refuses a fork, a tree of the same size with another root, and a bad proof', async () => {
    const directory = await logOf(300);
    const { witness, close } = await witnessFor(directory);
    await createWitnessClient(directory, witness).ask(noteOf(directory), signal);
    const { signingKey } = testKeys();
    const raw = parseNoteKey(readFileSync(join(directory, 'log.vkey'), 'utf8').trim())?.raw ?? Buffer.alloc(0);
    const forged = (size: number): string =>
      signNote(`${testOrigin}\n${size}\n${Buffer.alloc(32, 7).toString('base64')}\n`, testOrigin, signingKey, raw);
    expect(await post(witness, `old 300\n\n${forged(300)}`)).toMatchObject({ status: 409 });
    expect(await post(witness, `old 300\n\n${forged(301)}`)).toMatchObject({ status: 422 });
    const hash = Buffer.alloc(32, 1).toString('base64');
    expect(await post(witness, `old 300\n${hash}\n${hash}\n\n${forged(400)}`)).toMatchObject({ status: 422 });

    // A log of the same name that went another way.
    const fork = await logOf(320);
    expect(await createWitnessClient(fork, witness).ask(noteOf(fork), signal)).toEqual({
      kind: 'failed',
      reason: 'HTTP 422',
    });
    await close();
  });

  test('of two requests at once only one moves it on from a size', async () => {
    const directory = await logOf(300);
    const { witness, close } = await witnessFor(directory);
    const body = `old 0\n\n${noteOf(directory)}`;
    const answers = await Promise.all([post(witness, body), post(witness, body), post(witness, body)]);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409, 409]);
    await close();
  });

  test('knows a log that was put back from a copy', async () => {
    const directory = await logOf(300);
    const { witness, close } = await witnessFor(directory);
    const copy = join(root, `copy-${count}`);
    cpSync(directory, copy, { recursive: true });
    await grow(directory, 100);
    await createWitnessClient(directory, witness).ask(noteOf(directory), signal);
    expect(await findAhead(directory, [witness], 5_000)).toBeNull();
    expect(await findAhead(copy, [witness], 5_000)).toEqual({ witness: 'w1', size: 400 });
    await close();
    // One that is away keeps nobody from starting.
    expect(await findAhead(copy, [witness], 5_000)).toBeNull();
  });
});

describe('a witness that lies', () => {
  const liars: readonly (readonly [string, (body: string) => string])[] = [
    ['with another key', (body) => createWitnessKey('witness.example/w1', Buffer.alloc(32, 8)).cosign(body, 5)],
    ['over another text', () => key.cosign('something else\n', 5)],
    ['with nothing', () => ''],
    ['with noise', () => '\u2014 witness.example/w1 AAAA\n'],
  ];
  test.each(liars)('%s is not believed', async (_, answer) => {
    const directory = await logOf(10);
    const own = parseNoteKey(key.verifierKey);
    if (own === null) throw new Error('no key');
    const body = noteOf(directory).split('\n\n')[0] ?? '';
    const receiver = await startReceiver(() => ({ status: 200, text: answer(`${body}\n`) }));
    const witness: TrustedWitness = { name: 'w1', key: own, url: receiver.url };
    const witnessing = startWitnessing({
      directory,
      witnesses: [witness],
      fs: nodeFs,
      intervalMs: 5,
      deadlineMs: 1_000,
      nowMs: Date.now,
      onAhead: () => undefined,
    });
    await eventually('some attempts', () => (receiver.requests.length > 2 ? true : undefined));
    expect(witnessing.status()[0]?.failing).not.toBeNull();
    await witnessing.stop();
    await receiver.close();
    expect(witnessing.latest()).toBeNull();
    expect(nodeFs.read(join(directory, 'checkpoint.witnessed'))).toBeNull();
  });
});

test('a cosignature that cannot be kept does not count, and the status says why', async () => {
  const directory = await logOf(5);
  const { witness, close } = await witnessFor(directory);
  mkdirSync(join(directory, 'checkpoint.witnessed'));
  const witnessing = startWitnessing({
    directory,
    witnesses: [witness],
    fs: nodeFs,
    intervalMs: 5,
    deadlineMs: 5_000,
    nowMs: Date.now,
    onAhead: () => undefined,
  });
  const status = await eventually('a failure', () => witnessing.status().find(({ failing }) => failing !== null));
  expect(status).toEqual({ witness: 'w1', lagSeconds: null, failing: expect.stringMatching(/^cannot be kept: /) });
  expect(witnessing.latest()).toBeNull();
  rmSync(join(directory, 'checkpoint.witnessed'), { recursive: true });
  await eventually('a cosignature', () => witnessing.latest() ?? undefined);
  expect(witnessing.status()).toMatchObject([{ witness: 'w1', failing: null }]);
  await witnessing.stop();
  await close();
});

describe('two witnesses of which both are required', () => {
  test('a checkpoint counts when both have cosigned it, and not before', async () => {
    const directory = await logOf(20);
    const first = await witnessFor(directory);
    const state = mkdtempSync(join(root, 'state-'));
    const other = createWitnessKey('witness.example/w2', Buffer.alloc(32, 4));
    const logKey = parseNoteKey(readFileSync(join(directory, 'log.vkey'), 'utf8').trim());
    const otherKey = parseNoteKey(other.verifierKey);
    if (logKey === null || otherKey === null) throw new Error('no key');
    const second = createWitness({ fs: nodeFs, directory: state, key: other, logs: [logKey], nowMs: () => 0 });
    let isAway = true;
    let asked = 0;
    const server = await startWitnessServer(
      {
        addCheckpoint: async (body) => {
          asked += 1;
          return isAway ? { status: 403, body: '', contentType: 'text/plain' } : second.addCheckpoint(body);
        },
      },
      { host: '127.0.0.1', port: 0, onFailure: () => undefined },
    );
    const clock = createManualClock();
    const nowMs = (): number => Number(clock.monoNs() / 1_000_000n);
    const witnessing = startWitnessing({
      directory,
      witnesses: [first.witness, { name: 'w2', key: otherKey, url: `http://127.0.0.1:${server.port}` }],
      fs: nodeFs,
      quorum: 2,
      intervalMs: 5,
      deadlineMs: 5_000,
      nowMs,
      onAhead: () => undefined,
    });
    await eventually('three rounds', () => (asked > 2 ? true : undefined));
    clock.advance(60_000);
    const before = asked;
    await eventually('two rounds', () => (asked > before + 1 ? true : undefined));
    expect(witnessing.status()).toEqual([
      { witness: 'w1', lagSeconds: 0, failing: null },
      { witness: 'w2', lagSeconds: null, failing: 'HTTP 403' },
    ]);
    expect(witnessing.quorumLagSeconds()).toBe(60);
    expect([witnessing.latest(), nodeFs.read(join(directory, 'checkpoint.witnessed'))]).toEqual([null, null]);

    isAway = false;
    const whole = await eventually('both', () => witnessing.latest() ?? undefined);
    expect([whole.size, witnessing.quorumLagSeconds()]).toEqual([20, 0]);
    // Nothing new is nothing that lacks a cosignature, however long it lasts.
    clock.advance(3_600_000);
    await eventually('a round', () => (witnessing.quorumLagSeconds() === 0 ? true : undefined));

    isAway = true;
    await grow(directory, 20);
    await eventually('a failure', () => (witnessing.status()[1]?.failing === null ? undefined : true));
    clock.advance(1_000);
    expect(witnessing.quorumLagSeconds()).toBe(1);
    // What both have cosigned stays until there is more that they have.
    expect(readFileSync(join(directory, 'checkpoint.witnessed'), 'utf8')).toBe(whole.note);
    await witnessing.stop();
    await Promise.all([first.close(), server.close()]);
  });

  test('without them an exchange is recorded as refused, and everything else is recorded as ever', async () => {
    const directory = join(root, 'demanded');
    const log = await openTestLog(directory, { startWriter: inlineWriter(nodeFs) });
    let reason: string | null = null;
    const demanded = demandWitnesses(log, () => reason);
    await demanded.append(intentEntry('e-1'));
    reason = 'fewer than 2 witnesses';
    await expect(demanded.append(intentEntry('e-2'))).rejects.toMatchObject({
      code: 'audit_unavailable',
      message: reason,
    });
    await demanded.append(outcomeEntry('e-1'));
    reason = null;
    await demanded.append(intentEntry('e-3'));
    await demanded.append(outcomeEntry('e-3'));
    await log.close();
    const kept = [];
    for await (const record of readRecords(directory)) if (record.exchange !== '') kept.push(record);
    expect(kept.map(({ exchange, kind }) => [exchange, kind])).toEqual([
      ['e-1', 'intent'],
      ['e-2', 'outcome'],
      ['e-1', 'outcome'],
      ['e-3', 'intent'],
      ['e-3', 'outcome'],
    ]);
    expect(kept[1]?.facts).toMatchObject({ final: true, ended: 'refused', code: 'audit_unavailable', status: 503 });
    expect((await verifyLog({ directory })).problems).toEqual([]);
  });
});

test('a cosigned checkpoint lies beside the log, and verification asks for it by policy', async () => {
  const directory = await logOf(300);
  const { witness, close } = await witnessFor(directory);
  const vkey = readFileSync(join(directory, 'log.vkey'), 'utf8').trim();
  const trust = parseTrustPolicy(`log ${vkey}\nwitness w1 ${key.verifierKey}\nquorum w1\n`);
  if (typeof trust === 'string') throw new Error(trust);
  expect((await verifyLog({ directory, trust })).problems).toMatchObject([
    { what: 'too few witnesses have cosigned it' },
  ]);

  const witnessing = startWitnessing({
    directory,
    witnesses: [witness],
    fs: nodeFs,
    intervalMs: 5,
    deadlineMs: 5_000,
    nowMs: Date.now,
    onAhead: () => undefined,
  });
  await eventually('a cosignature', () => witnessing.latest() ?? undefined);
  expect(witnessing.status()).toMatchObject([{ witness: 'w1', failing: null }]);
  await witnessing.stop();
  const report = await verifyLog({ directory, trust });
  expect(report.problems).toEqual([]);
  expect(report.witnessed).toEqual({ hasQuorum: true, size: 300, witnesses: [{ name: 'w1', timeS: 1_795_376_943 }] });

  // Rewritten and signed anew with the stolen key: the witness's word stays.
  const other = await logOf(300);
  cpSync(join(directory, 'checkpoint.witnessed'), join(other, 'checkpoint.witnessed'));
  expect((await verifyLog({ directory: other })).problems).toEqual([]);
  expect((await verifyLog({ directory: other, trust })).problems).toMatchObject([
    { what: 'the log is not the one that was cosigned' },
  ]);
  await close();
});
