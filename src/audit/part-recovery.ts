import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault } from '../lib/fault.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../lib/json.ts';
import { limits } from '../lib/limits.ts';
import type { AuditEntry, SealedBodySource, SubjectKey } from './entry.ts';
import { readEpochKey } from './epoch-keys.ts';
import { readFrame } from './frame.ts';
import { nodeFs } from './fs-port.ts';
import type { AuditKeys } from './keys.ts';
import { layout } from './layout.ts';
import { partContext } from './part-log.ts';
import { readRecord } from './record.ts';
import { unseal, wrappingKey } from './seal.ts';
import { readSubjectKey } from './subject-keys.ts';

/** What the run before left of answers whose outcome it did not get to. */
export interface LeftParts {
  has(exchange: string): boolean;
  /**
   * What goes into the `aborted` record of an exchange: the texts, sealed anew with it, for the same subject; and how many parts there
   * were. Parts that are missing before the last of them, or whose key is gone, are counted as unreadable. The texts are bounded by `limits.bodyBytesMax` each.
   */
  take(exchange: string): Promise<Pick<AuditEntry, 'session' | 'bodies' | 'facts' | 'subjectKey'>>;
  /** Removes the files. To be called when all that was taken is durable. */
  remove(): Promise<void>;
}

interface Place {
  readonly path: string;
  readonly offset: number;
  readonly bytes: number;
  readonly part: number;
}

/** Looks through the files of parts. What is torn at a file's end is left out: it was being written when the crash came. */
export function findParts(
  directory: string,
  origin: string,
  keys: AuditKeys,
  exchanges: ReadonlySet<string>,
): LeftParts {
  const fs = nodeFs;
  const places = new Map<string, Place[]>();
  const folder = layout.parts(directory);
  const paths = fs.list(folder).map((name) => join(folder, name));
  for (const path of paths) {
    const bytes = fs.read(path) ?? Buffer.alloc(0);
    for (let frame = readFrame(bytes, 0); frame !== null; frame = readFrame(bytes, frame.end)) {
      const exchange = text(headerOf(frame.payload)['exchange']);
      if (!exchanges.has(exchange)) continue;
      const place = { path, offset: frame.offset, bytes: frame.end - frame.offset, part: frame.sequence };
      places.set(exchange, [...(places.get(exchange) ?? []), place]);
    }
  }

  async function openPart(place: Place): Promise<OpenedPart | null> {
    const frame = readFrame(await readPlace(place), 0);
    const record = frame === null ? null : readRecord(frame.payload);
    if (frame === null || record === null) return null;
    const header = headerOf(frame.payload);
    const bodies = list(header['bodies']).map((body) => ({ name: text(body['name']), bytes: Number(body['n']) }));
    const names = bodies.map(({ name }) => name);
    const subjectId = header['subject'];
    try {
      const epochKey = await readEpochKey(fs, directory, keys, text(header['epoch']));
      const subject =
        typeof subjectId === 'string'
          ? { id: subjectId, key: await readSubjectKey(fs, directory, keys, subjectId) }
          : null;
      const context = partContext(origin, text(header['exchange']), frame.sequence, names);
      const plaintext = unseal(record.sealed, context, wrappingKey(epochKey, subject?.key ?? null));
      if (plaintext === null) return null;
      let at = 0;
      const pieces = bodies.map(({ name, bytes }) => {
        at += bytes;
        return { name, bytes: plaintext.subarray(at - bytes, at) };
      });
      return { pieces, subject, session: text(header['session']), mediaType: text(header['mt']) };
    } catch (thrown) {
      if (Fault.from(thrown).code === 'key_unavailable') return null;
      throw thrown;
    }
  }

  return {
    has: (exchange) => places.has(exchange),
    take: async (exchange) => {
      const sorted = [...(places.get(exchange) ?? [])].sort((a, b) => a.part - b.part);
      const texts = new Map<string, Buffer[]>();
      let last: OpenedPart | null = null;
      // They are numbered from 0: one that could not be written is missing among them.
      const count = (sorted.at(-1)?.part ?? -1) + 1;
      let unreadable = count - sorted.length;
      for (const place of sorted) {
        const opened = await openPart(place);
        if (opened === null) unreadable += 1;
        else last = opened;
        for (const { name, bytes } of opened?.pieces ?? []) texts.set(name, [...(texts.get(name) ?? []), bytes]);
      }
      return {
        session: last?.session ?? '',
        facts: { answer_parts: count, ...(unreadable > 0 ? { unreadable_parts: unreadable } : {}) },
        bodies: bodiesOf(texts, last?.mediaType ?? ''),
        ...(last === null || last.subject === null ? {} : { subjectKey: last.subject }),
      };
    },
    remove: async () => {
      if (paths.length === 0) return;
      for (const path of paths) fs.remove(path);
      await fs.syncDirectoryLater(folder);
    },
  };
}

async function readPlace({ path, offset, bytes }: Place): Promise<Buffer> {
  const file = await open(path, 'r');
  try {
    const buffer = Buffer.alloc(bytes);
    const { bytesRead } = await file.read(buffer, 0, bytes, offset);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

interface OpenedPart {
  readonly pieces: readonly { readonly name: string; readonly bytes: Buffer }[];
  readonly subject: SubjectKey | null;
  readonly session: string;
  readonly mediaType: string;
}

/** As an outcome has them: what went out only where it differs from what came. */
function bodiesOf(texts: ReadonlyMap<string, readonly Buffer[]>, mediaType: string): Record<string, SealedBodySource> {
  const whole = (name: string): Buffer | null => {
    const pieces = texts.get(name);
    return pieces === undefined ? null : Buffer.concat(pieces).subarray(0, limits.bodyBytesMax);
  };
  const output = whole('output');
  const released = whole('output_released');
  const isSame = output !== null && released !== null && output.equals(released);
  return {
    ...(output === null ? {} : { output: { mediaType, bytes: output } }),
    ...(released === null || isSame ? {} : { output_released: { mediaType, bytes: released } }),
  };
}

function headerOf(payload: Buffer): JsonObject {
  const record = readRecord(payload);
  try {
    const value: JsonValue = record === null ? null : JSON.parse(record.manifest.toString());
    return isJsonObject(value) ? value : {};
  } catch {
    return {};
  }
}

function list(value: JsonValue | undefined): JsonObject[] {
  return Array.isArray(value) ? value.filter(isJsonObject) : [];
}

function text(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value : '';
}
