import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { StoredRecord } from '../audit/read.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../lib/json.ts';
import { CliError, exitCodes, printable } from './output.ts';

/** Throws when a folder holds no log. */
export function mustBeLog(folder: string): void {
  if (!existsSync(join(folder, 'log.vkey')) && !existsSync(join(folder, 'checkpoint'))) {
    throw new CliError(`${folder} holds no audit log. Name the folder of \`audit.directory\`.`, exitCodes.usage);
  }
}

/** A record as JSON, nothing sealed. */
export function recordJson(record: StoredRecord): JsonObject {
  return {
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

/** A record on one line. */
export function recordLine(record: StoredRecord): string {
  return printable(
    [
      timeOf(record),
      String(record.sequence).padStart(6),
      record.kind.padEnd(8),
      record.exchange || '-',
      summary(record.facts),
    ]
      .join('  ')
      .trimEnd(),
  );
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
    list(facts['masked'])
      .map(
        (row) =>
          `${text(row['entity'])} x${text(row['count'])}${row['method'] === null ? '' : ` ${text(row['method'])}`}`,
      )
      .join(', '),
  ];
  return words.filter((word) => word !== '').join('  ');
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
