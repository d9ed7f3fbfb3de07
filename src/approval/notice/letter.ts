import { isJsonObject, type JsonObject, type JsonValue, jsonValueOf } from '../../lib/json.ts';
import { type Fields, fieldNames, type Told } from './fields.ts';

/** One notice on its way to one route, as it is kept. */
export interface Letter {
  /** Names the letter: the notice and the route. */
  readonly key: string;
  readonly route: string;
  /** Whom alone it goes to; absent: to whom the route says. Such a letter is never kept beyond `untilMs`. */
  readonly to?: string;
  /** Id of the notice: what receivers drop repetitions by. */
  readonly notice: string;
  readonly told: Told;
  readonly atMs: number;
  readonly untilMs: number;
  readonly attempts: number;
  readonly nextAtMs: number;
  /** What kept it from being delivered last time. */
  readonly problem: string | null;
}

/** Names a letter; sorts by the time at which the approval was made, as the ids of approvals do. Safe as a file name. */
export function letterKey(notice: string, route: string): string {
  return `${notice.replace(/[^A-Za-z0-9_-]/g, '_')}.${route}`;
}

export function encodeLetter(letter: Letter): string {
  const { told, ...rest } = letter;
  return JSON.stringify({ ...rest, fields: told.fields, data: told.data });
}

/** Null when the text is no letter: half of one, or somebody else's file. */
export function decodeLetter(text: string): Letter | null {
  const value = jsonValueOf(text);
  if (!isJsonObject(value)) return null;
  const { key, route, notice, atMs, untilMs, attempts, nextAtMs, problem, fields, data, to } = value;
  if (typeof key !== 'string' || typeof route !== 'string' || typeof notice !== 'string') return null;
  if (!isTime(atMs) || !isTime(untilMs) || !isTime(attempts) || !isTime(nextAtMs)) return null;
  if (!isJsonObject(fields) || !isJsonObject(data)) return null;
  return {
    key,
    route,
    ...(typeof to === 'string' ? { to } : {}),
    notice,
    atMs,
    untilMs,
    attempts,
    nextAtMs,
    problem: typeof problem === 'string' ? problem : null,
    told: { fields: fieldsOf(fields), data },
  };
}

function fieldsOf(given: JsonObject): Fields {
  // A field that a version before did not know is empty.
  const entries = fieldNames.map((name) => [name, typeof given[name] === 'string' ? given[name] : '']);
  return Object.fromEntries(entries);
}

function isTime(value: JsonValue | undefined): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}
