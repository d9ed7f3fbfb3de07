import { limits } from '../lib/limits.ts';
import { err, ok, type Result } from '../lib/result.ts';
import type { BodyError, EventDelta, EventDependent, EventReading, EventText, StreamReader } from './dialect.ts';
import type { Walk } from './found-text.ts';
import { parseJson } from './json-parser.ts';
import type { JsonNode } from './json-source.ts';
import type { Shape } from './shape.ts';
import { walkEvent } from './walk.ts';
import type { NameOf } from './walk-state.ts';

/** How a dialect's events name and end their running texts. */
export interface StreamRules {
  readonly shape: Shape;
  /** What the pointers of an event begin with, where the event as a whole has an index. */
  base(source: string, root: JsonNode): string;
  endings(source: string, root: JsonNode, event: string | null): Endings;
  /** Names for elements that have none (walk.ts); absent: they need none. */
  readonly nameOf?: NameOf;
}

export interface Endings {
  /** Running texts whose key begins with one of these end here. */
  readonly prefixes: readonly string[];
  readonly all: boolean;
}

export const noEndings: Endings = { prefixes: [], all: false };

/**
 * Reads a stream of JSON payloads by a shape. `[DONE]` ends it, and an empty payload says nothing. A payload that is no JSON is
 * `invalid_json`, and more running texts than `limits.streamKeysMax` are `too_many_values`: nothing passes unread.
 */
export function openJsonStream(rules: StreamRules): StreamReader {
  const open = new Set<string>();
  /** Ended ones included. */
  const known = new Set<string>();
  return {
    read: (payload, event): Result<EventReading, BodyError> => {
      if (payload.length < 16) {
        const word = payload.trim();
        if (word === '') return ok(nothingRead);
        if (word === '[DONE]') {
          open.clear();
          return ok(endRead);
        }
      }
      const root = parseJson(payload);
      if (!root.ok) return root;
      const walk = walkEvent(payload, root.value, rules.shape, rules.base(payload, root.value), rules.nameOf);
      const { deltas, wholes } = split(walk);
      for (const { key } of deltas) {
        open.add(key);
        known.add(key);
      }
      if (known.size > limits.streamKeysMax) {
        return err({ kind: 'too_many_values', message: `more than ${limits.streamKeysMax} running texts in a stream` });
      }
      const endings = rules.endings(payload, root.value, event);
      const closes: string[] = [];
      if (endings.all || endings.prefixes.length > 0) {
        for (const key of open) {
          if (endings.all || endings.prefixes.some((prefix) => key.startsWith(prefix))) closes.push(key);
        }
        for (const key of closes) open.delete(key);
      }
      return ok({
        deltas,
        wholes,
        closes,
        closesAll: endings.all,
        dependents: walk.repeats.length > 0 ? dependentsOf(walk, deltas, known) : [],
        uninspected: walk.uninspected,
      });
    },
  };
}

const nothingRead: EventReading = {
  deltas: [],
  wholes: [],
  closes: [],
  closesAll: false,
  dependents: [],
  uninspected: [],
};
const endRead: EventReading = { ...nothingRead, closesAll: true };

function split(walk: Walk): { readonly deltas: readonly EventDelta[]; readonly wholes: readonly EventText[] } {
  const deltas: EventDelta[] = [];
  const wholes: EventText[] = [];
  for (const { pointer, start, end, text, role, kind, isJson, isRunning } of walk.texts) {
    if (isRunning) deltas.push({ start, end, text, role, kind, json: isJson, key: pointer });
    else wholes.push({ start, end, text, role, kind, json: isJson });
  }
  return { deltas, wholes };
}

/**
 * What repeats the text of its scope: the texts that stand whole in the same scope; of the running texts, the pieces in this event or else
 * (positions always) all that ran before.
 */
function dependentsOf(walk: Walk, deltas: readonly EventDelta[], known: ReadonlySet<string>): EventDependent[] {
  const dependents: EventDependent[] = [];
  const wholeScopes = walk.texts.filter(({ isRunning }) => !isRunning).map(({ scope }) => scope);
  for (const { start, end, source, scope, within, isCumulative } of walk.repeats) {
    const before = dependents.length;
    for (const [whole, of] of wholeScopes.entries()) {
      if (of === scope) dependents.push({ key: '', whole, start, end, source });
    }
    if (!isCumulative) {
      for (const { key } of deltas) {
        if (key.startsWith(`${within}/`)) dependents.push({ key, start, end, source });
      }
    }
    if (!isCumulative && dependents.length > before) continue;
    for (const key of known) {
      if (!key.startsWith(`${within}/`)) continue;
      dependents.push({ key, start, end, source, ...(isCumulative ? { isCumulative } : {}) });
    }
  }
  return dependents;
}
