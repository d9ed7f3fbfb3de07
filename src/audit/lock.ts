import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  readlinkSync,
  renameSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { Fault } from '../lib/fault.ts';
import type { RandomBytes } from '../lib/ids.ts';

export interface Lock {
  /** What the lock file holds while it is ours. */
  readonly token: string;
  release(): void;
}

/**
 * Takes the lock file of a log's directory. A lock whose holder is dead (same boot and PID namespace, no such process) is
 * taken over at once, one whose holder lives never. A holder that cannot be seen (another container on the same volume, the
 * time before a reboot) is given `staleMs`; a living writer touches its lock every second. Throws Fault `audit_unavailable`
 * when another writer holds it.
 */
export async function acquireLock(path: string, random: RandomBytes, staleMs: number): Promise<Lock> {
  const token = JSON.stringify({ ...thisProcess(), nonce: random(16).toString('hex') });
  if (createExclusive(path, token)) return lockOf(path, token);
  const held = readOrEmpty(path);
  const holder = holderState(held);
  if (holder === 'alive') throw heldBy(path, held);
  if (holder === 'unseen' && !(await staysUntouched(path, staleMs))) throw heldBy(path, held);
  // Renaming is atomic: of two takers one moves the stale lock, the other a fresh one, and sees it.
  const aside = `${path}.${random(8).toString('hex')}`;
  if (existsSync(path)) renameSync(path, aside);
  const moved = readOrEmpty(aside);
  if (moved !== held) {
    giveBack(aside, path);
    throw heldBy(path, moved);
  }
  if (existsSync(aside)) unlinkSync(aside);
  if (!createExclusive(path, token)) throw heldBy(path, readOrEmpty(path));
  return lockOf(path, token);
}

function lockOf(path: string, token: string): Lock {
  return {
    token,
    release: () => {
      if (readOrEmpty(path) === token) unlinkSync(path);
    },
  };
}

interface Holder {
  readonly pid: number;
  /** Start time of the process in clock ticks since boot: tells a recycled PID. */
  readonly start: string;
  readonly boot: string;
  readonly namespace: string;
}

function thisProcess(): Holder {
  return {
    pid: process.pid,
    start: startTime(process.pid) ?? '',
    boot: readOrEmpty('/proc/sys/kernel/random/boot_id').trim(),
    namespace: pidNamespace(),
  };
}

function holderState(held: string): 'alive' | 'dead' | 'unseen' {
  const us = thisProcess();
  const holder = parseHolder(held);
  const isVisible = holder !== null && us.boot !== '' && us.namespace !== '';
  if (!isVisible || holder.boot !== us.boot || holder.namespace !== us.namespace) return 'unseen';
  return startTime(holder.pid) === holder.start ? 'alive' : 'dead';
}

function parseHolder(text: string): Holder | null {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return null;
    const pid: unknown = Reflect.get(value, 'pid');
    const member = (name: string): string => String(Reflect.get(value, name) ?? '');
    if (typeof pid !== 'number') return null;
    return { pid, start: member('start'), boot: member('boot'), namespace: member('namespace') };
  } catch {
    return null;
  }
}

/** Field 22 of /proc/<pid>/stat; the command before it may itself hold blanks and brackets. Null: no such process. */
function startTime(pid: number): string | null {
  const stat = readOrEmpty(`/proc/${pid}/stat`);
  if (stat === '') return null;
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
}

function pidNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return '';
  }
}

async function staysUntouched(path: string, staleMs: number): Promise<boolean> {
  const before = touchedAt(path);
  await wait(staleMs);
  return touchedAt(path) === before;
}

function touchedAt(path: string): string {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stat === undefined ? '' : `${stat.ino}:${stat.mtimeNs}`;
}

function createExclusive(path: string, content: string): boolean {
  // Written aside and linked, so that nobody ever reads half a lock.
  const draft = `${path}.${process.pid}.new`;
  const fd = openSync(draft, 'w', 0o600);
  try {
    writeSync(fd, content);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  try {
    linkSync(draft, path);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  } finally {
    unlinkSync(draft);
  }
}

function giveBack(aside: string, path: string): void {
  try {
    linkSync(aside, path);
  } catch {
    // Somebody holds the name again: their lock stands.
  }
  if (existsSync(aside)) unlinkSync(aside);
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function heldBy(path: string, held: string): Fault {
  const pid = parseHolder(held)?.pid;
  return new Fault(
    'audit_unavailable',
    `${path} is held by another writer${pid === undefined ? '' : ` (process ${pid})`}`,
  );
}
