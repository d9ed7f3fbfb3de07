import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createJoinedIndex, type IndexedLog } from '../../../src/audit/joined-index.ts';
import { fits, type IndexedRecord, type RecordIndex } from '../../../src/audit/record-index.ts';

function row(sequence: number, wallMs: number, over: Partial<IndexedRecord> = {}): IndexedRecord {
  return {
    sequence,
    id: `${wallMs}-${sequence}`,
    kind: 'intent',
    exchange: 'x',
    session: 's',
    tenant: 'acme',
    subject: '',
    models: [],
    rules: [],
    entities: [],
    action: '',
    wallMs,
    segment: 0,
    offset: 0,
    facts: null,
    ...over,
  };
}

/** An index over rows in memory that looks at no more than `scanned` of them for a page. */
function indexOf(rows: readonly IndexedRecord[], scanned = 1_000): RecordIndex {
  return {
    catchUp: async () => rows.length,
    find: async (query) => {
      const looked = rows.filter(({ sequence }) => sequence < (query.before ?? rows.length)).reverse();
      const records: IndexedRecord[] = [];
      for (const candidate of looked.slice(0, scanned)) {
        if (fits(candidate, query)) records.push(candidate);
        if (records.length >= query.limit) return { records, next: candidate.sequence };
      }
      return { records, next: looked.length > scanned ? (looked[scanned - 1]?.sequence ?? null) : null };
    },
    byId: async (id) => rows.find((each) => each.id === id) ?? null,
    ofKinds: async () => [],
    forget: async () => undefined,
    close: async () => undefined,
  };
}

async function pages(logs: readonly IndexedLog[], limit: number): Promise<{ ids: string[]; pages: number }> {
  const joined = createJoinedIndex(async () => logs);
  await joined.catchUp();
  const ids: string[] = [];
  let count = 0;
  for (let place: string | null = null; count < 1_000; ) {
    const page = await joined.find({ kind: 'intent', limit }, place);
    count += 1;
    ids.push(...(page?.found.map(({ row }) => row.id) ?? []));
    place = page?.next ?? null;
    if (place === null) break;
  }
  return { ids, pages: count };
}

describe('several indices as one', () => {
  test('page by page every record once, newest first, whatever the pages and however little one look sees', async () => {
    const log = fc.array(fc.record({ gap: fc.integer({ min: 0, max: 5 }), isIntent: fc.boolean() }), { maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(
        fc.array(log, { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 1, max: 7 }),
        fc.integer({ min: 2, max: 40 }),
        async (given, limit, scanned) => {
          const logs = given.map((steps, n) => {
            let wallMs = n;
            const rows = steps.map(({ gap, isIntent }, sequence) => {
              wallMs += gap * 10;
              return row(sequence, wallMs, { id: `${n}/${sequence}`, kind: isIntent ? 'intent' : 'outcome' });
            });
            return { folder: `/logs/${n}`, rows, index: indexOf(rows, scanned) };
          });
          const all = logs.flatMap(({ rows }) => rows.filter(({ kind }) => kind === 'intent'));
          const { ids } = await pages(logs, limit);
          expect([...ids].sort()).toEqual(all.map(({ id }) => id).sort());
          const times = ids.map((id) => all.find((each) => each.id === id)?.wallMs ?? 0);
          expect(times).toEqual([...times].sort((a, b) => b - a));
        },
      ),
    );
  });

  test('a log that comes between two pages does not disturb them', async () => {
    const logs = [{ folder: '/a', index: indexOf([row(0, 10), row(1, 20)]) }];
    const joined = createJoinedIndex(async () => logs);
    await joined.catchUp();
    const first = await joined.find({ limit: 1 }, null);
    logs.push({ folder: '/b', index: indexOf([row(0, 99)]) });
    await joined.catchUp();
    const second = await joined.find({ limit: 5 }, first?.next ?? null);
    expect(second).toEqual({ found: [{ folder: '/a', row: row(0, 10) }], next: null });
  });

  test.each(['12', 'x', '0123456789ab.', '0123456789ab.1,', `${'0123456789ab.1,'.repeat(4_000)}0123456789ab.1`])(
    'what is no place is none: %.20s',
    async (place) => {
      const joined = createJoinedIndex(async () => []);
      expect(await joined.find({ limit: 1 }, place)).toBe(null);
    },
  );

  test('by id in whichever log it is, and the newest of the others', async () => {
    const own = { folder: '/own', index: indexOf([row(0, 10, { subject: 'alice' })]) };
    const other = { folder: '/other', index: indexOf([row(0, 20, { subject: 'alice' }), row(1, 30)]) };
    const joined = createJoinedIndex(async () => [own, other]);
    await joined.catchUp();
    expect((await joined.byId('30-1'))?.folder).toBe('/other');
    expect(await joined.byId('none')).toBe(null);
    expect((await joined.inOthers({ subject: 'alice' })).map(({ row }) => row.wallMs)).toEqual([20]);
  });
});
