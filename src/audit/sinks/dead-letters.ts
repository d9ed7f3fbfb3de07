import { createReadStream } from 'node:fs';
import { appendFile, open, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { isJsonObject, type JsonObject, jsonObjectOf } from '../../lib/json.ts';
import { documentOf, type SinkEvent } from './sink.ts';

/** Where events go that a receiver will never take. */
export interface DeadLetters {
  /** Durable on return. */
  add(event: SinkEvent, reason: string, atMs: number): Promise<void>;
}

/** One of them as the file tells it. */
export interface DeadLetter {
  readonly at: string;
  /** What the receiver said. */
  readonly reason: string;
  /** The event's own, as receivers know it. */
  readonly id: string;
  readonly sequence: number;
  readonly kind: string;
  /** What it would not take; null where that is too large for the list. */
  readonly document: JsonObject | null;
}

/** A document beyond this is left out of its dead letter: the record itself stays in the log. */
const documentBytesMax = 65_536;

export function deadLetterPath(directory: string, sink: string): string {
  return join(directory, `${sink}.dead.jsonl`);
}

/** The dead letters of a sink, the oldest first. What a crash cut off in the middle of a line is passed over. */
export async function* readDeadLetters(directory: string, sink: string): AsyncGenerator<DeadLetter> {
  const path = deadLetterPath(directory, sink);
  for (const file of [`${path}.1`, path]) {
    const lines = createInterface({ input: createReadStream(file) });
    try {
      for await (const line of lines) {
        const letter = letterOf(jsonObjectOf(line));
        if (letter !== null) yield letter;
      }
    } catch (thrown) {
      if (!(thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT')) throw thrown;
    }
  }
}

function letterOf(line: JsonObject | null): DeadLetter | null {
  if (line === null) return null;
  const { at, reason, id, sequence, kind, document } = line;
  const isWhole =
    typeof at === 'string' &&
    typeof reason === 'string' &&
    typeof id === 'string' &&
    typeof sequence === 'number' &&
    typeof kind === 'string';
  return isWhole ? { at, reason, id, sequence, kind, document: isJsonObject(document) ? document : null } : null;
}

/**
 * A file of dead letters, one JSON document a line. At `bytesMax` it is set aside as `.1`, in place of the one before it;
 * nothing is lost by that but the list, because the records stay in the log and can be replayed.
 */
export function openDeadLetters(directory: string, sink: string, bytesMax: number): DeadLetters {
  const path = deadLetterPath(directory, sink);
  return {
    add: async (event, reason, atMs) => {
      const { size } = await stat(path).catch(() => ({ size: 0 }));
      if (size >= bytesMax) await rename(path, `${path}.1`);
      const line = JSON.stringify({
        at: new Date(atMs).toISOString(),
        reason,
        id: event.id,
        sequence: event.sequence,
        kind: event.kind,
        document: event.json.length <= documentBytesMax ? documentOf(event) : null,
      });
      await appendFile(path, `${line}\n`, { mode: 0o600 });
      const file = await open(path, 'r');
      try {
        await file.sync();
      } finally {
        await file.close();
      }
    },
  };
}
