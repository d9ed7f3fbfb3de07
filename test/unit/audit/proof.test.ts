import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { nodeFs } from '../../../src/audit/fs-port.ts';
import { createProver } from '../../../src/audit/prove.ts';
import { readRecords, type StoredRecord } from '../../../src/audit/read.ts';
import { proveRecord } from '../../../src/audit/tlog-proof.ts';
import { verifyLog } from '../../../src/audit/verify.ts';
import { isConsistent, isIncluded, leafHash, nodeHash } from '../../../src/audit/verify-merkle.ts';
import { parseSignedCheckpoint } from '../../../src/audit/verify-note.ts';
import { parseTlogProof, verifyProof } from '../../../src/audit/verify-proof.ts';
import { parseTrustPolicy, type TrustPolicy } from '../../../src/audit/verify-trust.ts';
import { createWitnessKey } from '../../../src/audit/witness/witness-key.ts';
import { bareEntry, intentEntry, openTestLog, testOrigin } from '../../support/audit.ts';
import { inlineWriter } from '../../support/audit-fs.ts';

const root = mkdtempSync(join(tmpdir(), 'proof-'));
const directory = join(root, 'log');
const size = 700;
const records: StoredRecord[] = [];
const hashes: Buffer[] = [];
let note = '';

beforeAll(async () => {
  const log = await openTestLog(directory, { startWriter: inlineWriter(nodeFs) });
  await Promise.all(Array.from({ length: size - 3 }, () => log.append(bareEntry('policy'))));
  await log.append(intentEntry('exchange-1'));
  await log.close();
  for await (const record of readRecords(directory)) records.push(record);
  for (let bundle = 0; bundle < 3; bundle += 1) {
    const name = bundle < 2 ? `00${bundle}` : `002.p/${size - 512}`;
    const bytes = readFileSync(join(directory, 'tile/entries', name));
    for (let at = 0; at < bytes.length; ) {
      const end = at + 2 + bytes.readUInt16BE(at);
      hashes.push(leafHash(bytes.subarray(at + 2, end)));
      at = end;
    }
  }
  note = readFileSync(join(directory, 'checkpoint'), 'utf8');
});
afterAll(() => rmSync(root, { recursive: true }));

/** RFC 6962 section 2.1, as it is written there. */
function treeHead(leaves: readonly Buffer[]): Buffer {
  const [only] = leaves;
  if (leaves.length === 1 && only !== undefined) return only;
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  return nodeHash(treeHead(leaves.slice(0, split)), treeHead(leaves.slice(split)));
}

const sizes = fc.integer({ min: 1, max: size });

describe('proofs from the published tiles', () => {
  test('prove every leaf, and no other', async () => {
    const prover = createProver(directory, size);
    await fc.assert(
      fc.asyncProperty(sizes, fc.nat(), async (tree, pick) => {
        const index = pick % tree;
        const head = treeHead(hashes.slice(0, tree));
        expect(await prover.root(tree)).toEqual(head);
        const proof = await prover.inclusion(index, tree);
        const leaf = hashes[index] ?? Buffer.alloc(0);
        expect(isIncluded(index, tree, leaf, proof, head)).toBe(true);
        expect(isIncluded((index + 1) % tree, tree, leaf, proof, head)).toBe(tree === 1);
        expect(isIncluded(index, tree, leafHash(Buffer.from('x')), proof, head)).toBe(false);
        expect(isIncluded(index, tree, leaf, [...proof, head], head)).toBe(false);
        if (proof.length > 0) expect(isIncluded(index, tree, leaf, proof.slice(1), head)).toBe(false);
      }),
      { numRuns: 200 },
    );
  });

  test('prove growth, and no fork', async () => {
    const prover = createProver(directory, size);
    const other = treeHead([leafHash(Buffer.from('x')), ...hashes.slice(1)]);
    await fc.assert(
      fc.asyncProperty(sizes, sizes, async (one, another) => {
        const [before, after] = [Math.min(one, another), Math.max(one, another)];
        const proof = await prover.consistency(before, after);
        const [oldRoot, newRoot] = [await prover.root(before), await prover.root(after)];
        expect(isConsistent(before, oldRoot, after, newRoot, proof)).toBe(true);
        expect(isConsistent(before, other, after, newRoot, proof)).toBe(false);
        expect(isConsistent(before, oldRoot, after, other, proof)).toBe(false);
        expect(isConsistent(before, oldRoot, after, newRoot, [...proof, oldRoot])).toBe(false);
        if (before < after) expect(isConsistent(after, newRoot, before, oldRoot, proof)).toBe(false);
      }),
      { numRuns: 200 },
    );
  });
});

const witness = createWitnessKey('witness.example/w1', Buffer.alloc(32, 9));

function policy(quorum = 'none'): TrustPolicy {
  const vkey = readFileSync(join(directory, 'log.vkey'), 'utf8').trim();
  const parsed = parseTrustPolicy(`log ${vkey}\nwitness w1 ${witness.verifierKey}\nquorum ${quorum}\n`);
  if (typeof parsed === 'string') throw new Error(parsed);
  return parsed;
}

async function proofOf(index: number, checkpoint = note): Promise<string> {
  const record = records[index];
  if (record === undefined) throw new Error('no such record');
  const proof = await proveRecord(directory, record, checkpoint, size);
  if (proof === null) throw new Error('not covered');
  return proof;
}

function verified(text: string, trust = policy()): readonly string[] {
  const parsed = parseTlogProof(text);
  return typeof parsed === 'string' ? [parsed] : verifyProof(parsed, trust).problems;
}

describe('a tlog-proof', () => {
  test.each([0, 255, 256, 511, 512, 698, 699])('of record %i is complete in itself', async (index) => {
    const text = await proofOf(index);
    expect(verified(text)).toEqual([]);
    const parsed = parseTlogProof(text);
    expect(typeof parsed === 'string' ? null : verifyProof(parsed, policy()).manifest).toEqual(
      records[index]?.manifest,
    );
  });

  test('does not survive any change of a byte', async () => {
    const text = await proofOf(300);
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.integer({ min: 1, max: 127 }), (at, flip) => {
        const changed = `${text.slice(0, at)}${String.fromCharCode(text.charCodeAt(at) ^ flip)}${text.slice(at + 1)}`;
        expect(verified(changed)).not.toEqual([]);
      }),
      { numRuns: 300 },
    );
  });

  test('needs the witnesses that the policy asks for', async () => {
    expect(verified(await proofOf(5), policy('w1'))).toEqual(['too few witnesses have cosigned the checkpoint']);
    const signed = parseSignedCheckpoint(note);
    const line = witness.cosign(typeof signed === 'string' ? '' : signed.body, 1_795_376_943);
    expect(verified(await proofOf(5, `${note}${line}`), policy('w1'))).toEqual([]);
    const parsed = parseTlogProof(await proofOf(5, `${note}${line}`));
    expect(typeof parsed === 'string' ? null : verifyProof(parsed, policy('w1')).witnesses).toEqual([
      { name: 'w1', timeS: 1_795_376_943 },
    ]);
    const forged = createWitnessKey('witness.example/w1', Buffer.alloc(32, 8)).cosign('x', 1);
    expect(verified(await proofOf(5, `${note}${forged}`), policy('w1'))).not.toEqual([]);
  });

  test('of another log proves nothing here', async () => {
    const trust = parseTrustPolicy(`witness w1 ${witness.verifierKey}\nquorum none\n`);
    expect(typeof trust === 'string' ? trust : verified(await proofOf(5), trust)).toEqual([
      'the checkpoint is not signed by a log of the policy',
    ]);
  });
});

describe('a trust policy', () => {
  const key = (n: number): string => createWitnessKey(`w.example/${n}`, Buffer.alloc(32, n)).verifierKey;
  const three = [1, 2, 3].map((n) => `witness w${n} ${key(n)}`).join('\n');

  test.each([
    ['', 'it has no quorum line'],
    ['quorum w1', 'line 1: it names nothing known'],
    ['quorum none\nquorum none', 'line 2: there is a quorum already'],
    ['log nonsense', 'line 1: it names no log key'],
    [`log ${key(1)}`, 'line 1: it names no log key'],
    [`witness none ${key(1)}`, 'line 1: the name none is taken'],
    [`${three}\nwitness w4 ${key(1)}`, 'line 4: the witness is there twice'],
    [`${three}\ngroup g 4 w1 w2`, 'line 4: the group can never be complete'],
    [`${three}\ngroup g 1 w1\ngroup h 1 w1`, 'line 5: w1 is a member already'],
    [`${three}\ngroup g all w9`, 'line 4: w9 is not defined before'],
    ['wat', 'line 1: wat is not known here'],
  ])('%# is refused', (text, why) => {
    expect(parseTrustPolicy(text)).toBe(why);
  });

  test('counts groups of groups', () => {
    const text = `# comment\n log ${readFileSync(join(directory, 'log.vkey'), 'utf8').trim()}\n\n${three}\ngroup g any w1 w2\ngroup all all g w3\nquorum all\n`;
    const trust = parseTrustPolicy(text);
    if (typeof trust === 'string') throw new Error(trust);
    const signed = parseSignedCheckpoint(note);
    const body = typeof signed === 'string' ? '' : signed.body;
    const by = (...numbers: number[]): string =>
      `${note}${numbers.map((n) => createWitnessKey(`w.example/${n}`, Buffer.alloc(32, n)).cosign(body, 7)).join('')}`;
    const enough = (checkpoint: string): boolean => {
      const parsed = parseSignedCheckpoint(checkpoint);
      if (typeof parsed === 'string') throw new Error(parsed);
      return verifyProof({ extra: Buffer.alloc(0), index: 0, hashes: [], checkpoint: parsed }, trust).hasQuorum;
    };
    expect([by(1), by(3), by(1, 2), by(2, 3), by(1, 2, 3)].map(enough)).toEqual([false, false, false, true, true]);
  });

  test('never throws, whatever it is given', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => void parseTrustPolicy(text)));
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => void parseTlogProof(`c2sp.org/tlog-proof@v1\n${text}`)),
    );
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => void parseSignedCheckpoint(`${testOrigin}\n${text}`)),
    );
  });
});

test('verification says what is wrong with any noise in any file, and never throws', async () => {
  const files = ['checkpoint', 'log.vkey', 'tile/entries/000', 'tile/0/001', 'segments/0000000000000000.seg'];
  const noise = fc.uint8Array({ maxLength: 2_000 });
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...files), noise, fc.boolean(), async (file, bytes, isPrefix) => {
      const copy = mkdtempSync(join(root, 'noise-'));
      cpSync(directory, copy, { recursive: true });
      const whole = readFileSync(join(copy, file));
      const kept = whole.subarray(0, isPrefix ? Math.floor(whole.length / 2) : 0);
      writeFileSync(join(copy, file), Buffer.concat([kept, bytes]));
      const { problems } = await verifyLog({ directory: copy });
      expect(problems.length).toBeGreaterThan(0);
      rmSync(copy, { recursive: true });
    }),
    { numRuns: 40 },
  );
});
