import { join } from 'node:path';
import { type BeaconCheck, type BeaconReport, createBeaconCheck } from './verify-beacons.ts';
import { checkSignature, type NoteKey, parseNoteKey, parseSignedCheckpoint } from './verify-note.ts';
import { keyFor, keysFolder } from './verify-place.ts';
import { createProblemList, type ProblemList, readOptional, type VerifyProblem } from './verify-problems.ts';
import { type CheckedRecords, checkRecords, type WalkedRecords } from './verify-records.ts';
import { type CheckedTree, checkGrowth, checkTree } from './verify-tree.ts';
import { judge, type TrustPolicy, type TrustReport } from './verify-trust.ts';

export type { VerifyProblem } from './verify-problems.ts';

/**
 * 1: frames and checksums of the segments. 2: the published tree alone, which needs no segment. 3: both, and the records
 * against the tree. 4: and the sealed bytes against their hashes.
 */
export type VerifyLevel = 1 | 2 | 3 | 4;

export interface VerifyOptions {
  readonly directory: string;
  /** How deep; default 4. See `VerifyLevel`. */
  readonly level?: VerifyLevel;
  /**
   * The log's verifier key (`name+hash+key`), as an auditor was given it. Without it the one that lies in the directory is
   * taken, and the report proves only that the log agrees with itself.
   */
  readonly verifierKey?: string;
  /** A trust policy instead of a key: the logs that are known, and the witnesses that must have cosigned. */
  readonly trust?: TrustPolicy;
  /** A checkpoint of this log that was kept elsewhere: proves that the log only grew since. */
  readonly since?: string;
  /** The shard before it, which has been walked: what it left open goes on here. */
  readonly before?: Pick<WalkedRecords, 'open' | 'known'>;
  /** Goes on from the shard before it. */
  readonly beacons?: BeaconCheck;
}

export interface VerifyReport {
  readonly origin: string;
  /** Where the verifier key came from. */
  readonly key: 'given' | 'beside the log';
  /** What witnesses say, when a policy asks for them. */
  readonly witnessed: WitnessReport | null;
  /** Intact records in the segments. */
  readonly records: number;
  /** Records that are not there any more, as the record itself says. */
  readonly expired: number;
  /** Keys that are still there although the record says that they were destroyed: under way, or put back from a backup. */
  readonly overdue: readonly string[];
  /** Records that the signed checkpoint covers, and its root (base64). */
  readonly checkpointed: number;
  readonly root: string;
  /** Exchanges whose intent has no outcome: still running, or cut off by a crash that no later start has recorded. */
  readonly openIntents: number;
  /** Bytes behind the last intact record that no checkpoint covers: a write under way, or cut off by a crash. */
  readonly unfinishedBytes: number;
  /** What its beacons say; null at the levels that read no record against the tree. */
  readonly beacons: BeaconReport | null;
  /** Everything that is not as it should be; empty: the log is intact. At most 1,000, in the order of the checks. */
  readonly problems: readonly VerifyProblem[];
}

/**
 * Checks a log on disk, offline: frames and checksums; leaves, tiles, root and signature; each record against its leaf,
 * intents against outcomes; sealed bytes against their hashes. Needs no secret and may run beside the writer. It shares no
 * code with the writer: only the bytes on disk and SHA-256.
 *
 * What it cannot see: a record that was never written; and a log rewritten and signed anew with the stolen signing key,
 * unless `since` or another holder of a checkpoint says otherwise.
 */
export async function verifyLog(options: VerifyOptions): Promise<VerifyReport> {
  return (await walkLog(options)).conclude([]);
}

/** A log that was read, but for what later shards may say of what is absent. */
export interface WalkedLog {
  readonly origin: string;
  readonly head: Head;
  /** Null at level 2, which reads none. */
  readonly records: WalkedRecords | null;
  conclude(later: readonly object[]): Promise<VerifyReport>;
}

/** As `verifyLog`, for one shard among others: see verify-shards.ts. */
export async function walkLog(options: VerifyOptions): Promise<WalkedLog> {
  const problems = createProblemList();
  const { directory, level = 4 } = options;
  const keyText = options.verifierKey ?? (await readOptional(join(directory, 'log.vkey')))?.toString() ?? '';
  const given = parseNoteKey(keyText.replace(/\n$/, ''));
  if (options.trust === undefined && given?.algorithm !== 'ed25519') {
    const place = options.verifierKey === undefined ? 'log.vkey' : 'verifier key';
    problems.add('tree', place, 'it is not a verifier key (name+hash+key)');
  }
  const keys = options.trust?.logs ?? (given?.algorithm === 'ed25519' ? [given] : []);
  const checkpoint = await readHead(directory, keys, problems);
  const { key } = checkpoint;
  const tree = checkTree(directory, level === 1 ? noHead : checkpoint, problems);
  const since = options.since;
  if (since !== undefined && key !== null && level !== 1) {
    const old = signedHead(since, [key]);
    if (typeof old === 'string') problems.add('tree', 'earlier checkpoint', old);
    else checkGrowth(old, checkpoint, tree, problems);
  }
  const witnessed =
    options.trust === undefined || options.trust.quorum === null || level === 1
      ? null
      : await checkWitnessed(directory, options.trust, tree, problems);
  const beacons = options.beacons ?? createBeaconCheck();
  const walked =
    level === 2
      ? null
      : await checkRecords({
          directory,
          keys: keysFolder(directory),
          origin: key?.name ?? null,
          covered: level === 1 ? 0 : checkpoint.size,
          bundle: tree.bundle,
          before: options.before ?? null,
          seen: beacons.take,
          problems,
        });
  const origin = key?.name ?? '';
  const trust = options.trust ?? { logs: keys, witnesses: [], quorum: null };
  const said = level < 3 ? null : await beacons.judge(origin, tree, trust, problems);
  const report = (records: CheckedRecords): VerifyReport => ({
    origin,
    key: options.verifierKey === undefined && options.trust === undefined ? 'beside the log' : 'given',
    witnessed,
    records: records.count,
    expired: records.expired,
    overdue: records.overdue,
    checkpointed: checkpoint.size,
    root: checkpoint.root.toString('base64'),
    openIntents: records.openIntents,
    unfinishedBytes: records.unfinishedBytes,
    beacons: said,
    problems: problems.list().filter(({ check }) => checksOf[level].includes(check)),
  });
  return {
    origin,
    head: checkpoint,
    records: walked,
    conclude: async (later) => report((await walked?.conclude(later)) ?? noRecords),
  };
}

const checksOf: Readonly<Record<VerifyLevel, readonly VerifyProblem['check'][]>> = {
  1: ['frames'],
  2: ['tree'],
  3: ['frames', 'tree', 'records'],
  4: ['frames', 'tree', 'records', 'bodies'],
};

const noHead: Head = { size: 0, root: Buffer.alloc(0) };
const noRecords: CheckedRecords = { count: 0, expired: 0, overdue: [], openIntents: 0, unfinishedBytes: 0 };

export interface WitnessReport {
  readonly hasQuorum: boolean;
  /** Records under the cosigned checkpoint. */
  readonly size: number;
  readonly witnesses: TrustReport['witnesses'];
}

export interface Head {
  readonly size: number;
  readonly root: Buffer;
}

async function readHead(directory: string, keys: readonly NoteKey[], problems: ProblemList): Promise<SignedHead> {
  const none: SignedHead = { size: 0, root: Buffer.alloc(0), key: keys[0] ?? null };
  const note = await readOptional(join(directory, 'checkpoint'));
  if (note === null) {
    problems.add('tree', 'checkpoint', 'there is none');
    return none;
  }
  if (keys.length === 0) return none;
  const head = signedHead(note.toString(), keys);
  if (typeof head !== 'string') return head;
  problems.add('tree', 'checkpoint', head);
  return none;
}

interface SignedHead extends Head {
  /** Whose signature it bears. */
  readonly key: NoteKey | null;
}

/** A checkpoint signed by one of these keys, or what is wrong with it. */
function signedHead(note: string, keys: readonly NoteKey[]): SignedHead | string {
  const checkpoint = parseSignedCheckpoint(note);
  if (typeof checkpoint === 'string') return checkpoint;
  const key = keyFor(keys, checkpoint.origin);
  if (key === null) return `it is of another log: ${checkpoint.origin}`;
  const { size, root } = checkpoint;
  const verdict = checkSignature(checkpoint, key);
  if (verdict.kind === 'signed') return { size, root, key };
  return verdict.kind === 'bad' ? 'its signature does not verify' : `it bears no signature by the key of ${key.name}`;
}

/** The checkpoint that witnesses have cosigned: it must be of this log, under its tree, and have the policy's quorum. */
async function checkWitnessed(
  directory: string,
  trust: TrustPolicy,
  tree: CheckedTree,
  problems: ProblemList,
): Promise<WitnessReport> {
  const place = 'checkpoint.witnessed';
  const note = (await readOptional(join(directory, place))) ?? (await readOptional(join(directory, 'checkpoint')));
  const checkpoint = parseSignedCheckpoint(note?.toString() ?? '');
  if (typeof checkpoint === 'string') {
    problems.add('tree', place, checkpoint);
    return { hasQuorum: false, size: 0, witnesses: [] };
  }
  const report = judge(checkpoint, trust);
  if (report.log === null) problems.add('tree', place, 'it is not signed by a log of the policy');
  else if (!report.hasQuorum) problems.add('tree', place, 'too few witnesses have cosigned it');
  if (!tree.rootAt(checkpoint.size)?.equals(checkpoint.root)) {
    problems.add('tree', place, 'the log is not the one that was cosigned');
  }
  return { hasQuorum: report.hasQuorum, size: checkpoint.size, witnesses: report.witnesses };
}
