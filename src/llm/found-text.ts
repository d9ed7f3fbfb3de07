import type { Role, SealedKind, SegmentKind, Uninspected } from './conversation.ts';
import type { JsonArrayNode, JsonObjectNode } from './json-source.ts';

/** A text of a JSON document, with the place to write another one to. */
export interface FoundText {
  /** RFC 6901 pointer, see `keyToken` for its one departure; in a stream the key of the running text. */
  readonly pointer: string;
  readonly role: Role;
  readonly kind: SegmentKind;
  readonly text: string;
  /** Place of the value (quotes included) in the source, or in the host's inner source. */
  readonly start: number;
  readonly end: number;
  readonly host: Host | null;
  /** Identity of the enclosing scope; -1: none. */
  readonly scope: number;
  readonly isRunning: boolean;
  /** The string should hold a JSON document and was not opened. */
  readonly isJson: boolean;
  /** Signed by the provider: must be written back as it is. */
  readonly isSealed: boolean;
  /** Kind of the sealed block in which it stands; null: in none. */
  readonly block: SealedKind | null;
}

/** A string that holds a JSON document whose own leaves were found. */
export interface Host {
  readonly parent: Host | null;
  readonly depth: number;
  /** Place of the string in the parent's source. */
  readonly start: number;
  readonly end: number;
  /** The decoded string. */
  readonly source: string;
}

/** A value to overwrite when a text of its scope changed. */
export interface Repeat {
  readonly start: number;
  readonly end: number;
  readonly source: string;
  readonly scope: number;
  /** Pointer of the scope. */
  readonly within: string;
  /** It is about all of the scope's text so far, not about the piece in the same event. */
  readonly isCumulative: boolean;
  /** It tells the text again, and is not only about it. */
  readonly isTelling: boolean;
}

/** A sealed block, by its place among its siblings. */
export interface SealedBlock {
  readonly kind: SealedKind;
  readonly list: JsonArrayNode | JsonObjectNode;
  readonly position: number;
  /** The element of another list that goes when all of `list` goes; null: none does. */
  readonly around: { readonly list: JsonArrayNode; readonly position: number } | null;
  /** Kind of the sealed block in which it stands; null: in none. */
  readonly within: SealedKind | null;
  readonly scope: number;
}

export interface Walk {
  readonly texts: readonly FoundText[];
  readonly blocks: readonly SealedBlock[];
  readonly uninspected: readonly Uninspected[];
  readonly repeats: readonly Repeat[];
  /** There are more texts than `limits.bodyTextsMax`; those beyond were not looked for. */
  readonly isFull: boolean;
}
