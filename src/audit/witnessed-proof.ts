import { readRecords, type StoredRecord } from './read.ts';
import { readPublished } from './sinks/log-tail.ts';
import { proveRecord } from './tlog-proof.ts';
import { parseSignedCheckpoint } from './verify-note.ts';
import { readWitnessed } from './witness/witnessing.ts';

/**
 * A proof of a record by the best word there is: by the last checkpoint that witnesses have cosigned, where it covers the record, else by
 * the log's own. Null: neither does yet.
 */
export async function proveByWitnesses(record: StoredRecord): Promise<string | null> {
  return proveByFirst(record, [await readWitnessed(record.folder)]);
}

/**
 * The same, by the earliest word of witnesses that covers it, as the beacons behind it bring it: so the proof says as nearly as can be
 * when the record was there. Reads on until there is one.
 */
export async function proveByEarliest(record: StoredRecord): Promise<string | null> {
  const witnessed = await readWitnessed(record.folder);
  const earliest = witnessed === null ? null : await wordAfter(record, signaturesOf(witnessed));
  return proveByFirst(record, [earliest, witnessed]);
}

async function proveByFirst(record: StoredRecord, notes: readonly (string | null)[]): Promise<string | null> {
  const published = await readPublished(record.folder);
  if (published === null) return null;
  for (const note of [...notes, published.note]) {
    const proof = note === null ? null : await proveRecord(record.folder, record, note, published.size);
    if (proof !== null) return proof;
  }
  return null;
}

/** The checkpoint of the first beacon behind a record that covers it, if as many have cosigned it as the last one. */
async function wordAfter(record: StoredRecord, signaturesMin: number): Promise<string | null> {
  let looked = 0;
  for await (const { facts, kind } of readRecords(record.folder, { from: record.sequence + 1 })) {
    const note = kind === 'beacon' ? facts['checkpoint'] : undefined;
    const head = typeof note === 'string' ? parseSignedCheckpoint(note) : '';
    const isOfLog = typeof head !== 'string' && head.origin === record.manifest['origin'];
    if (typeof note === 'string' && isOfLog && head.size > record.sequence && head.signatures.length >= signaturesMin) {
      return note;
    }
    looked += 1;
    if (looked > lookedMax) return null;
  }
  return null;
}

/** A beacon comes every minute; where a minute has more records than that, the witnesses' last word will do. */
const lookedMax = 1_000_000;

function signaturesOf(note: string): number {
  const head = parseSignedCheckpoint(note);
  return typeof head === 'string' ? 0 : head.signatures.length;
}
