/** A line of a stream of bytes, without its line break; `text` null: not read, and why. Lines are counted from 1. */
export type Line =
  | { readonly number: number; readonly text: string }
  | { readonly number: number; readonly text: null; readonly problem: string };

const lineFeed = 0x0a;

/**
 * Cuts bytes into lines of UTF-8, a batch for each chunk that comes: what has come is never kept waiting, and no more is held than
 * one line. A line of more than `lineBytesMax` bytes, or one that is not UTF-8, is a problem of its own; the next one is read.
 */
export async function* lineBatches(
  chunks: AsyncIterable<Buffer>,
  lineBytesMax: number,
): AsyncGenerator<readonly Line[]> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let number = 0;
  let parts: Buffer[] = [];
  let held = 0;

  function add(part: Buffer): void {
    held += part.length;
    if (held <= lineBytesMax) parts.push(part);
    else parts = [];
  }

  function take(): Line {
    number += 1;
    const [only] = parts;
    const bytes = parts.length === 1 && only !== undefined ? only : Buffer.concat(parts);
    const isTooLong = held > lineBytesMax;
    parts = [];
    held = 0;
    if (isTooLong) return { number, text: null, problem: `is longer than ${lineBytesMax} bytes` };
    try {
      return { number, text: decoder.decode(bytes) };
    } catch {
      return { number, text: null, problem: 'is not UTF-8' };
    }
  }

  for await (const chunk of chunks) {
    const batch: Line[] = [];
    let from = 0;
    for (let at = chunk.indexOf(lineFeed); at >= 0; at = chunk.indexOf(lineFeed, from)) {
      add(chunk.subarray(from, at));
      batch.push(take());
      from = at + 1;
    }
    if (from < chunk.length) add(chunk.subarray(from));
    if (batch.length > 0) yield batch;
  }
  if (held > 0) yield [take()];
}
