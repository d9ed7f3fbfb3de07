import { createPublicKey, type KeyObject, verify as verifySignature } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createProblemList, type ProblemList, readOptional, sha256, type VerifyProblem } from './verify-problems.ts';
import { checkRecords } from './verify-records.ts';
import { checkGrowth, checkTree } from './verify-tree.ts';

export type { VerifyProblem } from './verify-problems.ts';

export interface VerifyOptions {
  readonly directory: string;
  /**
   * The log's verifier key (`name+hash+key`), as an auditor was given it. Without it the one that lies in the directory is
   * taken, and the report proves only that the log agrees with itself.
   */
  readonly verifierKey?: string;
  /** A checkpoint of this log that was kept elsewhere: proves that the log only grew since. */
  readonly since?: string;
}

export interface VerifyReport {
  readonly origin: string;
  /** Where the verifier key came from. */
  readonly key: 'given' | 'beside the log';
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
  const problems = createProblemList();
  const { directory } = options;
  const keyText = options.verifierKey ?? (await readOptional(join(directory, 'log.vkey')))?.toString() ?? '';
  const key = parseVerifierKey(keyText.replace(/\n$/, ''));
  if (key === null) {
    const place = options.verifierKey === undefined ? 'log.vkey' : 'verifier key';
    problems.add('tree', place, 'it is not a verifier key (name+hash+key)');
  }
  const checkpoint = await readHead(directory, key, problems);
  const tree = await checkTree(directory, checkpoint, problems);
  const since = options.since;
  if (since !== undefined && key !== null) {
    const old = parseCheckpoint(since, key);
    if (typeof old === 'string') problems.add('tree', 'earlier checkpoint', old);
    else await checkGrowth(old, checkpoint, tree, problems);
  }
  const records = await checkRecords(directory, key?.name ?? null, checkpoint.size, tree.bundle, problems);
  return {
    origin: key?.name ?? '',
    key: options.verifierKey === undefined ? 'beside the log' : 'given',
    records: records.count,
    expired: records.expired,
    overdue: records.overdue,
    checkpointed: checkpoint.size,
    root: checkpoint.root.toString('base64'),
    openIntents: records.openIntents,
    unfinishedBytes: records.unfinishedBytes,
    problems: problems.list(),
  };
}

export interface Head {
  readonly size: number;
  readonly root: Buffer;
}

interface VerifierKey {
  readonly name: string;
  readonly id: Buffer;
  readonly key: KeyObject;
}

async function readHead(directory: string, key: VerifierKey | null, problems: ProblemList): Promise<Head> {
  const none: Head = { size: 0, root: Buffer.alloc(0) };
  const note = await readFile(join(directory, 'checkpoint')).catch(() => null);
  if (note === null) {
    problems.add('tree', 'checkpoint', 'there is none');
    return none;
  }
  if (key === null) return none;
  const head = parseCheckpoint(note.toString(), key);
  if (typeof head !== 'string') return head;
  problems.add('tree', 'checkpoint', head);
  return none;
}

/** C2SP signed-note: `<name>+<8 hex digits>+<base64 of algorithm byte and key>`; Ed25519 only. */
function parseVerifierKey(text: string): VerifierKey | null {
  const match = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+=*)$/.exec(text);
  if (!match) return null;
  const [, name = '', id = '', encoded = ''] = match;
  const bytes = Buffer.from(encoded, 'base64');
  if (bytes.length !== 33 || bytes[0] !== 1 || bytes.toString('base64') !== encoded) return null;
  if (sha256(Buffer.concat([Buffer.from(`${name}\n`), bytes])).toString('hex', 0, 4) !== id) return null;
  // RFC 8410: the prefix of an Ed25519 SubjectPublicKeyInfo.
  const der = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), bytes.subarray(1)]);
  return { name, id: Buffer.from(id, 'hex'), key: createPublicKey({ key: der, format: 'der', type: 'spki' }) };
}

/** A checkpoint signed by this key, or what is wrong with it. Strict: these exact lines and nothing else. */
function parseCheckpoint(note: string, key: VerifierKey): Head | string {
  const match = /^((.+)\n(0|[1-9][0-9]*)\n([A-Za-z0-9+/]{43}=)\n)\n((?:\u2014 .+\n)+)$/.exec(note);
  if (!match) return 'it is not a signed checkpoint';
  const [, body = '', origin = '', size = '', root = '', signatures = ''] = match;
  if (origin !== key.name) return `it is of another log: ${origin}`;
  const rootBytes = Buffer.from(root, 'base64');
  if (rootBytes.toString('base64') !== root || !Number.isSafeInteger(Number(size)))
    return 'its size or root is malformed';
  for (const line of signatures.trimEnd().split('\n')) {
    const [, name = '', encoded = ''] = /^\u2014 (\S+) (\S+)$/.exec(line) ?? [];
    const blob = Buffer.from(encoded, 'base64');
    if (name !== key.name || blob.toString('base64') !== encoded || !blob.subarray(0, 4).equals(key.id)) continue;
    if (!verifySignature(null, Buffer.from(body), key.key, blob.subarray(4))) return 'its signature does not verify';
    return { size: Number(size), root: rootBytes };
  }
  return `it bears no signature by the key of ${key.name}`;
}
