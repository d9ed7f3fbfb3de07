import { readLine } from './jsonl.ts';

/** Standard input, and whether its first line is a text of JSON Lines. */
export interface Peeked {
  /** All of the input, what was looked at included. */
  readonly input: AsyncIterable<Buffer>;
  readonly isLines: boolean;
}

/** Looks at the first line, or at this much of it. */
const peekBytes = 1_048_576;

export async function peekLines(source: AsyncIterable<Buffer>): Promise<Peeked> {
  const chunks = source[Symbol.asyncIterator]();
  let seen: Buffer = Buffer.alloc(0);
  while (seen.length < peekBytes && !seen.includes(0x0a)) {
    const next = await chunks.next();
    if (next.done === true) break;
    seen = Buffer.concat([seen, next.value]);
  }
  return { input: withSeen(seen, chunks), isLines: beginsWithText(seen) };
}

function beginsWithText(seen: Buffer): boolean {
  const [first = ''] = seen.toString('utf8').split('\n', 1);
  if (seen.length >= peekBytes && !seen.includes(0x0a)) return /^\s*\{\s*"(?:id|text)"\s*:/.test(first);
  return readLine({ number: 1, text: first }).kind === 'text';
}

async function* withSeen(seen: Buffer, chunks: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  if (seen.length > 0) yield seen;
  for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) yield next.value;
}
