import { dirname } from 'node:path';
import { Fault } from '../lib/fault.ts';
import { sha256Hex } from '../lib/hash.ts';
import type { RandomBytes } from '../lib/ids.ts';
import { canonicalJson } from '../lib/json.ts';
import type { AuditEntry, AuditLog, PartialAnswer, SubjectKey } from './entry.ts';
import { kekOf } from './epoch-keys.ts';
import { type FsPort, nodeFs, replaceFile } from './fs-port.ts';
import type { AuditKeys } from './keys.ts';
import { layout } from './layout.ts';
import { decrypt, encrypt } from './seal.ts';

/**
 * The keys of data subjects, a file each: what `erase` destroys. A subject is known here by its pseudonym's digest. A key is named by
 * its file's content (`s-<subject>-<hash>`), so manifests vouch for the file, and the key that follows an erased one is another.
 */
export interface SubjectKeys {
  /** The subject's key; made when there is none. Durable when this resolves. Throws Fault `key_unavailable`. */
  get(pseudonym: string): Promise<SubjectKey>;
  /** Id of the key that the subject has now, or null. */
  find(pseudonym: string): string | null;
  /** Destroys the key with this id for good; durable when this resolves. Nothing happens when it is gone, or another stands there. */
  destroy(id: string): Promise<void>;
}

export interface SubjectKeysOptions {
  readonly directory: string;
  readonly keys: AuditKeys;
  readonly random: RandomBytes;
  /** Keys that are kept in memory; the least recently used are read again. */
  readonly cachedMax: number;
  readonly fs?: FsPort;
}

/** Opens the keystore below a log's directory. One process writes to it: the one that holds the log. */
export async function openSubjectKeys(options: SubjectKeysOptions): Promise<SubjectKeys> {
  const { directory, keys, random, cachedMax, fs = nodeFs } = options;
  await fs.makeDirectory(layout.subjects(directory));
  const rootKey = await openRootKey(fs, directory, keys, random);
  /** In order of use. A promise, so that two exchanges of a new subject make one key. */
  const cached = new Map<string, Promise<SubjectKey>>();

  async function readOrCreate(subject: string): Promise<SubjectKey> {
    const found = fs.read(layout.subject(directory, subject));
    if (found !== null) return openSubject(found, subject, rootKey);
    const key = random(32);
    const age = keys.age === null ? null : await keys.age(key);
    const wrapped = encrypt(rootKey, random(12), key, subjectContext(subject));
    const file = {
      ...(age === null ? {} : { age: age.toString('base64') }),
      v: 1,
      wrapped: wrapped.toString('base64'),
    };
    const bytes = Buffer.from(`${canonicalJson(file)}\n`);
    const path = layout.subject(directory, subject);
    await fs.makeDirectory(dirname(path));
    await replaceFile(fs, path, bytes);
    return { id: subjectKeyId(subject, bytes), key };
  }

  return {
    get: (pseudonym) => {
      const subject = subjectOf(pseudonym);
      const known = cached.get(subject);
      const key = known ?? readOrCreate(subject);
      cached.delete(subject);
      cached.set(subject, key);
      if (known === undefined) {
        key.catch(() => cached.delete(subject));
        for (const oldest of cached.keys()) {
          if (cached.size <= cachedMax) break;
          cached.delete(oldest);
        }
      }
      return key;
    },
    find: (pseudonym) => {
      const subject = subjectOf(pseudonym);
      const bytes = fs.read(layout.subject(directory, subject));
      return bytes === null ? null : subjectKeyId(subject, bytes);
    },
    destroy: async (id) => {
      const subject = subjectOfKey(id);
      if (subject === null) throw new Fault('internal', `${id} names no subject key`);
      // A key under way is waited for: it would come back to a file that is gone.
      await cached.get(subject)?.catch(() => undefined);
      const path = layout.subject(directory, subject);
      const bytes = fs.read(path);
      if (bytes === null || subjectKeyId(subject, bytes) !== id) return;
      cached.delete(subject);
      fs.remove(path);
      await fs.syncDirectoryLater(dirname(path));
    },
  };
}

/** A log that seals each entry with a pseudonym under that subject's key. */
export function sealForSubjects(log: AuditLog, subjects: SubjectKeys): AuditLog {
  return {
    append: async (entry: AuditEntry) => {
      const { subject } = entry;
      if (subject === undefined || Object.keys(entry.bodies).length === 0) return log.append(entry);
      // In front of the spread: behind it a new member costs microseconds (V8).
      return log.append({ subjectKey: await subjects.get(subject), ...entry });
    },
    partial: (answer) => {
      const { subject } = answer;
      const isKnown = subject !== undefined;
      return log.partial?.(isKnown ? { ...answer, subjectKey: () => subjects.get(subject) } : answer) ?? nothingKept;
    },
  };
}

const nothingKept: PartialAnswer = { add: () => undefined, end: () => undefined };

/** A subject's key, read without the keystore's owner: for whoever may open records. Throws Fault `key_unavailable`. */
export async function readSubjectKey(
  fs: FsPort,
  directory: string,
  keys: Pick<AuditKeys, 'unwrap'>,
  id: string,
): Promise<Buffer> {
  const subject = subjectOfKey(id);
  const bytes = subject === null ? null : fs.read(layout.subject(directory, subject));
  if (subject === null || bytes === null || subjectKeyId(subject, bytes) !== id) {
    throw new Fault('key_unavailable', `the key ${id} of the data subject was destroyed, or lies elsewhere`);
  }
  const root = fs.read(layout.subjectsKey(directory));
  if (root === null) throw new Fault('key_unavailable', `${layout.subjectsKey(directory)} does not exist`);
  return Buffer.from(openSubject(bytes, subject, await unwrapRoot(root, directory, keys)).key);
}

/** The digest by which the keystore knows a pseudonym: 32 hex digits, safe as a file name anywhere. */
export function subjectOf(pseudonym: string): string {
  return sha256Hex(`countersign/v1/subject\0${pseudonym}`).slice(0, 32);
}

function subjectOfKey(id: string): string | null {
  return /^s-([0-9a-f]{32})-[0-9a-f]{24}$/.exec(id)?.[1] ?? null;
}

function subjectKeyId(subject: string, file: Uint8Array): string {
  return `s-${subject}-${sha256Hex(file).slice(0, 24)}`;
}

function subjectContext(subject: string): string {
  return `countersign/v1/subject\0${subject}`;
}

function openSubject(file: Buffer, subject: string, rootKey: Buffer): SubjectKey {
  const wrapped = /"wrapped":"([^"]+)"/.exec(file.toString())?.[1];
  const key = wrapped === undefined ? null : decrypt(rootKey, Buffer.from(wrapped, 'base64'), subjectContext(subject));
  if (key === null) throw new Fault('key_unavailable', `the key of the data subject ${subject} does not open`);
  return { id: subjectKeyId(subject, file), key };
}

/**
 * One key that wraps all subject keys, itself wrapped by the key-encryption key: a key management service is asked once at start and
 * not for every new subject. Wrapped anew when the key-encryption key was replaced.
 */
async function openRootKey(fs: FsPort, directory: string, keys: AuditKeys, random: RandomBytes): Promise<Buffer> {
  const path = layout.subjectsKey(directory);
  const found = fs.read(path);
  if (found === null && fs.list(layout.subjects(directory)).some((name) => /^[0-9a-f]{2}$/.test(name))) {
    throw new Fault('key_unavailable', `${path} is missing, and keys that it wraps are there`);
  }
  const key = found === null ? random(32) : await unwrapRoot(found, directory, keys);
  if (found !== null && kekOf(found.toString()) === keys.kekId) return key;
  const wrapped = await keys.wrap(key, 'subjects');
  const text = `${canonicalJson({ kek: keys.kekId, v: 1, wrapped: wrapped.toString('base64') })}\n`;
  await replaceFile(fs, path, Buffer.from(text));
  return key;
}

async function unwrapRoot(file: Buffer, directory: string, keys: Pick<AuditKeys, 'unwrap'>): Promise<Buffer> {
  const text = file.toString();
  const wrapped = /"wrapped":"([^"]+)"/.exec(text)?.[1];
  if (wrapped === undefined) throw new Fault('key_unavailable', `${layout.subjectsKey(directory)} is damaged`);
  return keys.unwrap(Buffer.from(wrapped, 'base64'), 'subjects', kekOf(text));
}
