import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';

/** One Lua file of `lua/`, ready to be called by its digest. */
export interface Script {
  readonly name: ScriptName;
  readonly source: string;
  /** What EVALSHA calls it by. */
  readonly sha1: string;
}

export type ScriptName = (typeof scriptNames)[number];

export const scriptNames = ['insert', 'stage', 'consume', 'settle', 'remove', 'claim', 'release'] as const;

/**
 * Reads the scripts at start. They stand beside this file; the compiler does not copy them to `dist/`, so a module that runs
 * from there finds them either where a build step put them or in the checkout's `src/`. Throws when one is missing: the
 * service then does not start.
 */
export function loadScripts(): Readonly<Record<ScriptName, Script>> {
  const beside = new URL('./lua/', import.meta.url);
  const folder = existsSync(beside) ? beside : new URL('../../src/approval/lua/', import.meta.url);
  const load = (name: ScriptName): Script => {
    const source = readFileSync(new URL(`${name}.lua`, folder), 'utf8');
    return { name, source, sha1: createHash('sha1').update(source).digest('hex') };
  };
  return {
    insert: load('insert'),
    stage: load('stage'),
    consume: load('consume'),
    settle: load('settle'),
    remove: load('remove'),
    claim: load('claim'),
    release: load('release'),
  };
}
