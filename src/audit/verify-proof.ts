import { member } from './verify-json.ts';
import { leafOf } from './verify-manifest.ts';
import { isIncluded, leafHash, proofHashesMax } from './verify-merkle.ts';
import { parseSignedCheckpoint, type SignedCheckpoint } from './verify-note.ts';
import { judge, type TrustPolicy, type TrustReport } from './verify-trust.ts';

/** A C2SP tlog-proof, taken apart. */
export interface ParsedProof {
  /** The manifest of the record, its exact bytes. */
  readonly extra: Buffer;
  readonly index: number;
  readonly hashes: readonly Buffer[];
  readonly checkpoint: SignedCheckpoint;
}

const proofBytesMax = 4_194_304;

/** Reads a proof, or says what is wrong with it. */
export function parseTlogProof(text: string): ParsedProof | string {
  if (text.length > proofBytesMax) return 'it is too long';
  const split = text.indexOf('\n\n');
  if (split < 0) return 'it has no checkpoint';
  const [header, ...lines] = text.slice(0, split).split('\n');
  if (header !== 'c2sp.org/tlog-proof@v1') return 'it is no tlog-proof of version 1';
  const extra = lines[0]?.startsWith('extra ') ? base64(lines.shift()?.slice(6) ?? '') : Buffer.alloc(0);
  const index = /^index (0|[1-9][0-9]{0,15})$/.exec(lines.shift() ?? '')?.[1];
  if (extra === null || index === undefined || !Number.isSafeInteger(Number(index))) return 'its index is malformed';
  const hashes = lines.map(base64);
  if (hashes.length > proofHashesMax || hashes.some((hash) => hash?.length !== 32)) return 'its hashes are malformed';
  const checkpoint = parseSignedCheckpoint(text.slice(split + 2));
  if (typeof checkpoint === 'string') return checkpoint;
  return { extra, index: Number(index), hashes: hashes.filter((hash) => hash !== null), checkpoint };
}

function base64(text: string): Buffer | null {
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : null;
}

export interface ProofReport extends TrustReport {
  readonly proof: ParsedProof;
  /** The record's manifest, parsed; it is proved when `problems` is empty. */
  readonly manifest: object | null;
  readonly problems: readonly string[];
}

/**
 * Checks a proof offline: the manifest makes the leaf, the leaf is under the root, the root is signed by a log of the
 * policy, and enough witnesses have cosigned it. Needs nothing but the proof and the policy.
 */
export function verifyProof(proof: ParsedProof, policy: TrustPolicy): ProofReport {
  const problems: string[] = [];
  const { extra, index, hashes, checkpoint } = proof;
  const manifest = parse(extra);
  if (manifest === null) problems.push('it does not carry the manifest of a record');
  const leaf = leafHash(leafOf(extra, manifest ?? {}));
  if (!isIncluded(index, checkpoint.size, leaf, hashes, checkpoint.root)) {
    problems.push('the record is not under the root of the checkpoint');
  }
  if (manifest !== null && member(manifest, 'origin') !== checkpoint.origin) {
    problems.push('the record is of another log');
  }
  const trust = judge(checkpoint, policy);
  if (trust.log === null) problems.push('the checkpoint is not signed by a log of the policy');
  else if (!trust.hasQuorum) problems.push('too few witnesses have cosigned the checkpoint');
  return { proof, manifest, problems, ...trust };
}

function parse(bytes: Buffer): object | null {
  try {
    const value: unknown = JSON.parse(bytes.toString());
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}
