/** Who a text speaks for. `unknown` where the body does not say. */
export type Role = 'system' | 'developer' | 'user' | 'assistant' | 'tool' | 'unknown';

/** What kind of place a text stands in. */
export type SegmentKind =
  | 'text'
  | 'reasoning'
  | 'refusal'
  | 'tool_arguments'
  | 'tool_result'
  | 'tool_definition'
  | 'metadata'
  | 'other';

/**
 * A block of a message that its provider made to be handed back as it is: `signed` (reasoning with a signature over it) or `encrypted` (what only
 * the provider can read). Nothing in it is ever changed, but policy may have the block left out whole.
 */
export type SealedKind = 'signed' | 'encrypted';

/** How many sealed blocks of a kind were left out. */
export interface OmittedCount {
  readonly kind: SealedKind;
  readonly count: number;
}

/** One addressable text of a body: a decoded JSON string leaf (or a leaf inside a JSON string). */
export interface Segment {
  /** RFC 6901 pointer. A leaf inside a string that itself holds JSON is `<pointer of the string>#<pointer inside>`. */
  readonly pointer: string;
  readonly role: Role;
  readonly kind: SegmentKind;
  readonly text: string;
  /** Signed by the provider, which verifies it when it comes back: `rewrite` leaves it alone whatever it is told. */
  readonly isSealed?: true;
  /** Stands in a sealed block of this kind, and goes where that goes. */
  readonly block?: SealedKind;
}

/** A part that cannot be read: handed to policy and recorded, never silently treated as text-free. */
export interface Uninspected {
  readonly pointer: string;
  readonly kind:
    | 'image'
    | 'audio'
    | 'file'
    | 'token_ids'
    | 'server_history'
    | 'signed'
    | 'encrypted'
    | 'binary'
    | 'body'
    | 'recogniser'
    | 'unknown';
  /** Stands in a sealed block of this kind. */
  readonly block?: SealedKind;
}

/** A body of any provider, as what policy and detection need of it. */
export interface Conversation {
  /** Id of the dialect that read it: `openai.chat`, `anthropic.messages`, `json` (fallback), … */
  readonly dialect: string;
  /** What is asked: `chat`, `completion`, `embedding`, …; `unknown` for the fallback. */
  readonly operation: string;
  readonly model: string | null;
  /** Whether the caller asked for a streamed answer. */
  readonly stream: boolean;
  readonly segments: readonly Segment[];
  /** Names of the tools that the request defines. */
  readonly tools: readonly string[];
  readonly uninspected: readonly Uninspected[];
  /** Session as the body tells it (metadata.session_id, previous ids …), or null. */
  readonly sessionHint: string | null;
}

export const emptyConversation: Conversation = {
  dialect: 'none',
  operation: 'unknown',
  model: null,
  stream: false,
  segments: [],
  tools: [],
  uninspected: [],
  sessionHint: null,
};
