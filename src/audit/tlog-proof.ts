import { createProver } from './prove.ts';
import type { StoredRecord } from './read.ts';
import { parseSignedCheckpoint } from './verify-note.ts';

/** First line of the format, C2SP tlog-proof. */
export const tlogProofHeader = 'c2sp.org/tlog-proof@v1';

/**
 * A proof that a record is in the log, for somebody who has nothing of the log but its key: the manifest (as `extra`, from
 * which the leaf is made), its index, the hashes beside its way to the root, and the checkpoint with all signatures. Null
 * when the checkpoint does not cover the record yet.
 */
export async function proveRecord(
  directory: string,
  record: StoredRecord,
  checkpoint: string,
  published: number,
): Promise<string | null> {
  const signed = parseSignedCheckpoint(checkpoint);
  if (typeof signed === 'string' || record.sequence >= signed.size) return null;
  const hashes = await createProver(directory, published).inclusion(record.sequence, signed.size);
  return [
    tlogProofHeader,
    `extra ${record.manifestBytes.toString('base64')}`,
    `index ${record.sequence}`,
    ...hashes.map((hash) => hash.toString('base64')),
    '',
    checkpoint,
  ].join('\n');
}
