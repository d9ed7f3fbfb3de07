import type { Role, SealedKind, SegmentKind, Uninspected } from './conversation.ts';
import type { JsonNode } from './json-source.ts';

/**
 * What a string is, by the place in which it stands:
 * - `text` is read and may be rewritten.
 * - `json` is text that should hold a JSON document (tool-call arguments).
 * - `name` is a word of the protocol (role, type, finish reason), `id` an identifier or a model's name. Neither is read while
 *   it looks the part; anything else found there is text, so that no field is a blind spot.
 * - `media` is a payload or the address of one: reported as uninspected; read too unless it is Base64.
 * - `sealed` is a signature or a ciphertext: never read, never touched.
 * - `repeat` is a value that repeats text of its scope piece by piece (log probabilities): it is not read, and overwritten
 *   with `repeats` when a text of that scope changed.
 * - `offset` is a position in the text of its scope, or a list made of that text (token ids): as `repeat`, and in a stream it is
 *   about all that has run so far, not about the piece beside it.
 */
export type Leaf = 'text' | 'json' | 'name' | 'id' | 'media' | 'sealed' | 'repeat' | 'offset';

/**
 * Whether an element of a list is a sealed block, by its type alone wherever a stream tells no more than that at the block's beginning: so that the
 * same blocks go whether an answer is streamed or not.
 */
export type SealOf = (source: string, element: JsonNode) => SealedKind | null;

/**
 * Where the text lives in a provider's JSON, as data. A shape describes a value of any type: a string is taken as `leaf`, an
 * array's elements have the array's own shape, an object's members have the shape that `members` or else `rest` gives. So every
 * string of a body has exactly one shape, and one that nobody thought of is text.
 */
export interface Shape {
  readonly leaf: Leaf;
  readonly kind: SegmentKind;
  /**
   * How a part that cannot be read is reported: `media`, `sealed`, `id`s that stand for content kept elsewhere, and a list of numbers
   * where a text should stand.
   */
  readonly uninspected: Uninspected['kind'] | null;
  readonly members: ReadonlyMap<string, Shape>;
  /** Shapes of an object whose member `variantBy` says this; all others keep this one. A lie changes labels, not what is read. */
  readonly variants: ReadonlyMap<string, Shape>;
  /** Name of a member that is a string, or a flag (then the variant is called `true`). */
  readonly variantBy: string;
  /** Shape of members that `members` does not name; null: this shape itself. */
  readonly rest: Shape | null;
  /**
   * Who speaks from here on down; `member`: the sibling `role` says; `member or user`: the same, and where it does not say, the user;
   * null: whoever spoke above.
   */
  readonly role: Role | 'member' | 'member or user' | null;
  /** In a stream: the string continues a running text. */
  readonly isRunning: boolean;
  /**
   * In a stream: elements are named by this member of theirs (`index`), not by where they stand; '': by nothing, because the lists of
   * all events are one list whose texts run on.
   */
  readonly elementKey: string | null;
  /** In a stream: what stands for the member's name in a running text's key; '': nothing does. */
  readonly token: string | null;
  /** The value bounds what a `repeats` inside of it repeats. */
  readonly isScope: boolean;
  /** JSON source that takes the value's place when a text of its scope changed; null: the value repeats nothing. */
  readonly repeats: string | null;
  /** Sibling whose presence (a signature) forbids to change the text; null: none. */
  readonly sealedBy: string | null;
  /** Of a list: which of its elements are sealed blocks; null: none. */
  readonly sealOf: SealOf | null;
  /** Of a list: an element goes too when all blocks of a list in it go. */
  readonly goesWhenEmptied: boolean;
  /** Of a member: it is sealed, and seals nothing but itself. Where such are left out, it goes and its siblings stay. */
  readonly sealedAlone: SealedKind | null;
}

const none: ReadonlyMap<string, Shape> = new Map();

/** Text of one kind wherever it stands below: free-form objects, and the fate of all that no rule names (`other`). */
export function free(kind: SegmentKind, given: Partial<Shape> = {}): Shape {
  return {
    leaf: 'text',
    kind,
    uninspected: null,
    members: none,
    variants: none,
    variantBy: 'type',
    rest: null,
    role: null,
    isRunning: false,
    elementKey: null,
    token: null,
    isScope: false,
    repeats: null,
    sealedBy: null,
    sealOf: null,
    goesWhenEmptied: false,
    sealedAlone: null,
    ...given,
  };
}

export const other: Shape = free('other');

/** A value that repeats text of its scope, piece by piece or as positions in it: `source` takes its place when that changed. */
export function repeating(leaf: 'repeat' | 'offset', source: string, given: Partial<Shape> = {}): Shape {
  return free('other', { rest: other, leaf, repeats: source, ...given });
}

/** A string (or parts) of one kind, with the members of an object named and everything else below it `other`. */
export function text(kind: SegmentKind, given: Partial<Shape> = {}): Shape {
  return free(kind, { rest: other, ...given });
}

/** An object whose members are named; all others, and a string in its place, are `other`. */
export function object(members: Readonly<Record<string, Shape>>, given: Partial<Shape> = {}): Shape {
  return text('other', { members: new Map(Object.entries(members)), ...given });
}

export const name: Shape = text('other', { leaf: 'name' });
export const id: Shape = text('other', { leaf: 'id' });

/** A payload, or the address of one. */
export function media(uninspected: Uninspected['kind'], kind: SegmentKind = 'other'): Shape {
  return text(kind, { leaf: 'media', uninspected });
}

/** An id that stands for content which the provider keeps. */
export function reference(uninspected: Uninspected['kind']): Shape {
  return text('other', { leaf: 'id', uninspected });
}

export const signature: Shape = text('other', { leaf: 'sealed', uninspected: 'signed' });
export const ciphertext: Shape = text('other', { leaf: 'sealed', uninspected: 'encrypted' });

/** JSON Schema, as tools and response formats carry it: its keywords' words are not text, descriptions and values are. */
export function jsonSchema(kind: SegmentKind): Shape {
  const keyword = text(kind, { leaf: 'name' });
  const members = new Map<string, Shape>();
  const schema = free(kind, { members });
  const properties = free(kind, { rest: schema });
  for (const word of ['type', 'format', '$ref', '$schema', 'required', 'additionalProperties']) {
    members.set(word, { ...keyword, rest: schema });
  }
  for (const word of ['properties', 'patternProperties', '$defs', 'definitions']) members.set(word, properties);
  return schema;
}
