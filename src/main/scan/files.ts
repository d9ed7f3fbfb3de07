import { closeSync, lstatSync, opendirSync, openSync, readSync, type Stats, statSync } from 'node:fs';
import { join, sep } from 'node:path';
import { TextDecoder } from 'node:util';

/** A file that was named or stands in a folder that was: its text, or why there is none. */
export type GivenFile =
  | { readonly kind: 'text'; readonly path: string; readonly text: string; readonly bytes: number }
  /** Left out on purpose. */
  | { readonly kind: 'skipped'; readonly path: string; readonly why: string }
  /** Should have been read and could not be. */
  | { readonly kind: 'failed'; readonly path: string; readonly why: string };

export interface FileOptions {
  /** Larger files are skipped. */
  readonly bytesMax: number;
  /**
   * Whether the file or folder at this path, with `/` between names and counted from the folder that was named, is left out; null:
   * folders are not read at all.
   */
  readonly isExcluded: ((path: string) => boolean) | null;
}

/**
 * The files at these paths, folders with all that is in them, sorted by name so that two runs say the same. Links inside of folders
 * are not followed, so nothing is read twice or for ever; neither are devices and the like. One file is in memory at a time.
 */
export function* readFiles(paths: readonly string[], options: FileOptions): Generator<GivenFile> {
  for (const path of paths) {
    const stats = statsOf(path, true);
    if (typeof stats === 'string') yield { kind: 'failed', path, why: stats };
    else if (stats.isDirectory() && options.isExcluded === null) yield { kind: 'failed', path, why: 'is a folder' };
    else if (stats.isDirectory()) yield* readFolder(path, '', options);
    else if (stats.isFile() || stats.isFIFO()) yield readOne(path, stats.size, options.bytesMax);
    else yield { kind: 'skipped', path, why: 'is neither a file nor a folder' };
  }
}

function* readFolder(folder: string, within: string, options: FileOptions): Generator<GivenFile> {
  const names = namesIn(folder);
  if (typeof names === 'string') {
    yield { kind: 'failed', path: folder, why: names };
    return;
  }
  for (const name of names) {
    const path = folder.endsWith(sep) ? `${folder}${name}` : join(folder, name);
    const inner = within === '' ? name : `${within}/${name}`;
    if (options.isExcluded?.(inner)) continue;
    const stats = statsOf(path, false);
    if (typeof stats === 'string') yield { kind: 'failed', path, why: stats };
    else if (stats.isDirectory()) yield* readFolder(path, inner, options);
    else if (stats.isFile()) yield readOne(path, stats.size, options.bytesMax);
    else yield { kind: 'skipped', path, why: stats.isSymbolicLink() ? 'is a link' : 'is no file' };
  }
}

function readOne(path: string, size: number, bytesMax: number): GivenFile {
  if (size > bytesMax) return { kind: 'skipped', path, why: `is larger than ${bytesMax} bytes` };
  let bytes: Buffer | null;
  try {
    bytes = readBounded(path, bytesMax);
  } catch (thrown) {
    return { kind: 'failed', path, why: reasonOf(thrown) };
  }
  // A pipe, or a file that grew meanwhile: only reading says how long it is.
  if (bytes === null) return { kind: 'failed', path, why: `is longer than ${bytesMax} bytes (see --max-bytes)` };
  const text = decodeText(bytes);
  if (text === null) return { kind: 'skipped', path, why: 'is no text' };
  return { kind: 'text', path, text, bytes: bytes.length };
}

/** Null: there is more than `bytesMax`. */
function readBounded(path: string, bytesMax: number): Buffer | null {
  const file = openSync(path, 'r');
  try {
    const chunks: Buffer[] = [];
    for (let size = 0; size <= bytesMax; ) {
      const chunk = Buffer.allocUnsafe(Math.min(chunkBytes, bytesMax + 1 - size));
      const read = readSync(file, chunk);
      if (read === 0) return Buffer.concat(chunks, size);
      chunks.push(chunk.subarray(0, read));
      size += read;
    }
    return null;
  } finally {
    closeSync(file);
  }
}

const chunkBytes = 262_144;

/** Standard input as one text; it must end before `bytesMax`. */
export async function readText(input: AsyncIterable<Buffer>, bytesMax: number): Promise<GivenFile> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of input) {
    size += chunk.length;
    if (size > bytesMax)
      return { kind: 'failed', path: '-', why: `is longer than ${bytesMax} bytes (see --max-bytes)` };
    chunks.push(chunk);
  }
  const text = decodeText(Buffer.concat(chunks));
  return text === null
    ? { kind: 'failed', path: '-', why: 'is no text' }
    : { kind: 'text', path: '-', text, bytes: size };
}

/** A zero byte this near to the beginning means that a file is no text. */
const probeBytes = 8_192;

/** UTF-8, or UTF-16 with a byte order mark; null for anything with zero bytes. What is no UTF-8 reads as U+FFFD. */
export function decodeText(bytes: Buffer): string | null {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return new TextDecoder('utf-16le').decode(bytes);
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return new TextDecoder('utf-16be').decode(bytes);
  if (bytes.subarray(0, probeBytes).includes(0)) return null;
  return bytes.toString('utf8');
}

function statsOf(path: string, isFollowed: boolean): Stats | string {
  try {
    return isFollowed ? statSync(path) : lstatSync(path);
  } catch (thrown) {
    return reasonOf(thrown);
  }
}

function namesIn(folder: string): readonly string[] | string {
  const names: string[] = [];
  try {
    const directory = opendirSync(folder);
    try {
      for (let entry = directory.readSync(); entry !== null; entry = directory.readSync()) names.push(entry.name);
    } finally {
      directory.closeSync();
    }
  } catch (thrown) {
    return reasonOf(thrown);
  }
  return names.sort();
}

function reasonOf(thrown: unknown): string {
  const code = thrown instanceof Error && 'code' in thrown ? thrown.code : null;
  if (code === 'ENOENT') return 'does not exist';
  if (code === 'EACCES' || code === 'EPERM') return 'may not be read';
  return `cannot be read (${typeof code === 'string' ? code : 'unknown'})`;
}
