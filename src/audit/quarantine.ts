import { basename, join } from 'node:path';
import { Fault } from '../lib/fault.ts';
import { type JsonObject, jsonObjectOf } from '../lib/json.ts';
import type { AuditLog } from './entry.ts';
import { type FsPort, replaceFile } from './fs-port.ts';
import { rawPublicKey } from './keys.ts';
import { layout } from './layout.ts';
import { verifierKey } from './note.ts';
import { readRecords } from './read.ts';
import { recover } from './recover.ts';
import { discardAfter, makeShard, shardToOpen } from './shard-files.ts';
import { nextShard, type Shard, shardOrigin } from './shards.ts';
import { verifyLog } from './verify.ts';

export interface QuarantineDeps {
  /** Its lock is held by the caller. */
  readonly directory: string;
  readonly origin: string;
  readonly fs: FsPort;
  readonly signingKey: Parameters<typeof makeShard>[3];
  readonly nowMs: () => number;
}

/** Why a log does not start. */
export interface Damage {
  readonly shard: Shard;
  /** Its name in checkpoints and keys. */
  readonly log: string;
  readonly what: string;
}

/**
 * What keeps the log from starting, by the same look at its end as a start takes, which changes nothing here; null: nothing does. Throws
 * what keeps it from being read at all, and Fault `audit_unavailable` when it is signed by another key than ours: that is no damage, and
 * nothing must be put aside for it.
 */
export function findDamage({ directory, origin, fs, signingKey, nowMs }: QuarantineDeps): Damage | null {
  const shard = shardToOpen(fs, directory, { byMonth: false, recordsMax: null }, nowMs());
  const log = shardOrigin(origin, shard);
  const rawKey = rawPublicKey(signingKey);
  const beside = fs.read(layout.verifierKey(shard.folder))?.toString().trim();
  if (beside !== undefined && /^[^\s+]+\+[0-9a-f]{8}\+\S+$/.test(beside) && beside !== verifierKey(log, rawKey)) {
    throw new Fault(
      'audit_unavailable',
      `${layout.verifierKey(shard.folder)} names another log or key than the configuration: look at audit.origin and the signing key first`,
    );
  }
  try {
    recover(readOnly(fs), shard.folder, log, signingKey, rawKey);
    return null;
  } catch (thrown) {
    if (!(thrown instanceof Fault) && !isLostByDisk(thrown)) throw thrown;
    return { shard, log, what: Fault.from(thrown, 'audit_unavailable').message };
  }
}

/** A missing permission or too many open files say nothing about a log. */
function isLostByDisk(thrown: unknown): boolean {
  return thrown instanceof Error && 'code' in thrown && thrown.code === 'EIO';
}

/** What a quarantine did, or would have on record. */
export interface Quarantined {
  readonly log: string;
  /** Where it lies now. */
  readonly folder: string;
  /** Where the log goes on. */
  readonly next: string;
  /** Records in it that can be read, behind the damage as well, and the first of the problems that `verifyLog` has found. */
  readonly records: number;
  readonly problems: readonly string[];
  /** Orders that stand in it and in no other log: they have to be given again. */
  readonly holds: readonly string[];
}

/**
 * Puts a damaged log (or the damaged last shard of one) aside as it is, byte for byte, and makes the shard in which the log goes on. Which
 * one was put aside, when, by whom and why goes on record as soon as the log is opened: see `recordQuarantines`. Until the last step
 * the damaged one keeps a writer from starting, so that a crash in between is mended by doing it again. Keys stay where they are.
 */
export async function quarantine(
  deps: QuarantineDeps,
  damage: Damage,
  order: { readonly by: string; readonly reason: string },
): Promise<Quarantined> {
  const { directory, origin, fs, signingKey, nowMs } = deps;
  const { shard, log, what } = damage;
  const target = layout.quarantined(directory, shard.name === '' ? '000000' : shard.name);
  const { problems } = await verifyLog({ directory: shard.folder }).catch((thrown: unknown) => ({
    problems: [{ check: 'frames', place: shard.folder, what: Fault.from(thrown).message }],
  }));
  const checkpoint = fs.read(layout.checkpoint(shard.folder))?.toString() ?? '';
  const { records, holds } = await readWhatIsLeft(shard.folder);
  const next = nextShard(directory, shard, nowMs());
  const told = problems.slice(0, problemsMax).map((problem) => `${problem.check}: ${problem.place}: ${problem.what}`);
  const done = { log, folder: target, next: shardOrigin(origin, next), records, problems: told, holds };
  const facts: JsonObject = {
    event: 'quarantined',
    log,
    folder: target.slice(directory.length + 1),
    damage: what,
    found: records,
    problems: told,
    checkpoint,
    holds,
    by: { id: order.by },
    reason: order.reason,
    at: new Date(nowMs()).toISOString(),
  };
  await discardAfter(fs, directory, shard);
  await fs.makeDirectory(target);
  // What was begun before a crash knows more of what it found.
  if (fs.read(join(target, unrecorded)) === null) {
    await replaceFile(fs, join(target, unrecorded), Buffer.from(`${JSON.stringify(facts)}\n`));
  }
  await makeShard(fs, next, origin, signingKey);
  for (const from of partsOf(directory, shard, fs)) await fs.rename(from, join(target, basename(from)));
  await fs.syncDirectoryLater(target);
  if (shard.name !== '') await fs.removeTree(shard.folder);
  await fs.syncDirectoryLater(shard.name === '' ? directory : layout.shards(directory));
  return done;
}

/** Puts on record, once, which logs were put aside. Called by whoever opens the log next. */
export async function recordQuarantines(fs: FsPort, directory: string, log: AuditLog): Promise<void> {
  for (const name of fs.list(layout.quarantine(directory))) {
    const path = join(layout.quarantined(directory, name), unrecorded);
    const bytes = fs.read(path);
    const facts = bytes === null ? null : jsonObjectOf(bytes.toString());
    if (facts === null) continue;
    await log.append({ kind: 'recovery', exchange: '', session: '', facts, bodies: {} });
    await fs.rename(path, path.replace(unrecorded, 'quarantine.json'));
    await fs.syncDirectoryLater(layout.quarantined(directory, name));
  }
}

const unrecorded = 'quarantine.unrecorded.json';
const problemsMax = 20;

/**
 * All of a shard's own, in an order in which what is left never looks like a log that is new: at the end its records, or the checkpoint
 * that counts them. What answers in flight had given belongs to its open intents.
 */
function partsOf(directory: string, { folder, name }: Shard, fs: FsPort): string[] {
  const last = ['log.vkey', 'segments', 'checkpoint'];
  const own = fs.list(folder).filter((each) => name !== '' || ownNames.has(each));
  const names = [...own.filter((each) => !last.includes(each)), ...last.filter((each) => own.includes(each))];
  const parts = name !== '' && fs.list(directory).includes('parts') ? [layout.parts(directory)] : [];
  return [...parts, ...names.map((each) => join(folder, each))];
}

/** What of a log's own folder belongs to the log in it, and not to all of its shards. */
const ownNames: ReadonlySet<string> = new Set([
  ...layout.logParts,
  'tile',
  'kept',
  'parts',
  'checkpoint.tmp',
  'checkpoint.witnessed',
]);

/** What of its records can be read, those behind the damage as well. */
async function readWhatIsLeft(
  folder: string,
): Promise<{ readonly records: number; readonly holds: readonly string[] }> {
  const holds = new Set<string>();
  let records = 0;
  try {
    for await (const { id, kind, facts } of readRecords(folder, { salvage: true })) {
      records += 1;
      if (kind === 'hold') holds.add(id);
      if (kind === 'release' && typeof facts['hold'] === 'string') holds.delete(facts['hold']);
    }
  } catch {
    // Damaged is what it is.
  }
  return { records, holds: [...holds] };
}

/** Reads, and lets whoever wants to change something think that it did. */
function readOnly(fs: FsPort): FsPort {
  const nothing = (): void => undefined;
  return { ...fs, truncate: nothing, remove: nothing, rewrite: nothing, touch: nothing };
}
