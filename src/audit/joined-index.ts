import { sha256Hex } from '../lib/hash.ts';
import type { IndexedRecord, RecordIndex, RecordQuery } from './record-index.ts';

/** A log with its index, over all of its shards. */
export interface IndexedLog {
  /** The log's own folder, above those of its shards. */
  readonly folder: string;
  readonly index: RecordIndex;
}

/** A row, and the log that it is in. */
export interface FoundRecord {
  readonly row: IndexedRecord;
  readonly folder: string;
}

export interface JoinedPage {
  readonly found: readonly FoundRecord[];
  /** Names the place to go on from; null: that was all. A page may be short although there is more. */
  readonly next: string | null;
}

/** The records of several logs, found as one. */
export interface JoinedIndex {
  /** Takes in what the logs have by now, logs that are new included. */
  catchUp(): Promise<void>;
  /** Newest first by the time of recording, those of one log in its order. `place`: `next` of the page before. Null: that is no place. */
  find(query: Omit<RecordQuery, 'before'>, place: string | null): Promise<JoinedPage | null>;
  byId(id: string): Promise<FoundRecord | null>;
  /** Newest record of each log but the first that fits. */
  inOthers(query: Omit<RecordQuery, 'limit'>): Promise<readonly FoundRecord[]>;
  /** Folders of the logs. */
  folders(): readonly string[];
}

/** `logs` is asked at every `catchUp`: other writers come and go. This process's own log comes first. */
export function createJoinedIndex(logs: () => Promise<readonly IndexedLog[]>): JoinedIndex {
  let known: readonly IndexedLog[] = [];

  async function find(query: Omit<RecordQuery, 'before'>, place: string | null): Promise<JoinedPage | null> {
    const places = place === null ? null : readPlace(place);
    if (place !== null && places === null) return null;
    const cursors = await Promise.all(
      known.map(async ({ folder, index }): Promise<Cursor> => {
        // A log that came after the first page is not in its place: it would put newer records behind older ones.
        const before = places === null ? Number.MAX_SAFE_INTEGER : (places.get(keyOf(folder)) ?? 0);
        const page = before === 0 ? { records: [], next: null } : await index.find({ ...query, before });
        return { folder, before, rows: page.records, next: page.next, taken: 0 };
      }),
    );
    const found = merge(cursors, query.limit);
    const rest = cursors.map((cursor) => [keyOf(cursor.folder), restOf(cursor)] as const);
    const isOver = rest.every(([, before]) => before === 0);
    return { found, next: isOver ? null : rest.map(([key, before]) => `${key}.${before}`).join(',') };
  }

  return {
    catchUp: async () => {
      known = await logs();
      await Promise.all(known.map(({ index }) => index.catchUp()));
    },
    find,
    byId: async (id) => {
      for (const { folder, index } of known) {
        const row = await index.byId(id);
        if (row !== null) return { row, folder };
      }
      return null;
    },
    inOthers: async (query) => {
      const found: FoundRecord[] = [];
      for (const { folder, index } of known.slice(1)) {
        const [row] = (await index.find({ ...query, limit: 1 })).records;
        if (row !== undefined) found.push({ row, folder });
      }
      return found;
    },
    folders: () => known.map(({ folder }) => folder),
  };
}

interface Cursor {
  readonly folder: string;
  readonly before: number;
  readonly rows: readonly IndexedRecord[];
  readonly next: number | null;
  taken: number;
}

function merge(cursors: readonly Cursor[], limit: number): FoundRecord[] {
  const found: FoundRecord[] = [];
  while (found.length < limit) {
    // What one log has not looked at yet may be newer than what the others have left.
    if (cursors.some(({ rows, next, taken }) => taken === rows.length && next !== null)) break;
    let newest: Cursor | null = null;
    for (const cursor of cursors) {
      const head = cursor.rows[cursor.taken];
      const best = newest?.rows[newest.taken];
      if (head !== undefined && (best === undefined || head.wallMs > best.wallMs)) newest = cursor;
    }
    const row = newest?.rows[newest.taken];
    if (newest === null || row === undefined) break;
    newest.taken += 1;
    found.push({ row, folder: newest.folder });
  }
  return found;
}

/** The sequence number before which a log goes on; 0: nothing is left of it. */
function restOf({ rows, next, taken, before }: Cursor): number {
  if (taken === rows.length) return next ?? 0;
  const newest = rows[0]?.sequence ?? before;
  return taken === 0 ? newest + 1 : (rows[taken - 1]?.sequence ?? newest);
}

function keyOf(folder: string): string {
  return sha256Hex(folder).slice(0, 12);
}

function readPlace(place: string): ReadonlyMap<string, number> | null {
  if (place.length > 32_768 || !/^[0-9a-f]{12}\.\d{1,16}(?:,[0-9a-f]{12}\.\d{1,16})*$/.test(place)) return null;
  return new Map(
    place.split(',').map((part) => {
      const [key = '', before = ''] = part.split('.');
      return [key, Number(before)] as const;
    }),
  );
}
