import { createDecipheriv, createHmac } from 'node:crypto';
import { join } from 'node:path';
import { keysFolder } from './verify-place.ts';
import { createProblemList, listOptional, readOptional, sha256, type VerifyProblem } from './verify-problems.ts';

/** Opens the keys of a log; both throw when they cannot. */
export type TextKeys =
  /** By the key-encryption key that wrapped it (`kek`: its id); `name`: the UTC hour of an epoch, or `subjects`. */
  | { readonly kind: 'kek'; unwrap(wrapped: Uint8Array, name: string, kek: string): Promise<Uint8Array> }
  /** By an auditor's age identity: opens one age file. Only where the log names recipients. */
  | { readonly kind: 'age'; open(file: Uint8Array): Promise<Uint8Array> };

export interface CheckedTexts {
  /** Records whose texts were opened and are what was committed to. */
  readonly opened: number;
  /** Records whose key is not there: destroyed as the record says, or else the checks of the level below have told. */
  readonly destroyed: number;
  /** Records whose key is there and was not opened; and why, each reason once, at most eight. */
  readonly locked: number;
  readonly reasons: readonly string[];
  readonly problems: readonly VerifyProblem[];
}

/**
 * Opens every sealed text of a log (or of one of its shards) and compares it with its commitment; nothing of it is kept. As all of
 * the verifier it shares no code with the writer: what it knows of the sealed form stands here a second time. Frames, leaves and sealed bytes
 * are taken for what they are: `verifyLog` judges them.
 */
export async function checkTexts(directory: string, keys: TextKeys): Promise<CheckedTexts> {
  const problems = createProblemList();
  const ring = createRing(keysFolder(directory), keys);
  const reasons = new Set<string>();
  let opened = 0;
  let destroyed = 0;
  let locked = 0;
  const names = (await listOptional(join(directory, 'segments'))).map(({ name }) => name).sort();
  for (const name of names) {
    const bytes = (await readOptional(join(directory, 'segments', name))) ?? Buffer.alloc(0);
    for (const { manifest, sealed } of recordsIn(bytes)) {
      const parts = partsOf(manifest);
      if (parts.length === 0) continue;
      const key = await ring.keyOf(manifest);
      if (key.kind === 'gone') destroyed += 1;
      else if (key.kind === 'locked') {
        locked += 1;
        if (reasons.size < reasonsMax) reasons.add(key.why);
      } else {
        const wrong = wrongText(manifest, sealed, parts, key.key);
        if (wrong === null) opened += 1;
        else problems.add('bodies', `record ${String(manifest['seq'])}`, wrong);
      }
    }
  }
  return { opened, destroyed, locked, reasons: [...reasons], problems: problems.list() };
}

type Manifest = Readonly<Record<string, unknown>>;
type Part = readonly [name: string, part: Manifest];
type Key =
  | { readonly kind: 'key'; readonly key: Uint8Array }
  | { readonly kind: 'gone' }
  | { readonly kind: 'locked'; readonly why: string };

const reasonsMax = 8;
/** Opened keys at hand; records of one hour and one person stand close together. */
const keysMax = 10_000;

/** Records of a segment up to the first bytes that are none: frames of 32 bytes and a payload, a header's flag is 1. */
function* recordsIn(bytes: Buffer): Generator<{ manifest: Manifest; sealed: Buffer }> {
  for (let at = 0; at + 32 <= bytes.length && bytes.toString('latin1', at, at + 4) === 'CSR1'; ) {
    const end = at + 32 + bytes.readUInt32LE(at + 4);
    if (end > bytes.length) return;
    const payload = bytes.subarray(at + 32, end);
    const isRecord = (bytes.readUInt32LE(at + 12) & 1) === 0 && payload.length >= 8;
    at = end;
    if (!isRecord) continue;
    const manifestEnd = 4 + payload.readUInt32LE(0);
    const manifest = manifestEnd + 4 > payload.length ? null : parse(payload.subarray(4, manifestEnd));
    if (manifest !== null) yield { manifest, sealed: payload.subarray(manifestEnd + 4) };
  }
}

/** What was committed to, in the order in which it is sealed. */
function partsOf(manifest: Manifest): Part[] {
  const parts = object(object(manifest['bodies'])['parts']);
  return Object.keys(parts)
    .sort()
    .map((name) => [name, object(parts[name])]);
}

function wrongText(manifest: Manifest, sealed: Buffer, parts: readonly Part[], key: Uint8Array): string | null {
  const context = ['countersign/v1/bodies', manifest['origin'], manifest['id'], ...parts.map(([name]) => name)].join(
    '\0',
  );
  const own = opened(key, sealed.subarray(0, 12), sealed.subarray(12, 60), `countersign/v1/key\0${context}`);
  const texts = own === null ? null : opened(own, Buffer.alloc(12), sealed.subarray(60), context);
  if (texts === null) return 'its sealed bytes do not open with the key that it names';
  let at = 0;
  for (const [name, part] of parts) {
    const end = at + 32 + Number(part['n']);
    if (sha256(texts.subarray(at, end)).toString('base64url') !== part['pt'])
      return `"${name}" is not what was recorded`;
    at = end;
  }
  return at === texts.length ? null : 'more is sealed in it than its manifest says';
}

/** AES-256-GCM with the tag behind; null when it does not open. */
function opened(key: Uint8Array, nonce: Uint8Array, sealed: Buffer, context: string): Buffer | null {
  if (key.length !== 32 || nonce.length !== 12 || sealed.length < 16) return null;
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: 16 });
  decipher.setAAD(Buffer.from(context));
  decipher.setAuthTag(sealed.subarray(-16));
  const text = decipher.update(sealed.subarray(0, -16));
  try {
    decipher.final();
    return text;
  } catch {
    return null;
  }
}

/** The keys below a log's folder, each file named by its own hash in the manifests. */
function createRing(folder: string, keys: TextKeys): { keyOf(manifest: Manifest): Promise<Key> } {
  const known = new Map<string, Key>();

  async function keyOf(manifest: Manifest): Promise<Key> {
    const epoch = await once(String(manifest['epoch']), epochKey);
    if (epoch.kind !== 'key' || typeof manifest['subject'] !== 'string') return epoch;
    const subject = await once(manifest['subject'], subjectKey);
    if (subject.kind !== 'key') return subject;
    const both = createHmac('sha256', epoch.key).update('countersign/v1/subject\0').update(subject.key).digest();
    return { kind: 'key', key: both };
  }

  async function once(id: string, find: (id: string) => Promise<Key>): Promise<Key> {
    const found = known.get(id) ?? (await find(id));
    if (known.size >= keysMax) known.clear();
    known.set(id, found);
    return found;
  }

  async function epochKey(id: string): Promise<Key> {
    const [, hour = '', digest = ''] = /^e-([0-9T-]{13})-([0-9a-f]{24})$/.exec(id) ?? [];
    const file = await named(`epochs/${id}.json`, digest);
    if (file === null) return { kind: 'gone' };
    if (keys.kind === 'kek') return locked(id, () => unwrap(file, hour));
    const age = await readOptional(join(folder, `epochs/${id}.age`));
    if (age === null || sha256(age).toString('hex') !== file['age']) {
      return { kind: 'locked', why: `${id} was not sealed for age identities` };
    }
    return locked(id, () => openAge(age));
  }

  async function subjectKey(id: string): Promise<Key> {
    const [, subject = '', digest = ''] = /^s-([0-9a-f]{32})-([0-9a-f]{24})$/.exec(id) ?? [];
    const file = await named(`subjects/${subject.slice(0, 2)}/${subject}.json`, digest);
    if (file === null) return { kind: 'gone' };
    if (keys.kind === 'kek') {
      return locked(id, async () => {
        const root = await once('subjects', rootKey);
        if (root.kind !== 'key') throw new Error(root.kind === 'locked' ? root.why : 'subjects/key.json is not there');
        const wrapped = Buffer.from(String(file['wrapped']), 'base64');
        const context = `countersign/v1/subject\0${subject}`;
        return opened(root.key, wrapped.subarray(0, 12), wrapped.subarray(12), context) ?? Buffer.alloc(0);
      });
    }
    const { age } = file;
    if (typeof age !== 'string') return { kind: 'locked', why: `${id} was not sealed for age identities` };
    return locked(id, () => openAge(Buffer.from(age, 'base64')));
  }

  async function rootKey(): Promise<Key> {
    const file = parse((await readOptional(join(folder, 'subjects/key.json'))) ?? Buffer.alloc(0));
    return file === null ? { kind: 'gone' } : locked('subjects/key.json', () => unwrap(file, 'subjects'));
  }

  async function unwrap(file: Manifest, name: string): Promise<Uint8Array> {
    if (keys.kind !== 'kek') throw new Error('it has no key-encryption key');
    return keys.unwrap(Buffer.from(String(file['wrapped']), 'base64'), name, String(file['kek']));
  }

  async function openAge(file: Buffer): Promise<Uint8Array> {
    if (keys.kind !== 'age') throw new Error('it has no age identity');
    return keys.open(file);
  }

  /** A key file, if it is the one that the records name. */
  async function named(path: string, digest: string): Promise<Manifest | null> {
    const bytes = digest === '' ? null : await readOptional(join(folder, path));
    return bytes !== null && sha256(bytes).toString('hex').startsWith(digest) ? parse(bytes) : null;
  }

  return { keyOf };
}

async function locked(id: string, open: () => Promise<Uint8Array>): Promise<Key> {
  try {
    const key = await open();
    return key.length === 32 ? { kind: 'key', key } : { kind: 'locked', why: `the key ${id} does not open` };
  } catch (thrown) {
    return { kind: 'locked', why: thrown instanceof Error ? thrown.message : String(thrown) };
  }
}

function parse(bytes: Buffer): Manifest | null {
  try {
    const value: unknown = JSON.parse(bytes.toString());
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

function object(value: unknown): Manifest {
  return isObject(value) ? value : {};
}

function isObject(value: unknown): value is Manifest {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
