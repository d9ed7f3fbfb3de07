import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeLetter, encodeLetter, type Letter } from './letter.ts';

/** `queue`: to be sent. `dead`: given up. */
export type Place = 'queue' | 'dead';

/**
 * Letters in a directory, one file each, as mail servers keep them: a letter that was put survives whatever happens to the
 * process and to the machine, and another process (the command line) may look on and put dead ones back. Writes are whole
 * or not at all.
 */
export interface Spool {
  /** Writes the letter, or writes it anew. Resolves when it is durable. */
  put(place: Place, letter: Letter): Promise<void>;
  /** Null when it is not there, or is no letter. */
  read(place: Place, key: string): Promise<Letter | null>;
  /** Keys, oldest approval first. */
  keys(place: Place): Promise<readonly string[]>;
  remove(place: Place, key: string): Promise<void>;
}

/** Makes the directory where it is missing. Throws what keeps it from being used. */
export async function openSpool(directory: string): Promise<Spool> {
  const folders: Readonly<Record<Place, string>> = { queue: join(directory, 'queue'), dead: join(directory, 'dead') };
  for (const folder of Object.values(folders)) await mkdir(folder, { recursive: true, mode: 0o700 });
  const fileOf = (place: Place, key: string) => join(folders[place], `${key}.json`);

  const keys: Spool['keys'] = async (place) => {
    const names = await readdir(folders[place]);
    const found = names.filter((name) => name.endsWith('.json')).map((name) => name.slice(0, -'.json'.length));
    return found.sort();
  };
  return {
    keys,
    put: (place, letter) => writeWhole(folders[place], fileOf(place, letter.key), encodeLetter(letter)),
    read: async (place, key) => {
      if (!/^[A-Za-z0-9._-]{1,200}$/.test(key)) return null;
      try {
        return decodeLetter(await readFile(fileOf(place, key), 'utf8'));
      } catch (thrown) {
        if (isMissing(thrown)) return null;
        throw thrown;
      }
    },
    remove: (place, key) => rm(fileOf(place, key), { force: true }),
  };
}

/** Aside first, then renamed: nobody ever reads half of it, and after a power cut it is there or not. */
async function writeWhole(folder: string, file: string, text: string): Promise<void> {
  const draft = `${file}.new`;
  const handle = await open(draft, 'w', 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(draft, file);
  const entries = await open(folder, 'r');
  try {
    await entries.sync();
  } finally {
    await entries.close();
  }
}

function isMissing(thrown: unknown): boolean {
  return thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT';
}
