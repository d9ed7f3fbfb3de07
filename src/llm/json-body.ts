import { limits } from '../lib/limits.ts';
import { err, ok, type Result } from '../lib/result.ts';
import type { Sliced } from '../lib/slices.ts';
import { type Conversation, emptyConversation, type SealedKind, type Segment } from './conversation.ts';
import type { BodyError, ParsedBody } from './dialect.ts';
import type { FoundText, Host, Walk } from './found-text.ts';
import { type Edit, editedParts } from './json-edit.ts';
import { createJsonParser } from './json-parser.ts';
import { createJsonBudget, type JsonBudget, type JsonNode } from './json-source.ts';
import { escaping, isAsciiStyle, jsonString, judgingStyle } from './json-string.ts';
import { countBlocks, omitBlocks } from './sealed-blocks.ts';
import type { Shape } from './shape.ts';
import { decodingUtf8, encodingUtf8 } from './utf8.ts';
import { walkBody } from './walk.ts';

/** What a dialect knows of a body beside its texts. */
export type Summary = Omit<Conversation, 'segments' | 'uninspected'>;

/**
 * Reads a JSON body by a shape, which may be chosen by what the body holds; an empty body says nothing. More than `limits.bodyTextsMax` texts
 * are `too_many_values`. `rewrite` splices the replacements
 * into the source, strings inside strings included, drops what repeats a changed text (shape `repeats`), and leaves every other byte
 * alone. Texts sealed by a signature are not changed.
 */
export function* readJsonBody(
  body: Buffer,
  shape: Shape | ((source: string, root: JsonNode) => Shape),
  summarize: (source: string, root: JsonNode) => Summary,
): Sliced<Result<ParsedBody, BodyError>> {
  if (body.length === 0) return ok({ conversation: emptyConversation, rewrite: () => unchanged(body) });
  const source = yield* decodingUtf8(body);
  if (!source.ok) return source;
  const budget = createJsonBudget();
  const root = yield* parsing(source.value, budget);
  if (!root.ok) return root;
  const chosen = typeof shape === 'function' ? shape(source.value, root.value) : shape;
  const walk = yield* walkBody(source.value, root.value, chosen, budget);
  if (walk.isFull) {
    return err({ kind: 'too_many_values', message: `the body has more than ${limits.bodyTextsMax} texts` });
  }
  return ok({
    conversation: {
      // All members are there from the beginning: to add some behind a spread costs microseconds each (V8).
      ...emptyConversation,
      ...summarize(source.value, root.value),
      segments: walk.texts.map(segmentOf),
      uninspected: walk.uninspected,
    },
    rewrite: (replacements, omits = noKinds) => rewriting(body, source.value, walk, replacements, omits),
    omitted: (omits) => countBlocks(walk.blocks, omits),
  });
}

const noKinds: ReadonlySet<SealedKind> = new Set();

/** The answer of a `rewrite` that changes nothing. */
// biome-ignore lint/correctness/useYield: there is nothing to wait for.
export function* unchanged(body: Buffer): Sliced<Buffer> {
  return body;
}

/** Characters that are read between two turns: at most some milliseconds, where every second one is a value. */
const turnChars = 32_768;

function* parsing(source: string, budget: JsonBudget): Sliced<Result<JsonNode, BodyError>> {
  const parser = createJsonParser(source, budget);
  while (!parser.run(turnChars)) yield;
  return parser.result();
}

function* rewriting(
  body: Buffer,
  source: string,
  walk: Walk,
  replacements: ReadonlyMap<number, string>,
  omits: ReadonlySet<SealedKind>,
): Sliced<Buffer> {
  const edits = yield* editsOf(walk, source, replacements, omits);
  return edits.length === 0 ? body : yield* encodingUtf8(editedParts(source, edits));
}

function segmentOf({ pointer, role, kind, text, isSealed, block }: FoundText): Segment {
  const segment = isSealed ? { pointer, role, kind, text, isSealed } : { pointer, role, kind, text };
  return block === null ? segment : { ...segment, block };
}

/** Texts that are written between two turns, however short they are. */
const turnTexts = 256;

function* editsOf(
  walk: Walk,
  source: string,
  replacements: ReadonlyMap<number, string>,
  omits: ReadonlySet<SealedKind>,
): Sliced<Edit[]> {
  const byHost = new Map<Host | null, Edit[]>([[null, []]]);
  const changedScopes = new Set<number>();
  let count = 0;
  for (const [index, replacement] of replacements) {
    const found = walk.texts[index];
    if (found === undefined || found.isSealed || found.text === replacement) continue;
    if (++count % turnTexts === 0) yield;
    changedScopes.add(found.scope);
    const within = found.host?.source ?? source;
    const isShort = found.end - found.start + replacement.length < shortChars;
    const edit = isShort ? splice(within, found, replacement) : yield* splicing(within, found, replacement);
    editsIn(byHost, found.host).push(edit);
  }
  // Innermost first: the edits inside a string make one edit of the string that holds it.
  const hosts = [...byHost.keys()].filter((host) => host !== null).sort((a, b) => b.depth - a.depth);
  for (const host of hosts) {
    const inner = editedParts(host.source, byHost.get(host) ?? []).join('');
    if (++count % turnTexts === 0) yield;
    editsIn(byHost, host.parent).push(yield* splicing(host.parent?.source ?? source, host, inner));
  }
  const edits = byHost.get(null) ?? [];
  if (omits.size > 0) for (const edit of omitBlocks(walk, omits)) edits.push(edit);
  for (const repeat of walk.repeats) if (changedScopes.has(repeat.scope)) edits.push(repeat);
  return edits;
}

/** The edits of a host, whose ancestors are then known as well. */
function editsIn(byHost: Map<Host | null, Edit[]>, host: Host | null): Edit[] {
  if (host !== null) editsIn(byHost, host.parent);
  const edits = byHost.get(host) ?? [];
  byHost.set(host, edits);
  return edits;
}

/** A literal and its replacement are written in one step when they have fewer characters together. */
const shortChars = 65_536;

function splice(source: string, { start, end }: { readonly start: number; readonly end: number }, text: string): Edit {
  return { start, end, source: jsonString(text, isAsciiStyle(source.slice(start, end))) };
}

/** As `splice`. */
function* splicing(
  source: string,
  { start, end }: { readonly start: number; readonly end: number },
  text: string,
): Sliced<Edit> {
  const isAscii = yield* judgingStyle(source.slice(start, end));
  return { start, end, source: yield* escaping(text, isAscii) };
}
