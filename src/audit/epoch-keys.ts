import type { Clock } from '../lib/clock.ts';
import { Fault } from '../lib/fault.ts';
import { sha256Hex } from '../lib/hash.ts';
import type { RandomBytes } from '../lib/ids.ts';
import { canonicalJson } from '../lib/json.ts';
import { type FsPort, replaceFile } from './fs-port.ts';
import type { AuditKeys } from './keys.ts';
import { layout } from './layout.ts';

/** A key that wraps the data keys of one hour. In memory only for as long; on disk only wrapped. */
export interface EpochKey {
  readonly id: string;
  readonly key: Buffer;
  /** Wall clock from which on a new epoch is due. */
  readonly endMs: number;
}

const hourMs = 3_600_000;
/** A clock that steps back over the hour by less does not want the key of the hour before again. */
const stepBackMs = 300_000;

/**
 * Whether what is recorded now belongs to this epoch. Not when the clock was ahead and is set right, either: else one key would serve until
 * the time of its hour came, and what it seals would expire only then.
 */
export function isEpochOf({ endMs }: EpochKey, nowMs: number): boolean {
  return nowMs < endMs && nowMs >= endMs - hourMs - stepBackMs;
}

/**
 * Makes the key of the current UTC hour. It is durable when this resolves: no record may be sealed under a key that a
 * crash can lose. The epoch is named by its file's content, so the manifests, which name their epoch, vouch for the file, and by it
 * for the age file beside it.
 */
export async function createEpochKey(
  fs: FsPort,
  directory: string,
  keys: AuditKeys,
  clock: Clock,
  random: RandomBytes,
): Promise<EpochKey> {
  const nowMs = clock.nowMs();
  const hour = new Date(nowMs).toISOString().slice(0, 13);
  const key = random(32);
  const wrapped = await keys.wrap(key, hour);
  const age = keys.age === null ? null : await keys.age(key);
  const file = {
    ...(age === null ? {} : { age: sha256Hex(age) }),
    hour,
    kek: keys.kekId,
    v: 1,
    wrapped: wrapped.toString('base64'),
  };
  const text = `${canonicalJson(file)}\n`;
  const id = `e-${hour}-${sha256Hex(text).slice(0, 24)}`;
  await fs.makeDirectory(layout.epochs(directory));
  if (age !== null) await replaceFile(fs, layout.epochAge(directory, id), age);
  await replaceFile(fs, layout.epoch(directory, id), Buffer.from(text));
  return { id, key, endMs: (Math.floor(nowMs / hourMs) + 1) * hourMs };
}

/**
 * The key of an epoch. Throws Fault `key_unavailable`: destroyed, or wrapped by another key-encryption key.
 */
export async function readEpochKey(
  fs: FsPort,
  directory: string,
  keys: Pick<AuditKeys, 'unwrap'>,
  epoch: string,
): Promise<Buffer> {
  const match = /^e-([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2})-([0-9a-f]{24})$/.exec(epoch);
  if (match === null) throw new Fault('key_unavailable', `${epoch} is no epoch`);
  const path = layout.epoch(directory, epoch);
  const bytes = fs.read(path);
  if (bytes === null)
    throw new Fault('key_unavailable', `${path} does not exist: the key was destroyed, or lies elsewhere`);
  const text = sha256Hex(bytes).slice(0, 24) === match[2] ? bytes.toString() : '';
  const wrapped = /"wrapped":"([^"]+)"/.exec(text)?.[1];
  if (wrapped === undefined) throw new Fault('key_unavailable', `${path} is damaged`);
  return keys.unwrap(Buffer.from(wrapped, 'base64'), match[1] ?? '', kekOf(text));
}

/** Which key-encryption key wrapped the key in a file of ours. */
export function kekOf(text: string): string | undefined {
  return /"kek":"([^"]+)"/.exec(text)?.[1];
}
