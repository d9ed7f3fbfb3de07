import { limits } from '../lib/limits.ts';
import { err, ok, type Result } from '../lib/result.ts';
import { type Conversation, emptyConversation, type Segment } from './conversation.ts';
import type { BodyError, ParsedBody } from './dialect.ts';
import { applyEdits, type Edit, isAsciiStyle, jsonString } from './json-edit.ts';
import { createJsonBudget, decodeUtf8, type JsonNode, parseJson } from './json-source.ts';
import type { Shape } from './shape.ts';
import { type FoundText, type Host, type Walk, walkBody } from './walk.ts';

/** What a dialect knows of a body beside its texts. */
export type Summary = Omit<Conversation, 'segments' | 'uninspected'>;

/**
 * Reads a JSON body by a shape, which may be chosen by what the body holds; an empty body says nothing. More than `limits.bodyTextsMax` texts
 * are `too_many_values`. `rewrite` splices the replacements
 * into the source, strings inside strings included, drops what repeats a changed text (shape `repeats`), and leaves every other byte
 * alone. Texts sealed by a signature are not changed.
 */
export function readJsonBody(
  body: Buffer,
  shape: Shape | ((source: string, root: JsonNode) => Shape),
  summarize: (source: string, root: JsonNode) => Summary,
): Result<ParsedBody, BodyError> {
  if (body.length === 0) return ok({ conversation: emptyConversation, rewrite: () => body });
  const source = decodeUtf8(body);
  if (!source.ok) return source;
  const budget = createJsonBudget();
  const root = parseJson(source.value, budget);
  if (!root.ok) return err(root.error);
  const chosen = typeof shape === 'function' ? shape(source.value, root.value) : shape;
  const walk = walkBody(source.value, root.value, chosen, budget);
  if (walk.isFull) {
    return err({ kind: 'too_many_values', message: `the body has more than ${limits.bodyTextsMax} texts` });
  }
  return ok({
    conversation: {
      ...summarize(source.value, root.value),
      segments: walk.texts.map(segmentOf),
      uninspected: walk.uninspected,
    },
    rewrite: (replacements) => {
      const edits = editsOf(walk, source.value, replacements);
      return edits.length === 0 ? body : Buffer.from(applyEdits(source.value, edits), 'utf8');
    },
  });
}

function segmentOf({ pointer, role, kind, text, isSealed }: FoundText): Segment {
  return isSealed ? { pointer, role, kind, text, isSealed } : { pointer, role, kind, text };
}

function editsOf(walk: Walk, source: string, replacements: ReadonlyMap<number, string>): Edit[] {
  const byHost = new Map<Host | null, Edit[]>([[null, []]]);
  const changedScopes = new Set<number>();
  for (const [index, replacement] of replacements) {
    const found = walk.texts[index];
    if (found === undefined || found.isSealed || found.text === replacement) continue;
    changedScopes.add(found.scope);
    editsIn(byHost, found.host).push(splice(found.host?.source ?? source, found, replacement));
  }
  // Innermost first: the edits inside a string make one edit of the string that holds it.
  const hosts = [...byHost.keys()].filter((host) => host !== null).sort((a, b) => b.depth - a.depth);
  for (const host of hosts) {
    const inner = applyEdits(host.source, byHost.get(host) ?? []);
    editsIn(byHost, host.parent).push(splice(host.parent?.source ?? source, host, inner));
  }
  const edits = byHost.get(null) ?? [];
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

function splice(source: string, place: { readonly start: number; readonly end: number }, text: string): Edit {
  const isAscii = isAsciiStyle(source.slice(place.start, place.end));
  return { start: place.start, end: place.end, source: jsonString(text, isAscii) };
}
