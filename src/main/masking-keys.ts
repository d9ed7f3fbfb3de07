import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, statSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import type { AuditKeys } from '../audit/keys.ts';
import { Fault } from '../lib/fault.ts';
import type { RandomBytes } from '../lib/ids.ts';
import { isJsonObject, type JsonValue, jsonValueOf } from '../lib/json.ts';
import { limits } from '../lib/limits.ts';
import type { EpochKey } from '../mask/session-keys.ts';
import type { Log } from '../telemetry/telemetry.ts';

/** A masking key as its file holds it: wrapped, by whatever wraps the audit log's keys. */
export interface WrappedKey {
  readonly id: string;
  /** From when on new sessions are masked with it; ISO 8601. */
  readonly from: string;
  /** Id of the key-encryption key. */
  readonly kek: string;
  /** Base64. Bound to `id` and `from`: neither can be changed without the key-encryption key. */
  readonly wrapped: string;
}

/** The file's keys, oldest first; none when there is no file. Throws Fault `key_unavailable` for anything else than such a file. */
export function readKeyFile(path: string): readonly WrappedKey[] {
  let text: string;
  try {
    if (statSync(path).size > limits.maskingKeyFileBytesMax) throw broken(path, 'is too large');
    text = readFileSync(path, 'utf8');
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') return [];
    throw thrown instanceof Fault ? thrown : new Fault('key_unavailable', `${path} cannot be read`, thrown);
  }
  const value = jsonValueOf(text);
  if (value === undefined) throw broken(path, 'is not JSON');
  const list = isJsonObject(value) ? value['keys'] : undefined;
  if (!Array.isArray(list) || list.length > limits.maskingKeysMax) throw broken(path, 'holds no list "keys"');
  const keys = list.map((item: JsonValue) => keyOf(item, path));
  if (new Set(keys.map(({ id }) => id)).size !== keys.length) throw broken(path, 'names a key twice');
  return keys.sort((a, b) => Date.parse(a.from) - Date.parse(b.from));
}

/** Opens a key. Throws Fault `key_unavailable` when it was wrapped by another key-encryption key, or changed. */
export async function unwrapKey({ id, from, kek, wrapped }: WrappedKey, keys: AuditKeys): Promise<EpochKey> {
  const secret = await keys.unwrap(Buffer.from(wrapped, 'base64'), nameOf(id, from), kek);
  return { id, secret, fromMs: Date.parse(from) };
}

export interface Rotation {
  /** From when on the new key is used: late enough for every replica to have read the file. */
  readonly fromMs: number;
  /** Keys that stay, the new one included; of the others, sessions get a new key. */
  readonly keep: number;
}

/** Adds a new key to the file, which is made when it is missing, in one step that a crash cannot leave half done. */
export async function addKey(
  path: string,
  keys: AuditKeys,
  random: RandomBytes,
  { fromMs, keep }: Rotation,
): Promise<WrappedKey> {
  const before = readKeyFile(path);
  const id = random(6).toString('hex');
  const from = new Date(fromMs).toISOString();
  const wrapped = (await keys.wrap(random(32), nameOf(id, from))).toString('base64');
  const added: WrappedKey = { id, from, kek: keys.kekId, wrapped };
  const kept = keep > 1 ? before.slice(1 - keep) : [];
  writeKeyFile(path, [...kept, added]);
  return added;
}

export interface FollowedKeys {
  replace(epochs: readonly [EpochKey, ...EpochKey[]]): void;
}

/**
 * Reads the file again whenever it has changed, until the signal. What cannot be read, or opened, is told to the log once and changes
 * nothing: the keys before stay in use.
 */
export function followKeyFile(
  path: string,
  keys: AuditKeys,
  { log, everyMs }: { readonly log: Log; readonly everyMs: number },
  ring: FollowedKeys,
  signal: AbortSignal,
): void {
  let seen = stampOf(path);
  let isReading = false;
  const timer = setInterval(() => {
    const stamp = stampOf(path);
    if (stamp === seen || isReading) return;
    isReading = true;
    seen = stamp;
    openKeyFile(path, keys)
      .then((epochs) => {
        ring.replace(epochs);
        log.info('masking keys loaded', { file: path, count: epochs.length });
      })
      .catch((thrown: unknown) => {
        const fault = Fault.from(thrown);
        log.error('masking keys refused, those before stay in use', { code: fault.code, reason: fault.message });
      })
      .finally(() => {
        isReading = false;
      });
  }, everyMs);
  timer.unref();
  signal.addEventListener('abort', () => clearInterval(timer), { once: true });
}

/** The keys of placeholders as configured: those of the file, or else the one that is derived from `masking.key`. */
export async function openPlaceholderKeys(
  keyFile: string | null,
  derived: EpochKey,
  keys: AuditKeys,
): Promise<readonly [EpochKey, ...EpochKey[]]> {
  return keyFile === null ? [derived] : openKeyFile(keyFile, keys);
}

/** All keys of the file, opened. Throws Fault `key_unavailable`, also when there is none. */
export async function openKeyFile(path: string, keys: AuditKeys): Promise<readonly [EpochKey, ...EpochKey[]]> {
  const [first, ...others] = await Promise.all(readKeyFile(path).map((key) => unwrapKey(key, keys)));
  if (first === undefined) {
    throw new Fault('key_unavailable', `${path} holds no masking key: make one with countersign keys rotate`);
  }
  return [first, ...others];
}

function nameOf(id: string, from: string): string {
  return `masking/${id}/${from}`;
}

function keyOf(item: JsonValue, path: string): WrappedKey {
  const member = (name: string): string => {
    const value = isJsonObject(item) ? item[name] : undefined;
    if (typeof value !== 'string') throw broken(path, `holds a key without "${name}"`);
    return value;
  };
  const key = { id: member('id'), from: member('from'), kek: member('kek'), wrapped: member('wrapped') };
  if (Number.isNaN(Date.parse(key.from))) throw broken(path, 'holds a key with a "from" that is no time');
  return key;
}

function broken(path: string, problem: string): Fault {
  return new Fault('key_unavailable', `the masking key file ${path} ${problem}`);
}

function stampOf(path: string): string {
  const stats = statSync(path, { throwIfNoEntry: false });
  return stats === undefined ? '' : `${stats.ino} ${stats.size} ${stats.mtimeMs}`;
}

function writeKeyFile(path: string, keys: readonly WrappedKey[]): void {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const fd = openSync(`${path}.new`, 'w', 0o600);
    try {
      writeSync(fd, `${JSON.stringify({ keys }, null, 2)}\n`);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
    renameSync(`${path}.new`, path);
  } catch (cause) {
    throw new Fault('key_unavailable', `the masking key file ${path} cannot be written`, cause);
  }
}
