import { isMap, isNode, isPair, isScalar, LineCounter, parseDocument } from 'yaml';
import type { SettingPath } from './problem.ts';

export interface Position {
  readonly line: number;
  readonly column: number;
}

/** A configuration file as it was written: its values, and where each of them stands. */
export interface Source {
  /** Plain data; null for an empty file. */
  readonly value: unknown;
  /** What is no YAML. When there is any, `value` is null. */
  readonly errors: readonly (Position & { readonly message: string })[];
  /** The place of a setting, or of the nearest thing around it that is there. */
  positionOf(path: SettingPath): Position;
  /** The place of a member's name. */
  positionOfKey(path: SettingPath): Position;
}

/** Reads YAML 1.2: one document, no duplicate keys, no merge keys, few aliases. */
export function parseSource(text: string): Source {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    version: '1.2',
    prettyErrors: false,
    lineCounter: lines,
    merge: false,
    stringKeys: true,
  });
  const at = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const errors = document.errors.map((error) => ({ ...at(error.pos[0]), message: error.message }));
  let value: unknown = null;
  if (errors.length === 0) {
    try {
      value = document.toJS({ maxAliasCount: 100 });
    } catch (error) {
      errors.push({ line: 1, column: 1, message: error instanceof Error ? error.message : String(error) });
    }
  }
  const find = (path: SettingPath): Position | null => {
    const node: unknown = path.length === 0 ? document.contents : document.getIn(path, true);
    return isNode(node) && node.range ? at(node.range[0]) : null;
  };
  const positionOf = (path: SettingPath): Position => {
    for (let length = path.length; length >= 0; length -= 1) {
      const found = find(path.slice(0, length));
      if (found !== null) return length < path.length && length > 0 ? keyOf(path.slice(0, length)) : found;
    }
    return { line: 1, column: 1 };
  };
  const keyOf = (path: SettingPath): Position => {
    const parent: unknown = path.length === 1 ? document.contents : document.getIn(path.slice(0, -1), true);
    const pair = isMap(parent)
      ? parent.items.find((item) => isPair(item) && isScalar(item.key) && item.key.value === path.at(-1))
      : undefined;
    const key = pair?.key;
    return isScalar(key) && key.range ? at(key.range[0]) : (find(path) ?? { line: 1, column: 1 });
  };
  return { value, errors, positionOf, positionOfKey: keyOf };
}
