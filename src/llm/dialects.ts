import { createA2a } from './a2a.ts';
import { createAnthropicMessages } from './anthropic-messages.ts';
import { createBedrock } from './bedrock.ts';
import { createCohere } from './cohere.ts';
import type { Dialect, RouteFacts } from './dialect.ts';
import { createForm } from './form.ts';
import { createGenericJson } from './generic-json.ts';
import { createGenericText, createOpaqueBody } from './generic-text.ts';
import { createGoogleGenerate } from './google-generate.ts';
import { createMcp } from './mcp.ts';
import { createOllama } from './ollama.ts';
import { createOpenAiAudio } from './openai-audio.ts';
import { createOpenAiChat } from './openai-chat.ts';
import { createOpenAiCompletions } from './openai-completions.ts';
import { createOpenAiEmbeddings } from './openai-embeddings.ts';
import { createOpenAiImages } from './openai-images.ts';
import { createOpenAiModerations } from './openai-moderations.ts';
import { createOpenAiResponses } from './openai-responses.ts';
import { routePath } from './route-path.ts';

/** Picks the dialect of a request. */
export type SelectDialect = (route: RouteFacts, contentType: string | null) => Dialect;

/** What an operator says: below this path, this dialect speaks. */
export interface DialectRoute {
  readonly pathPrefix: string;
  /** Id of a dialect. */
  readonly dialect: string;
}

/** Every provider's dialect, in the order in which they are asked: the first that matches speaks. */
export function createProviderDialects(): readonly Dialect[] {
  return [
    createOpenAiChat(),
    createOpenAiResponses(),
    createOpenAiCompletions(),
    // Before OpenAI's embeddings, whose path is the end of its own.
    createOllama(),
    createOpenAiEmbeddings(),
    createOpenAiImages(),
    createOpenAiModerations(),
    createOpenAiAudio(),
    createAnthropicMessages(),
    createGoogleGenerate(),
    createCohere(),
    createBedrock(),
    createMcp(),
    createA2a(),
  ];
}

/** What reads the bodies of all others, by their media type. */
export interface FallbackDialects {
  readonly form: Dialect;
  readonly json: Dialect;
  readonly text: Dialect;
  readonly opaque: Dialect;
}

export function createFallbackDialects(): FallbackDialects {
  return { form: createForm(), json: createGenericJson(), text: createGenericText(), opaque: createOpaqueBody() };
}

/** The dialects that a configured route may name. */
export function createRoutableDialects(): readonly Dialect[] {
  const { form, json, text } = createFallbackDialects();
  return [...createProviderDialects(), form, json, text];
}

/**
 * The longest configured prefix decides. Else the first dialect whose path (or headers) matches speaks, whatever the media type: a
 * provider does not ask for it either, and a body that is not of that dialect is then an error, not a blind spot. Elsewhere the media
 * type tells JSON, forms, text and the rest apart; no media type is JSON. The model's name is never asked. Throws when a route names no
 * dialect.
 */
export function createDialects(routes: readonly DialectRoute[] = []): SelectDialect {
  const known = createProviderDialects();
  const { form, json, text, opaque } = createFallbackDialects();
  const routable = createRoutableDialects();
  const configured = routes
    .map(({ pathPrefix, dialect: id }) => {
      const dialect = routable.find((candidate) => candidate.id === id);
      if (dialect === undefined) throw new Error(`the route ${pathPrefix} names an unknown dialect: ${id}`);
      return { pathPrefix, dialect };
    })
    .sort((a, b) => b.pathPrefix.length - a.pathPrefix.length);
  return (route, contentType) => {
    const path = routePath(route.path);
    const told = configured.find(({ pathPrefix }) => path.startsWith(pathPrefix));
    if (told !== undefined) return told.dialect;
    const match = known.find((dialect) => dialect.matches(route));
    if (match !== undefined) return match;
    const mediaType = (contentType ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
    if (mediaType === '' || /^(application\/json|.+\+json)$/.test(mediaType)) return json;
    if (mediaType === 'application/x-www-form-urlencoded' || mediaType === 'multipart/form-data') return form;
    return mediaType.startsWith('text/') ? text : opaque;
  };
}
