import { join } from 'node:path';
import type { Clock } from '../lib/clock.ts';
import { Fault } from '../lib/fault.ts';
import type { RandomBytes } from '../lib/ids.ts';
import { canonicalJson } from '../lib/json.ts';
import type { FsPort } from './fs-port.ts';
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

/** Makes the key of the current UTC hour. It is durable when this resolves: a record's key may never be lost before it. */
export async function createEpochKey(
  fs: FsPort,
  directory: string,
  keys: AuditKeys,
  clock: Clock,
  random: RandomBytes,
): Promise<EpochKey> {
  const nowMs = clock.nowMs();
  // Random besides the hour: each run has keys of its own, and destroying one never touches another's records.
  const id = `e-${new Date(nowMs).toISOString().slice(0, 13)}-${random(4).toString('hex')}`;
  const key = random(32);
  const wrapped = await keys.wrap(key, id);
  const path = layout.epoch(directory, id);
  const text = canonicalJson({ epoch: id, kek: keys.kekId, v: 1, wrapped: wrapped.toString('base64') });
  await fs.makeDirectory(layout.epochs(directory));
  await fs.writeDurable(`${path}.tmp`, Buffer.from(`${text}\n`));
  await fs.rename(`${path}.tmp`, path);
  await fs.syncDirectory(layout.epochs(directory));
  return { id, key, endMs: (Math.floor(nowMs / hourMs) + 1) * hourMs };
}

/**
 * The key of an epoch. Throws Fault `key_unavailable`: destroyed, or wrapped by another key-encryption key.
 */
export async function readEpochKey(fs: FsPort, directory: string, keys: AuditKeys, epoch: string): Promise<Buffer> {
  if (!/^e-[0-9T-]{13}-[0-9a-f]{8}$/.test(epoch)) throw new Fault('key_unavailable', `${epoch} is no epoch`);
  const bytes = fs.read(layout.epoch(directory, epoch));
  if (bytes === null) {
    throw new Fault(
      'key_unavailable',
      `the key of epoch ${epoch} is not in ${join(directory, 'epochs')}: destroyed or elsewhere`,
    );
  }
  const file: unknown = JSON.parse(bytes.toString());
  const wrapped: unknown = typeof file === 'object' && file !== null ? Reflect.get(file, 'wrapped') : undefined;
  if (typeof wrapped !== 'string') throw new Fault('key_unavailable', `the key file of epoch ${epoch} is damaged`);
  return keys.unwrap(Buffer.from(wrapped, 'base64'), epoch);
}
