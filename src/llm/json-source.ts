import { limits } from '../lib/limits.ts';
import { unescapeLiteral } from './json-string.ts';

/**
 * A JSON value with its place in the source: `source.slice(start, end)` is the value as it was written. Offsets are
 * UTF-16 indexes. Nothing is normalised: duplicate members are all there, numbers stay text, strings are decoded on demand.
 */
export type JsonNode = JsonObjectNode | JsonArrayNode | JsonStringNode | JsonNumberNode | JsonLiteralNode;

export interface JsonObjectNode {
  readonly type: 'object';
  readonly start: number;
  readonly end: number;
  /** Every member in the order of the source, duplicates included. */
  readonly members: readonly JsonMember[];
}

export interface JsonMember {
  readonly key: JsonStringNode;
  /** The decoded key. */
  readonly name: string;
  readonly value: JsonNode;
}

export interface JsonArrayNode {
  readonly type: 'array';
  readonly start: number;
  readonly end: number;
  /** Empty where `numbers` says what the array holds. */
  readonly items: readonly JsonNode[];
  /** How many numbers it holds when it holds nothing else and all are small (see `isSmall` in json-parser.ts), else 0: they are not listed. */
  readonly numbers: number;
}

export interface JsonStringNode {
  readonly type: 'string';
  /** Of the opening quote. */
  readonly start: number;
  /** Past the closing quote. */
  readonly end: number;
  readonly escaped: boolean;
}

export interface JsonNumberNode {
  readonly type: 'number';
  readonly start: number;
  readonly end: number;
}

export interface JsonLiteralNode {
  readonly type: 'true' | 'false' | 'null';
  readonly start: number;
  readonly end: number;
}

/** What one body may cost. JSON inside its strings is read out of the same budget. */
export interface JsonBudget {
  readonly depthMax: number;
  /** Counted down by the reader. */
  valuesLeft: number;
}

export function createJsonBudget(): JsonBudget {
  return { depthMax: limits.jsonDepthMax, valuesLeft: limits.jsonValuesMax };
}

/** The decoded value of a string node of this source. */
export function stringOf(source: string, node: JsonStringNode): string {
  return node.escaped
    ? unescapeLiteral(source.slice(node.start, node.end))
    : source.slice(node.start + 1, node.end - 1);
}

/** The member that counts when a name stands twice: the last one, as in every common parser. */
export function memberOf(node: JsonNode | undefined, name: string): JsonNode | undefined {
  if (node?.type !== 'object') return undefined;
  for (let i = node.members.length - 1; i >= 0; i--) {
    const member = node.members[i];
    if (member?.name === name) return member.value;
  }
  return undefined;
}

/** The string that a member holds, or null when it is absent or something else. */
export function stringMember(source: string, node: JsonNode | undefined, name: string): string | null {
  const value = memberOf(node, name);
  return value?.type === 'string' ? stringOf(source, value) : null;
}

/** The number that a member holds, or null when it is absent or something else. */
export function numberMember(source: string, node: JsonNode | undefined, name: string): number | null {
  const value = memberOf(node, name);
  return value?.type === 'number' ? Number(source.slice(value.start, value.end)) : null;
}

/** The member where it is a number, else null. */
export function numberNode(node: JsonNode | undefined, name: string): JsonNumberNode | null {
  const value = memberOf(node, name);
  return value?.type === 'number' ? value : null;
}

/** The number in the member `index`, by which streams name their parts; null when there is none. */
export function indexMember(source: string, node: JsonNode | undefined): number | null {
  return numberMember(source, node, 'index');
}
