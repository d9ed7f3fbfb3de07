import type { OmittedCount, SealedKind } from './conversation.ts';
import type { SealedBlock, Walk } from './found-text.ts';
import type { Edit } from './json-edit.ts';
import type { JsonArrayNode, JsonObjectNode } from './json-source.ts';

/**
 * Takes sealed blocks out of a JSON source. Each takes one comma along: the one before it, with the white space on both sides of that, when
 * an element stays before it; else the one after it, with the white space up to the next element. A list of which every element goes keeps
 * its brackets and the white space inside of them, unless the element around it goes with it (`goesWhenEmptied`). What tells the text of an
 * element again (log probabilities) goes too.
 */
export function omitBlocks(
  { blocks, repeats }: Pick<Walk, 'blocks' | 'repeats'>,
  omits: ReadonlySet<SealedKind>,
): Edit[] {
  const gone = new Map<List, Set<number>>();
  const around = new Map<List, SealedBlock['around']>();
  const scopes = new Set<number>();
  for (const { kind, list, position, around: outer, scope } of blocks) {
    if (!omits.has(kind)) continue;
    positionsIn(gone, list).add(position);
    around.set(list, outer);
    if (list.type === 'array') scopes.add(scope);
  }
  for (const [list, outer] of around) {
    const positions = gone.get(list);
    if (outer === null || positions === undefined || positions.size < spansOf(list).length) continue;
    positionsIn(gone, outer.list).add(outer.position);
  }
  const edits = [...gone].flatMap(([list, positions]) => removals(spansOf(list), positions));
  for (const repeat of repeats) if (repeat.isTelling && scopes.has(repeat.scope)) edits.push(repeat);
  return edits;
}

/** How many go; what stands in one that goes is not counted again. */
export function countBlocks(blocks: readonly SealedBlock[], omits: ReadonlySet<SealedKind>): readonly OmittedCount[] {
  const counts = new Map<SealedKind, number>();
  for (const { kind, within } of blocks) {
    if (!omits.has(kind) || (within !== null && omits.has(within))) continue;
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  return countsOf(counts);
}

/** In one order, whatever came first. */
export function countsOf(counts: ReadonlyMap<SealedKind, number>): readonly OmittedCount[] {
  return [...counts].map(([kind, count]) => ({ kind, count })).sort((a, b) => (a.kind < b.kind ? -1 : 1));
}

type List = JsonArrayNode | JsonObjectNode;

interface Span {
  readonly start: number;
  readonly end: number;
}

function positionsIn(gone: Map<List, Set<number>>, list: List): Set<number> {
  const positions = gone.get(list) ?? new Set();
  gone.set(list, positions);
  return positions;
}

function spansOf(list: List): readonly Span[] {
  if (list.type === 'array') return list.items;
  return list.members.map(({ key, value }) => ({ start: key.start, end: value.end }));
}

function removals(spans: readonly Span[], positions: ReadonlySet<number>): Edit[] {
  const edits: Edit[] = [];
  let isAnyKept = false;
  for (const [position, { start, end }] of spans.entries()) {
    if (!positions.has(position)) {
      isAnyKept = true;
      continue;
    }
    const before = isAnyKept ? spans[position - 1] : undefined;
    const after = isAnyKept ? undefined : spans[position + 1];
    edits.push({ start: before?.end ?? start, end: after?.start ?? end, source: '' });
  }
  return edits;
}
