import { join } from 'node:path';
import { Fault } from '../../lib/fault.ts';
import { createTurns } from '../../lib/turns.ts';
import { type FsPort, replaceFile } from '../fs-port.ts';

/** How far a sink has got: everything below `next` is delivered or a dead letter, and so are the shards before. */
export interface Position {
  /** Name of the log's shard that the other numbers are about; absent: the log itself, which has none. */
  readonly shard?: string;
  /** Number of the next record. */
  readonly next: number;
  /** Records under the last checkpoint that was delivered. */
  readonly checkpoint: number;
  readonly deadLetters: number;
}

export interface Cursor {
  position(): Position;
  /** Moves on, in memory. MUST be called only after the receiver's word; durable within a second, or by `flush`. */
  move(to: Partial<Position>): void;
  flush(): Promise<void>;
}

export function cursorPath(directory: string, sink: string): string {
  return join(directory, `${sink}.cursor`);
}

/** What stands in a sink's cursor file; null when there is none. Throws Fault `audit_unavailable` when it is not readable. */
export function readPosition(fs: FsPort, directory: string, sink: string): Position | null {
  const path = cursorPath(directory, sink);
  const bytes = fs.read(path);
  if (bytes === null) return null;
  const match =
    /^\{"v":1,"next":(\d{1,15}),"checkpoint":(\d{1,15}),"dead_letters":(\d{1,15})(?:,"shard":"([0-9-]{14})")?\}\n$/.exec(
      bytes.toString(),
    );
  if (match === null) {
    throw new Fault('audit_unavailable', `${path} is no cursor: remove it to send everything again`);
  }
  const [, next, checkpoint, deadLetters, shard] = match;
  const numbers = { next: Number(next), checkpoint: Number(checkpoint), deadLetters: Number(deadLetters) };
  return shard === undefined ? numbers : { ...numbers, shard };
}

/**
 * A sink's durable place in the log. A crash loses at most the last second of moves; the events of that second are sent
 * again, under the same ids.
 */
export async function openCursor(fs: FsPort, directory: string, sink: string): Promise<Cursor> {
  await fs.makeDirectory(directory);
  let position = readPosition(fs, directory, sink) ?? { next: 0, checkpoint: 0, deadLetters: 0 };
  let written = position;
  const inTurn = createTurns(null);

  async function write(): Promise<void> {
    const now = position;
    if (now === written) return;
    const shard = now.shard === undefined ? '' : `,"shard":"${now.shard}"`;
    const text = `{"v":1,"next":${now.next},"checkpoint":${now.checkpoint},"dead_letters":${now.deadLetters}${shard}}\n`;
    await replaceFile(fs, cursorPath(directory, sink), Buffer.from(text));
    written = now;
  }

  return {
    position: () => position,
    move: (to) => {
      position = { ...position, ...to };
    },
    flush: () => inTurn(write),
  };
}
