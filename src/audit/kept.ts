import { isJsonObject, type JsonValue } from '../lib/json.ts';
import { type FsPort, nodeFs, replaceFile } from './fs-port.ts';
import { layout } from './layout.ts';
import { readRecords, type StoredRecord } from './read.ts';
import { explaining } from './record-index.ts';

/**
 * Keeps, of a segment that is about to go, the manifests that explain what is absent: holds, erasures, earlier expiries. Their exact
 * bytes, so that they can still be checked against their leaves. A line each: `{"manifest":"…","seq":n}`. Durable when it
 * resolves, with how many there are.
 */
export async function keepExplanations(fs: FsPort, directory: string, first: number, last: number): Promise<number> {
  const lines: string[] = [];
  for await (const record of readRecords(directory, { from: first })) {
    if (record.sequence > last) break;
    if (!isKept(record)) continue;
    lines.push(`${JSON.stringify({ seq: record.sequence, manifest: record.manifestBytes.toString() })}\n`);
  }
  if (lines.length === 0) return 0;
  await fs.makeDirectory(layout.keptFolder(directory));
  await replaceFile(fs, layout.kept(directory, first), Buffer.from(lines.join('')));
  return lines.length;
}

/** Also what names the shards before and after: without it one could be taken away. */
function isKept({ kind, facts }: StoredRecord): boolean {
  const isLink = (kind === 'open' && 'previous' in facts) || (kind === 'close' && 'next' in facts);
  return isLink || explaining.has(kind);
}

/** What was kept of expired segments, oldest first. Manifests only: there is nothing sealed in them. */
export async function readKept(directory: string): Promise<StoredRecord[]> {
  const records: StoredRecord[] = [];
  for (const name of nodeFs.list(layout.keptFolder(directory))) {
    const first = Number(/^([0-9]{16})\.jsonl$/.exec(name)?.[1]);
    if (Number.isNaN(first)) continue;
    const lines = (nodeFs.read(layout.kept(directory, first)) ?? Buffer.alloc(0)).toString().split('\n');
    for (const line of lines) {
      const record = line === '' ? null : keptRecord(line, directory, first);
      if (record !== null) records.push(record);
    }
  }
  return records;
}

function keptRecord(line: string, folder: string, segment: number): StoredRecord | null {
  const kept: JsonValue = JSON.parse(line);
  if (!isJsonObject(kept) || typeof kept['manifest'] !== 'string' || typeof kept['seq'] !== 'number') return null;
  const manifest: JsonValue = JSON.parse(kept['manifest']);
  if (!isJsonObject(manifest)) return null;
  const { id, kind, facts, t } = manifest;
  const wallNs = isJsonObject(t) && typeof t['wall_ns'] === 'string' ? BigInt(t['wall_ns']) : 0n;
  return {
    sequence: kept['seq'],
    id: String(id),
    kind: String(kind),
    exchange: '',
    session: '',
    wallNs,
    facts: isJsonObject(facts) ? facts : {},
    bodies: [],
    manifest,
    manifestBytes: Buffer.from(kept['manifest']),
    sealed: Buffer.alloc(0),
    folder,
    segment,
    offset: 0,
  };
}
