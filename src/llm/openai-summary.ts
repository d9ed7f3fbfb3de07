import { type JsonNode, memberOf, stringMember } from './json-source.ts';
import { routePath } from './route-path.ts';

/** Azure names the deployment in the path; a model in the body is what OpenAI's own servers go by. */
export function deploymentOf(path: string): string | null {
  const name = /\/openai\/deployments\/([^/]+)\//.exec(routePath(path))?.[1];
  return name === undefined ? null : name.replace(/%2[fF]/g, '/');
}

/** What a request calls its tools, in any of OpenAI's APIs; a tool of the provider's own goes by its type. */
export function toolNames(source: string, tools: JsonNode | undefined): string[] {
  if (tools?.type !== 'array') return [];
  const names: string[] = [];
  for (const tool of tools.items) {
    const name =
      stringMember(source, memberOf(tool, 'function'), 'name') ??
      stringMember(source, memberOf(tool, 'custom'), 'name') ??
      stringMember(source, tool, 'name') ??
      stringMember(source, tool, 'server_label') ??
      stringMember(source, tool, 'type');
    if (name !== null) names.push(name);
  }
  return names;
}
