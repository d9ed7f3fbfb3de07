import { appendFile, open, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { documentOf, type SinkEvent } from './sink.ts';

/** Where events go that a receiver will never take. */
export interface DeadLetters {
  /** Durable on return. */
  add(event: SinkEvent, reason: string, atMs: number): Promise<void>;
}

/** A document beyond this is left out of its dead letter: the record itself stays in the log. */
const documentBytesMax = 65_536;

export function deadLetterPath(directory: string, sink: string): string {
  return join(directory, `${sink}.dead.jsonl`);
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
