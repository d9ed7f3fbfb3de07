import type { Dialect, RouteFacts } from './dialect.ts';
import { readJsonBody, type Summary } from './json-body.ts';
import { jsonRpcErrors, methodOf } from './json-rpc.ts';
import { type JsonNode, memberOf, stringMember } from './json-source.ts';
import { type Endings, noEndings, openJsonStream } from './json-stream.ts';
import { createMcpShape } from './mcp-shapes.ts';
import { routePath } from './route-path.ts';

/**
 * The Model Context Protocol over streamable HTTP, known by its headers or by a path that ends in `/mcp`. Calls, results, prompts, resources,
 * sampling and elicitation are read; every text comes whole. The operation is the method that is called.
 */
export function createMcp(): Dialect {
  const sent = createMcpShape('user');
  const received = createMcpShape('tool');
  return {
    ...jsonRpcErrors,
    id: 'mcp',
    matches: (route) =>
      route.header('mcp-protocol-version') !== null ||
      route.header('mcp-session-id') !== null ||
      routePath(route.path).endsWith('/mcp'),
    readRequest: (body, route) => readJsonBody(body, sent, (source, root) => summarize(source, root, route)),
    readResponse: (body) => readJsonBody(body, received, (source, root) => summarize(source, root, null)),
    openStream: () => openJsonStream({ shape: received, base: () => '', endings: (): Endings => noEndings }),
  };
}

/** The tool that is called stands for the tools that a request of a model defines. */
function summarize(source: string, root: JsonNode, route: RouteFacts | null): Summary {
  const operation = methodOf(source, root);
  const params = memberOf(root, 'params');
  const tool = operation === 'tools/call' ? stringMember(source, params, 'name') : null;
  return {
    dialect: 'mcp',
    operation,
    model: null,
    stream: false,
    tools: tool === null ? [] : [tool],
    sessionHint: route?.header('mcp-session-id') ?? null,
  };
}
