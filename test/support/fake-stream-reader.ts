import { ok } from '../../src/lib/result.ts';
import type { EventDelta, EventDependent, EventText, StreamReader } from '../../src/llm/dialect.ts';
import { parseJson } from '../../src/llm/json-parser.ts';
import { type JsonNode, memberOf, stringOf } from '../../src/llm/json-source.ts';

/**
 * The plainest of dialects. An event is a JSON object, all members optional: `text` and `args` are objects of running texts by key
 * (args: fragments of JSON), `whole` a string, `copy` a whole that is JSON, `logprobs` an object of values by the key that they
 * depend on, `close` a list of keys, `end: true` the last event.
 */
export function createFakeStreamReader(): StreamReader {
  return {
    read: (payload) => {
      const parsed = parseJson(payload);
      if (!parsed.ok) return parsed;
      const root = parsed.value;
      const deltas = [...deltasOf(payload, root, 'text'), ...deltasOf(payload, root, 'args')];
      return ok({
        deltas: deltas.sort((a, b) => a.start - b.start),
        wholes: [...wholeOf(payload, root, 'whole'), ...wholeOf(payload, root, 'copy')],
        closes: itemsOf(memberOf(root, 'close')).map((item) => (item.type === 'string' ? stringOf(payload, item) : '')),
        closesAll: memberOf(root, 'end') !== undefined,
        dependents: membersOf(memberOf(root, 'logprobs')).map(
          ({ name, value }): EventDependent => ({ key: name, start: value.start, end: value.end, source: 'null' }),
        ),
        uninspected: memberOf(root, 'image') ? [{ pointer: '/image', kind: 'image' }] : [],
      });
    },
  };
}

function deltasOf(payload: string, root: JsonNode, member: 'text' | 'args'): EventDelta[] {
  return membersOf(memberOf(root, member)).flatMap(({ name, value }) =>
    value.type === 'string' ? [{ ...textAt(payload, value, member === 'args'), key: `${member}.${name}` }] : [],
  );
}

function wholeOf(payload: string, root: JsonNode, member: 'whole' | 'copy'): EventText[] {
  const value = memberOf(root, member);
  return value?.type === 'string' ? [textAt(payload, value, member === 'copy')] : [];
}

function textAt(payload: string, node: JsonNode & { readonly type: 'string' }, json: boolean): EventText {
  return { start: node.start, end: node.end, text: stringOf(payload, node), role: 'assistant', kind: 'text', json };
}

function membersOf(node: JsonNode | undefined) {
  return node?.type === 'object' ? node.members : [];
}

function itemsOf(node: JsonNode | undefined) {
  return node?.type === 'array' ? node.items : [];
}
