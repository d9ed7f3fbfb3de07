import { limits } from '../lib/limits.ts';
import type { Sliced } from '../lib/slices.ts';
import type { Role, SealedKind, SegmentKind, Uninspected } from './conversation.ts';
import type { FoundText, Host, Repeat, SealedBlock, Walk } from './found-text.ts';
import type { JsonParser } from './json-parser.ts';
import type { JsonArrayNode, JsonBudget, JsonNode, JsonObjectNode, JsonStringNode } from './json-source.ts';
import type { Shape } from './shape.ts';

/** Names an element of a list whose elements have no name (shape `elementKey` ''), where it needs one all the same; '' where not. */
export type NameOf = (source: string, element: JsonNode) => string;

/** Work between two turns, about a millisecond of it: characters of text count, and so does each value. */
export const turnWork = 32_768;
/** So much work is a value by itself. */
export const valueWork = 32;
/** Looking at a text costs less than reading it. */
export const workOf = (text: string): number => text.length >> 3;

/** A walk under way: what it has found, and where it stands. */
export interface Walking extends Walk {
  readonly isStream: boolean;
  readonly nameOf: NameOf | null;
  /** Null in a stream: strings are not opened there, because most arrive in pieces. */
  readonly budget: JsonBudget | null;
  readonly texts: FoundText[];
  readonly blocks: SealedBlock[];
  readonly uninspected: Uninspected[];
  readonly repeats: Repeat[];
  isFull: boolean;
  /** What the walk is in the middle of, the innermost last: a stack of its own, so that it can stop in between. */
  readonly open: Open[];
  /** Counted down between two turns. */
  work: number;
}

/** What a walk may be in the middle of. */
export type Open = OpenArray | OpenObject | OpenText | OpenDocument;

/** An array, up to the element at `at`. */
export interface OpenArray {
  readonly kind: 'array';
  readonly document: Document;
  readonly node: JsonArrayNode;
  readonly shape: Shape;
  readonly place: Place;
  at: number;
}

/** An object, up to the member at `at`. */
export interface OpenObject {
  readonly kind: 'object';
  readonly document: Document;
  readonly node: JsonObjectNode;
  readonly shape: Shape;
  /** Of the object itself, but for scope and role, which are those of what it holds. */
  readonly place: Place;
  at: number;
  /** The key of the member at `at` was looked at. */
  isKeyDone: boolean;
}

/** A long string whose escapes are being undone. */
export interface OpenText {
  readonly kind: 'text';
  readonly document: Document;
  readonly node: JsonStringNode;
  readonly shape: Shape;
  readonly place: Place;
  readonly decoding: Sliced<string>;
}

/** A string that looks like a JSON document and is being read as one. */
export interface OpenDocument {
  readonly kind: 'document';
  readonly document: Document;
  readonly node: JsonStringNode;
  readonly shape: Shape;
  readonly place: Place;
  readonly value: string;
  readonly parser: JsonParser;
}

/** The document in which the walk is: the body itself, or one inside a string. */
export interface Document {
  readonly walk: Walking;
  readonly source: string;
  readonly host: Host | null;
}

/** Where a value stands, and what is known of it from what stands around it. */
export interface Place {
  readonly pointer: string;
  readonly role: Role;
  readonly scope: number;
  /** Pointer of the scope. */
  readonly within: string;
  readonly isSealed: boolean;
  readonly block: SealedKind | null;
}

/** Null for `budget`: an event of a stream. */
export function createWalking(budget: JsonBudget | null, nameOf: NameOf | null): Walking {
  const isStream = budget === null;
  const found = { texts: [], blocks: [], uninspected: [], repeats: [] };
  return { isStream, nameOf, budget, ...found, isFull: false, open: [], work: 0 };
}

/** Puts on the list what nobody can read. */
export function addUninspected(walk: Walking, { pointer, block }: Place, kind: Uninspected['kind']): void {
  walk.uninspected.push(block === null ? { pointer, kind } : { pointer, kind, block });
}

/** A text that was found; when there are too many, the walk is full. */
export function addFound(document: Document, node: JsonNode, shape: Shape, place: Place, value: string): void {
  const { walk, host } = document;
  if (!walk.isStream && walk.texts.length >= limits.bodyTextsMax) {
    walk.isFull = true;
    return;
  }
  walk.texts.push({
    pointer: place.pointer,
    role: place.role,
    kind: kindOf(shape, place),
    text: value,
    start: node.start,
    end: node.end,
    host,
    scope: place.scope,
    isRunning: shape.isRunning,
    isJson: shape.leaf === 'json',
    isSealed: place.isSealed,
    block: place.block,
  });
}

/** A sealed block, as the element or member at `position`. */
export function addBlock(
  walk: Walking,
  { node: list, place }: OpenArray | OpenObject,
  position: number,
  kind: SealedKind,
): void {
  const { scope, block: within } = place;
  walk.blocks.push({ kind, list, position, around: listAround(walk, list), within, scope });
}

/** The nearest list around this one, if its elements go when they are emptied: it is the next array on the stack. */
function listAround(walk: Walking, list: JsonNode): SealedBlock['around'] {
  if (list.type !== 'array') return null;
  for (let at = walk.open.length - 1; at >= 0; at--) {
    const open = walk.open[at];
    if (open?.kind !== 'array' || open.node === list) continue;
    return open.shape.goesWhenEmptied ? { list: open.node, position: open.at - 1 } : null;
  }
  return null;
}

/** What a text is: whatever a tool says is its result. */
export function kindOf(shape: Shape, place: Place): SegmentKind {
  return place.role === 'tool' && shape.kind === 'text' ? 'tool_result' : shape.kind;
}
