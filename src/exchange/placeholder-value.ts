import type { OpenedBody, StoredRecord } from '../audit/read.ts';
import type { JsonValue } from '../lib/json.ts';
import { isJsonObject } from '../lib/json.ts';
import { inSlices } from '../lib/slices.ts';
import type { Dialect, RouteFacts } from '../llm/dialect.ts';
import { createMinter } from '../mask/placeholder.ts';
import type { DetectorInService } from './deps.ts';
import { inspect } from './inspect.ts';
import { type MaskingScope, placeholderScope } from './session.ts';

export interface PlaceholderDeps {
  readonly detection: DetectorInService;
  readonly entities: ReadonlySet<string>;
  readonly selectDialect: (route: RouteFacts, contentType: string | null) => Dialect;
  /** Every key that may have written a placeholder for this tenant. */
  readonly keysOf: (tenant: string) => readonly Uint8Array[];
  readonly maskingScope: MaskingScope;
}

/**
 * The value that a placeholder stands for, found by masking the original prompt of its record again: nothing but this one value leaves.
 * Null when no value of this prompt has that placeholder under the key, scope and detectors of now.
 */
export async function placeholderValue(
  deps: PlaceholderDeps,
  record: StoredRecord,
  bodies: readonly OpenedBody[],
  placeholder: string,
): Promise<string | null> {
  const original = bodies.find(({ name }) => name === 'prompt_original');
  if (original === undefined) return null;
  const route: RouteFacts = {
    method: text(record.facts['method']),
    path: text(record.facts['path']),
    header: (name) => (name === 'content-type' ? original.mediaType : null),
  };
  const parsed = await inSlices(deps.selectDialect(route, original.mediaType).readRequest(original.content, route));
  if (!parsed.ok) return null;
  const caller = callerOf(bodies);
  const scope = placeholderScope(deps.maskingScope, caller, record.session, record.exchange);
  const minters = deps.keysOf(caller.tenant).map((key) => createMinter({ key, scope, entities: deps.entities }));
  const { segments } = parsed.value.conversation;
  const scans = await inspect(deps.detection.current(), segments);
  for (const [index, { text: segment }] of segments.entries()) {
    for (const { entity, start, end } of scans[index]?.findings ?? []) {
      const value = segment.slice(start, end);
      if (
        minters.some(({ token, hash }) => token(entity, value) === placeholder || hash(entity, value) === placeholder)
      )
        return value;
    }
  }
  return null;
}

/** Whose exchange it was: the placeholder's scope depends on it. */
function callerOf(bodies: readonly OpenedBody[]): { tenant: string; issuer: string; id: string } {
  const content = bodies.find(({ name }) => name === 'caller')?.content.toString() ?? '{}';
  const caller: JsonValue = JSON.parse(content);
  const member = (name: string): string => (isJsonObject(caller) ? text(caller[name]) : '');
  return { tenant: member('tenant') || 'default', issuer: member('issuer'), id: member('id') };
}

function text(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value : '';
}
