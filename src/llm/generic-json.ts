import type { Dialect } from './dialect.ts';
import { openAiErrors } from './error-body.ts';
import { readJsonBody, type Summary } from './json-body.ts';
import { type JsonNode, memberOf, stringMember } from './json-source.ts';
import { noEndings, openJsonStream } from './json-stream.ts';
import { free, type Shape } from './shape.ts';

/**
 * Any JSON: the fallback. Every string leaf is a text of kind `other`, spoken by whom the nearest `role` names. In a stream a leaf
 * continues the one at the same place in the event before, because that is how all known dialects tell a text in pieces;
 * only what names things (`id`, `type`, `model`, …) is complete in itself.
 */
export function createGenericJson(): Dialect {
  const shape = free('other', { role: 'member' });
  const pieces = free('other', {
    role: 'member',
    isRunning: true,
    elementKey: 'index',
    members: new Map(wholeMembers),
  });
  return {
    ...openAiErrors,
    id: 'json',
    matches: () => true,
    readRequest: (body) => readJsonBody(body, shape, summarize),
    readResponse: (body) => readJsonBody(body, shape, summarize),
    openStream: () => openJsonStream({ shape: pieces, base: () => '', endings: () => noEndings }),
  };
}

const wholeMembers: readonly (readonly [string, Shape])[] = [
  'id',
  'object',
  'type',
  'event',
  'model',
  'role',
  'status',
  'created',
  'created_at',
  'finish_reason',
  'stop_reason',
].map((name) => [name, free('other')]);

function summarize(source: string, root: JsonNode): Summary {
  return {
    dialect: 'json',
    operation: 'unknown',
    model: stringMember(source, root, 'model'),
    stream: memberOf(root, 'stream')?.type === 'true',
    tools: [],
    sessionHint: stringMember(source, memberOf(root, 'metadata'), 'session_id'),
  };
}
