import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nodeFs } from '../../../src/audit/fs-port.ts';
import { readRecords, type StoredRecord } from '../../../src/audit/read.ts';
import { readPublished } from '../../../src/audit/sinks/log-tail.ts';
import { proveRecord } from '../../../src/audit/tlog-proof.ts';
import { checkEvidence, type Evidence } from '../../../src/audit/verify-evidence.ts';
import { parseNoteKey } from '../../../src/audit/verify-note.ts';
import { parseTrustPolicy, type TrustPolicy } from '../../../src/audit/verify-trust.ts';
import { createWitness } from '../../../src/audit/witness/witness.ts';
import { createWitnessKey } from '../../../src/audit/witness/witness-key.ts';
import { proveByEarliest, proveByWitnesses } from '../../../src/audit/witnessed-proof.ts';
import { bareEntry, intentEntry, openTestLog, outcomeEntry } from '../../support/audit.ts';
import { inlineWriter } from '../../support/audit-fs.ts';

const root = mkdtempSync(join(tmpdir(), 'audit-evidence-'));
const directory = join(root, 'log');
const key = createWitnessKey('witness.example.com/w1', Buffer.alloc(32, 9));
const times = { first: 1_700_000_000, second: 1_700_000_060 };
const records: StoredRecord[] = [];
let last = '';
let trust: TrustPolicy;

/** What lies in a folder of evidence about a record, proved by the last cosigned checkpoint. */
async function evidenceOf(record: StoredRecord | undefined, change: Partial<Evidence> = {}): Promise<Evidence> {
  if (record === undefined) throw new Error('no such record');
  const proof = await proveRecord(directory, record, last, (await readPublished(directory))?.size ?? 0);
  return {
    proof: proof ?? '',
    manifest: record.manifestBytes,
    sealed: record.sealed.length === 0 ? null : record.sealed,
    ...change,
  };
}

beforeAll(async () => {
  const witnessed = async (old: number, proof: string, timeS: number): Promise<string> => {
    const logKey = parseNoteKey(readFileSync(join(directory, 'log.vkey'), 'utf8').trim());
    if (logKey === null) throw new Error('no key');
    const state = join(root, String(timeS));
    await nodeFs.makeDirectory(state);
    const witness = createWitness({ fs: nodeFs, directory: state, key, logs: [logKey], nowMs: () => timeS * 1000 });
    const note = readFileSync(join(directory, 'checkpoint'), 'utf8');
    const { body } = await witness.addCheckpoint(`old ${old}\n${proof}\n${note}`);
    return `${note}${body}`;
  };
  const first = await openTestLog(directory, { startWriter: inlineWriter(nodeFs) });
  await first.append(intentEntry('x-1'));
  await first.close();
  const checkpoint = await witnessed(0, '', times.first);
  const second = await openTestLog(directory, { startWriter: inlineWriter(nodeFs) });
  await second.append({ ...bareEntry('beacon'), facts: { checkpoint } });
  await second.append(outcomeEntry('x-1'));
  await second.close();
  last = await witnessed(0, '', times.second);
  for await (const record of readRecords(directory)) records.push(record);
  const policy = parseTrustPolicy(
    `log ${readFileSync(join(directory, 'log.vkey'), 'utf8').trim()}\nwitness w1 ${key.verifierKey}\nquorum w1\n`,
  );
  if (typeof policy === 'string') throw new Error(policy);
  trust = policy;
});
afterAll(() => rmSync(root, { recursive: true }));

const of = (kind: string): StoredRecord | undefined => records.find((record) => record.kind === kind);
const summary = (evidence: readonly Evidence[], policy = trust) =>
  checkEvidence(evidence, policy).map(({ report, ...rest }) => ({ isRead: report !== null, ...rest }));

describe('evidence', () => {
  test('lies between the times of a beacon in front of it and of the checkpoint over it', async () => {
    const evidence = await Promise.all(['beacon', 'intent', 'outcome'].map((kind) => evidenceOf(of(kind))));
    const proved = { isRead: true, existedBeforeS: times.second, problems: [] };
    expect(summary(evidence)).toEqual([
      { ...proved, writtenAfterS: null },
      { ...proved, writtenAfterS: null },
      { ...proved, writtenAfterS: times.first },
    ]);
    // Nobody vouches for a time when no witness is trusted.
    const alone = { ...trust, witnesses: [], quorum: null };
    expect(
      summary(evidence, alone).map(({ writtenAfterS, existedBeforeS }) => [writtenAfterS, existedBeforeS]),
    ).toEqual([
      [null, null],
      [null, null],
      [null, null],
    ]);
  });

  test.each([
    {
      name: 'another manifest',
      change: { manifest: Buffer.from('{}') },
      want: ['the manifest beside it is not the one that it proves'],
    },
    {
      name: 'other sealed bytes',
      change: { sealed: Buffer.from('x') },
      want: ['the sealed bytes beside it are not those that the manifest commits to'],
    },
    { name: 'no proof', change: { proof: 'x\n' }, want: ['it has no checkpoint'] },
    { name: 'nothing beside it', change: { manifest: null, sealed: null }, want: [] },
  ])('of which $name is given', async ({ change, want }) => {
    expect(summary([await evidenceOf(of('intent'), change)]).map(({ problems }) => problems)).toEqual([want]);
  });

  test('is proved by the earliest word of a witness that covers it, by the last one, or by the log alone', async () => {
    const [intent, outcome] = [of('intent'), of('outcome')];
    if (intent === undefined || outcome === undefined) throw new Error('not on record');
    const existedBefore = async (proof: Promise<string | null>): Promise<number | null | undefined> => {
      const [report] = checkEvidence([{ proof: (await proof) ?? '', manifest: null, sealed: null }], alone);
      expect(report?.problems).toEqual([]);
      return report?.existedBeforeS;
    };
    const alone = { ...trust, quorum: null };
    expect(await existedBefore(proveByWitnesses(intent))).toBeNull();
    writeFileSync(join(directory, 'checkpoint.witnessed'), last);
    expect(await existedBefore(proveByWitnesses(intent))).toBe(times.second);
    expect(await existedBefore(proveByEarliest(intent))).toBe(times.first);
    expect(await existedBefore(proveByEarliest(outcome))).toBe(times.second);
    rmSync(join(directory, 'checkpoint.witnessed'));
  });

  test('a beacon that is not proved says nothing about others', async () => {
    const beacon = await evidenceOf(of('beacon'), { manifest: Buffer.from('{}') });
    const [, outcome] = summary([beacon, await evidenceOf(of('outcome'))]);
    expect(outcome).toMatchObject({ problems: [], writtenAfterS: null });
  });
});
