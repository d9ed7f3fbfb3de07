import { readFileSync } from 'node:fs';
import { createA2a } from '../../src/llm/a2a.ts';
import { createAnthropicMessages } from '../../src/llm/anthropic-messages.ts';
import { createBedrock } from '../../src/llm/bedrock.ts';
import { createCohere } from '../../src/llm/cohere.ts';
import type { Dialect, StreamFraming } from '../../src/llm/dialect.ts';
import { createForm } from '../../src/llm/form.ts';
import { createGenericJson } from '../../src/llm/generic-json.ts';
import { createGoogleGenerate } from '../../src/llm/google-generate.ts';
import { createMcp } from '../../src/llm/mcp.ts';
import { createOllama } from '../../src/llm/ollama.ts';
import { createOpenAiAudio } from '../../src/llm/openai-audio.ts';
import { createOpenAiChat } from '../../src/llm/openai-chat.ts';
import { createOpenAiCompletions } from '../../src/llm/openai-completions.ts';
import { createOpenAiEmbeddings } from '../../src/llm/openai-embeddings.ts';
import { createOpenAiImages } from '../../src/llm/openai-images.ts';
import { createOpenAiModerations } from '../../src/llm/openai-moderations.ts';
import { createOpenAiResponses } from '../../src/llm/openai-responses.ts';
import { encodeFrames, readableFrames } from './eventstream.ts';

/** A body or a transcript of a provider in test/cases/llm, as `<name>.golden.<extension>`. */
interface LlmCase {
  readonly name: string;
  readonly create: () => Dialect;
}

export interface BodyCase extends LlmCase {
  /** Of a request; null: the body is a response. */
  readonly path: string | null;
  readonly headers?: Readonly<Record<string, string>>;
  readonly extension?: string;
}

export interface StreamCase extends LlmCase {
  readonly framing: Exclude<StreamFraming, 'text'>;
  readonly extension: string;
}

/** All of them contain the values of `sensitive`, in every place that a text can have. */
export const bodyCases: readonly BodyCase[] = [
  { name: 'openai-chat.request', create: createOpenAiChat, path: '/v1/chat/completions' },
  { name: 'openai-chat.response', create: createOpenAiChat, path: null },
  { name: 'openai-responses.request', create: createOpenAiResponses, path: '/v1/responses' },
  { name: 'openai-responses.response', create: createOpenAiResponses, path: null },
  { name: 'openai-completions.request', create: createOpenAiCompletions, path: '/v1/completions' },
  { name: 'openai-completions.response', create: createOpenAiCompletions, path: null },
  { name: 'openai-embeddings.request', create: createOpenAiEmbeddings, path: '/v1/embeddings' },
  { name: 'openai-embeddings.response', create: createOpenAiEmbeddings, path: null },
  { name: 'openai-images.request', create: createOpenAiImages, path: '/v1/images/generations' },
  { name: 'openai-images.response', create: createOpenAiImages, path: null },
  { name: 'openai-moderations.request', create: createOpenAiModerations, path: '/v1/moderations' },
  { name: 'openai-moderations.response', create: createOpenAiModerations, path: null },
  { name: 'openai-transcription.response', create: createOpenAiAudio, path: null },
  { name: 'openai-speech.request', create: createOpenAiAudio, path: '/v1/audio/speech' },
  { name: 'anthropic-messages.request', create: createAnthropicMessages, path: '/v1/messages?beta=true' },
  { name: 'anthropic-messages.response', create: createAnthropicMessages, path: null },
  {
    name: 'google-generate.request',
    create: createGoogleGenerate,
    path: '/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse',
  },
  { name: 'google-generate.response', create: createGoogleGenerate, path: null },
  { name: 'google-embed.request', create: createGoogleGenerate, path: '/v1/models/g:batchEmbedContents' },
  { name: 'ollama-chat.request', create: createOllama, path: '/api/chat' },
  { name: 'ollama-chat.response', create: createOllama, path: null },
  { name: 'ollama-generate.request', create: createOllama, path: '/api/generate' },
  { name: 'ollama-embed.request', create: createOllama, path: '/api/embed' },
  { name: 'cohere-chat.request', create: createCohere, path: '/v2/chat' },
  { name: 'cohere-chat.response', create: createCohere, path: null },
  { name: 'cohere-rerank.request', create: createCohere, path: '/v2/rerank' },
  { name: 'cohere-rerank.response', create: createCohere, path: null },
  { name: 'cohere-embed.request', create: createCohere, path: '/v2/embed' },
  { name: 'cohere-embed.response', create: createCohere, path: null },
  { name: 'bedrock-converse.request', create: createBedrock, path: '/model/m/converse' },
  { name: 'bedrock-converse.response', create: createBedrock, path: null },
  { name: 'bedrock-invoke-anthropic.request', create: createBedrock, path: '/model/m/invoke' },
  { name: 'bedrock-invoke-anthropic.response', create: createBedrock, path: null },
  { name: 'bedrock-invoke-native.request', create: createBedrock, path: '/model/m/invoke' },
  { name: 'bedrock-invoke-native.response', create: createBedrock, path: null },
  { name: 'mcp-call.request', create: createMcp, path: '/mcp', headers: { 'mcp-session-id': 's-5' } },
  { name: 'mcp-batch.request', create: createMcp, path: '/mcp' },
  { name: 'mcp-call.response', create: createMcp, path: null },
  { name: 'a2a-message.request', create: createA2a, path: '/a2a' },
  { name: 'a2a-task.response', create: createA2a, path: null },
  {
    name: 'form-urlencoded.request',
    create: createForm,
    path: '/anything',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    extension: 'form',
  },
  {
    name: 'form-multipart.request',
    create: createOpenAiAudio,
    path: '/v1/audio/transcriptions',
    headers: { 'content-type': 'multipart/form-data; boundary=XcountersignX' },
    extension: 'multipart',
  },
  { name: 'generic-json.request', create: createGenericJson, path: '/anything' },
];

export const streamCases: readonly StreamCase[] = [
  { name: 'openai-chat.stream', create: createOpenAiChat, framing: 'sse', extension: 'sse' },
  { name: 'openai-responses.stream', create: createOpenAiResponses, framing: 'sse', extension: 'sse' },
  { name: 'openai-completions.stream', create: createOpenAiCompletions, framing: 'sse', extension: 'sse' },
  { name: 'openai-images.stream', create: createOpenAiImages, framing: 'sse', extension: 'sse' },
  { name: 'anthropic-messages.stream', create: createAnthropicMessages, framing: 'sse', extension: 'sse' },
  { name: 'anthropic-batch-results.stream', create: createAnthropicMessages, framing: 'ndjson', extension: 'jsonl' },
  { name: 'openai-transcription.stream', create: createOpenAiAudio, framing: 'sse', extension: 'sse' },
  { name: 'google-generate.stream', create: createGoogleGenerate, framing: 'sse', extension: 'sse' },
  { name: 'google-generate.stream', create: createGoogleGenerate, framing: 'json-array', extension: 'json' },
  { name: 'ollama-chat.stream', create: createOllama, framing: 'ndjson', extension: 'ndjson' },
  { name: 'ollama-generate.stream', create: createOllama, framing: 'ndjson', extension: 'ndjson' },
  { name: 'cohere-chat.stream', create: createCohere, framing: 'sse', extension: 'sse' },
  { name: 'bedrock-converse.stream', create: createBedrock, framing: 'eventstream', extension: 'jsonl' },
  { name: 'bedrock-invoke-anthropic.stream', create: createBedrock, framing: 'eventstream', extension: 'jsonl' },
  { name: 'bedrock-invoke-native.stream', create: createBedrock, framing: 'eventstream', extension: 'jsonl' },
  { name: 'mcp.stream', create: createMcp, framing: 'sse', extension: 'sse' },
  { name: 'a2a.stream', create: createA2a, framing: 'sse', extension: 'sse' },
  { name: 'generic-json.stream', create: createGenericJson, framing: 'sse', extension: 'sse' },
];

/** Transcripts with sealed blocks of each kind, before, between and behind others. */
export const sealedStreamCases: readonly StreamCase[] = [
  { name: 'openai-chat-sealed.stream', create: createOpenAiChat, framing: 'sse', extension: 'sse' },
  { name: 'openai-responses-sealed.stream', create: createOpenAiResponses, framing: 'sse', extension: 'sse' },
  { name: 'anthropic-sealed.stream', create: createAnthropicMessages, framing: 'sse', extension: 'sse' },
  { name: 'anthropic-batch-results.stream', create: createAnthropicMessages, framing: 'ndjson', extension: 'jsonl' },
  { name: 'google-sealed.stream', create: createGoogleGenerate, framing: 'sse', extension: 'sse' },
  { name: 'google-sealed.stream', create: createGoogleGenerate, framing: 'json-array', extension: 'json' },
  { name: 'bedrock-converse-sealed.stream', create: createBedrock, framing: 'eventstream', extension: 'jsonl' },
  { name: 'bedrock-invoke-sealed.stream', create: createBedrock, framing: 'eventstream', extension: 'jsonl' },
  { name: 'bedrock-invoke-nova.stream', create: createBedrock, framing: 'eventstream', extension: 'jsonl' },
];

const folder = new URL('../cases/llm/', import.meta.url);

/** Path of the golden file that holds what `what` (`read`, `masked`, `written`) says, or the case itself for ''. */
export function caseFile(name: string, what: string, extension: string): string {
  return new URL(`${name}${what === '' ? '' : `.${what}`}.golden.${extension}`, folder).pathname;
}

export function bodyOf({ name, extension = 'json' }: BodyCase): Buffer {
  return readFileSync(caseFile(name, '', extension));
}

/** The bytes of the stream; binary frames are made of lines. */
export function streamOf({ name, framing, extension }: StreamCase): Buffer {
  const file = readFileSync(caseFile(name, '', extension));
  return framing === 'eventstream' ? encodeFrames(file.toString('utf8')) : file;
}

/** Bytes of the stream as people read them. */
export function readable({ framing }: StreamCase, bytes: Buffer): string {
  return framing === 'eventstream' ? readableFrames(bytes) : bytes.toString('utf8');
}
