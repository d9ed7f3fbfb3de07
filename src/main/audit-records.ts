import { relative } from 'node:path';
import { logsIn } from '../audit/logs.ts';
import type { StoredRecord } from '../audit/read.ts';
import { homeOf, shardOfFolder } from '../audit/shards.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../lib/json.ts';
import { CliError, exitCodes, printable } from './output.ts';

/** What commands that read say of their argument. */
export const folderHelp: string = 'folder of the log (audit.directory), or one above the logs of several writers';

/** The folders of the logs in a folder: itself, or those of several writers below it. Throws when there is none. */
export async function logsOf(folder: string): Promise<string[]> {
  const logs = await logsIn(folder);
  if (logs.length > 0) return logs;
  throw new CliError(
    `${folder} holds no audit log. Name the folder of \`audit.directory\`, or one above several.`,
    exitCodes.usage,
  );
}

/** A record as JSON, nothing sealed. */
export function recordJson(record: StoredRecord): JsonObject {
  return {
    log: originOf(record),
    sequence: record.sequence,
    id: record.id,
    kind: record.kind,
    exchange: record.exchange,
    session: record.session,
    time: timeOf(record),
    facts: record.facts,
    bodies: record.bodies.map(({ name, mediaType, bytes }) => ({ name, media_type: mediaType, bytes })),
  };
}

/** Name of the log that a record is in. */
export function originOf(record: StoredRecord): string {
  return text(record.manifest['origin']);
}

/** A record on one line. `logs`: the folders that are read; where they are of several logs each line says which one it is from. */
export function recordLine(record: StoredRecord, logs: readonly string[]): string {
  const homes = [...new Set(logs.map(homeOf))];
  return printable(
    [
      timeOf(record),
      ...(homes.length > 1 ? [logName(homeOf(record.folder), homes)] : []),
      numberOf(record).padStart(6),
      record.kind.padEnd(8),
      record.exchange || '-',
      summary(record.facts),
    ]
      .join('  ')
      .trimEnd(),
  );
}

/** Its number, in a shard behind the shard's own: `3:48211`. */
function numberOf({ folder, sequence }: StoredRecord): string {
  const { number } = shardOfFolder(folder);
  return number === 0 ? String(sequence) : `${number}:${sequence}`;
}

/** A log's folder below the one that they have in common. */
export function logName(folder: string, logs: readonly string[]): string {
  const parts = logs.map((log) => log.split('/'));
  const [first = []] = parts;
  const common = first.findIndex((part, i) => parts.some((other) => other[i] !== part));
  const above = first.slice(0, common < 0 ? first.length : common).join('/');
  return relative(above || (first[0] === '' ? '/' : '.'), folder) || '.';
}

/** The few facts that one reads first. */
function summary(facts: JsonObject): string {
  const decision = member(facts, 'decision');
  const words = [
    text(facts['dialect']),
    text(facts['model']),
    text(decision['action']),
    text(facts['ended']),
    text(facts['code']),
    facts['to'] === undefined ? '' : `${text(facts['from']) || 'new'} -> ${text(facts['to'])}`,
    text(facts['event']),
    ordered(facts),
    deciders(facts),
    list(facts['masked'])
      .map(
        (row) =>
          `${text(row['entity'])} x${text(row['count'])}${row['method'] === null ? '' : ` ${text(row['method'])}`}`,
      )
      .join(', '),
  ];
  return words.filter((word) => word !== '').join('  ');
}

/** What was ordered or looked at, by whom and why: `reveal  by carol: ticket 7`. */
function ordered(facts: JsonObject): string {
  const by = text(member(facts, 'by')['id']);
  if (by === '') return '';
  const what = text(facts['action']) || text(facts['hold']) || text(facts['subject']);
  const reason = text(facts['reason']);
  return [what, `by ${by}${reason === '' ? '' : `: ${reason}`}`].filter((word) => word !== '').join('  ');
}

/** Who decided about it: `approve by bob`. */
function deciders(facts: JsonObject): string {
  return [...list(facts['decisions']), ...list(member(facts, 'approval')['decisions'])]
    .map((decision) => `${text(decision['verdict'])} by ${text(member(decision, 'by')['id'])}`)
    .join(', ');
}

function timeOf(record: StoredRecord): string {
  return new Date(Number(record.wallNs / 1_000_000n)).toISOString();
}

function member(object: JsonObject, name: string): JsonObject {
  const value = object[name];
  return isJsonObject(value) ? value : {};
}

function list(value: JsonValue | undefined): JsonObject[] {
  return Array.isArray(value) ? value.filter(isJsonObject) : [];
}

function text(value: JsonValue | undefined): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}
