import { limits } from '../lib/limits.ts';
import { err, ok } from '../lib/result.ts';
import type { SealedKind } from './conversation.ts';
import type { BlockFilter, BodyError } from './dialect.ts';
import { applyEdits, type Edit } from './json-edit.ts';
import { parseJson } from './json-parser.ts';
import type { JsonNode, JsonNumberNode } from './json-source.ts';
import { countBlocks, countsOf, omitBlocks } from './sealed-blocks.ts';
import type { Shape } from './shape.ts';
import { walkEvent } from './walk.ts';

/** The block that an event is about. */
export interface EventBlock {
  /** Names the block within its stream, where there is no index. */
  readonly id: string | null;
  /** By which the events count their blocks: what comes behind a block that is left out moves up. */
  readonly index: JsonNumberNode | null;
  /** What the event by itself says of the block, by its type; null: nothing, or that it is none. */
  readonly seal: SealedKind | null;
  /** What is sealed is a thing of its own in a block that is not (a citation). */
  readonly isPart?: true;
}

export interface BlockRules {
  /** Lists of blocks inside of events are found by it. */
  readonly shape: Shape;
  /** Null: the event is about no block. Absent: no event is. */
  readonly blockOf?: (source: string, root: JsonNode, event: string | null) => EventBlock | null;
  /** Lists in an event repeat blocks that had events of their own. */
  readonly isRetold?: boolean;
}

/**
 * A block is judged by the first event that is about it, and by its type alone: its signature may be the last that comes. From then on every
 * event about it is withheld, and the blocks that come behind are renumbered without a gap. Where a block turns out to be sealed only
 * after it has begun as something else, what is sealed of it is withheld, event by event.
 */
export function createBlockFilter(
  { shape, blockOf, isRetold = false }: BlockRules,
  omits: ReadonlySet<SealedKind>,
): BlockFilter {
  const places = createPlaces();
  /** Blocks that were counted. */
  const judged = new Set<string>();
  const counts = new Map<SealedKind, number>();
  /** The most that lists of one event told of. */
  const retold = new Map<SealedKind, number>();

  function count(kind: SealedKind): void {
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }

  /** Where the block stands now; null: the event is withheld. */
  function placeOf({ id, index, seal, isPart }: EventBlock, number: number | null): number | null {
    const isSealed = seal !== null && omits.has(seal);
    const known = places.of(number, id);
    const place = known === undefined ? places.add(number, id, isSealed && !isPart) : known;
    if (!isSealed) return place;
    const name = `${index === null ? id : number}`;
    if (isPart ? place !== null : !judged.has(name)) count(seal);
    if (!isPart) judged.add(name);
    return null;
  }

  function inLists(source: string, root: JsonNode): readonly Edit[] {
    const walk = walkEvent(source, root, shape, '');
    if (walk.blocks.length === 0) return noEdits;
    for (const told of countBlocks(walk.blocks, omits)) {
      const into = isRetold ? retold : counts;
      const before = into.get(told.kind) ?? 0;
      into.set(told.kind, isRetold ? Math.max(before, told.count) : before + told.count);
    }
    return omitBlocks(walk, omits);
  }

  return {
    read: (payload, event) => {
      const root = parseJson(payload);
      if (!root.ok) return ok(payload);
      const edits: Edit[] = [];
      const block = blockOf?.(payload, root.value, event) ?? null;
      if (block !== null) {
        const { index } = block;
        const number = index === null ? null : Number(payload.slice(index.start, index.end));
        const place = placeOf(block, number);
        if (places.isFull()) return err(tooMany);
        if (place === null) return ok(null);
        if (index !== null && place !== number)
          edits.push({ start: index.start, end: index.end, source: String(place) });
      }
      edits.push(...inLists(payload, root.value));
      return ok(edits.length === 0 ? payload : applyEdits(payload, edits));
    },
    counts: () => {
      const all = new Map(counts);
      for (const [kind, told] of retold) all.set(kind, Math.max(told, all.get(kind) ?? 0));
      return countsOf(all);
    },
  };
}

const noEdits: readonly Edit[] = [];
const tooMany: BodyError = { kind: 'too_many_values', message: `more than ${limits.streamKeysMax} blocks in a stream` };

/** Where the blocks of a stream stand once others are left out. A block keeps the place that it got first. */
interface Places {
  /** Null: the block is left out. Undefined: it is not known yet. `id` counts where there is no number. */
  of(number: number | null, id: string | null): number | null | undefined;
  add(number: number | null, id: string | null, isOmitted: boolean): number | null;
  isFull(): boolean;
}

function createPlaces(): Places {
  const byNumber = new Map<number, number | null>();
  const byId = new Map<string, number | null>();
  const omitted: number[] = [];
  return {
    of: (number, id) => {
      if (number !== null) return byNumber.get(number);
      return id === null ? undefined : byId.get(id);
    },
    add: (number, id, isOmitted) => {
      const place = isOmitted ? null : (number ?? 0) - omitted.filter((before) => before < (number ?? 0)).length;
      if (number !== null) byNumber.set(number, place);
      if (number !== null && isOmitted) omitted.push(number);
      if (id !== null) byId.set(id, place);
      return place;
    },
    isFull: () => byNumber.size > limits.streamKeysMax || byId.size > limits.streamKeysMax,
  };
}
