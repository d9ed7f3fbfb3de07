import { createAnthropicMessages } from './anthropic-messages.ts';
import type { Dialect, RouteFacts } from './dialect.ts';
import { createGenericJson } from './generic-json.ts';
import { createGenericText, createOpaqueBody } from './generic-text.ts';
import { createOpenAiChat } from './openai-chat.ts';

/** Picks the dialect of a request. */
export type SelectDialect = (route: RouteFacts, contentType: string | null) => Dialect;

/**
 * The first dialect whose path (or headers) matches speaks, whatever the media type: a provider does not ask for it either, and a
 * body that is not of that dialect is then an error, not a blind spot. Elsewhere the media type tells JSON, text and the rest
 * apart; no media type is JSON. The model's name is never asked.
 */
export function createDialects(): SelectDialect {
  const known: readonly Dialect[] = [createOpenAiChat(), createAnthropicMessages()];
  const json = createGenericJson();
  const text = createGenericText();
  const opaque = createOpaqueBody();
  return (route, contentType) => {
    const match = known.find((dialect) => dialect.matches(route));
    if (match !== undefined) return match;
    const mediaType = (contentType ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
    if (mediaType === '' || /^(application\/json|.+\+json)$/.test(mediaType)) return json;
    return mediaType.startsWith('text/') ? text : opaque;
  };
}
