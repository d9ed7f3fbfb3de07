import { isUtf8 } from 'node:buffer';
import type { MaskingScope } from '../exchange/session.ts';
import { Fault } from '../lib/fault.ts';
import type { RandomBytes } from '../lib/ids.ts';
import type { JsonObject } from '../lib/json.ts';
import type { Segment } from '../llm/conversation.ts';
import { createMinter, type Minter } from '../mask/placeholder.ts';
import { createFormMinter, type FormMinter, type Written } from './replay-form.ts';

/** What was sent on, beside what masking writes now of what came. */
export type BytesAgain =
  /** `form`: placeholders, hashes and surrogates were compared by their form and by which are equal, for want of their key; all else by bytes. */
  | { readonly result: 'same'; readonly by: 'bytes' | 'form' }
  | { readonly result: 'different'; readonly at: Place }
  /** Masking fails now on what it wrote then. */
  | { readonly result: 'different'; readonly at: null; readonly why: string }
  | { readonly result: 'not comparable'; readonly why: string };

/** Where two bodies differ first; says nothing of what stands there. */
export interface Place {
  /** JSON pointer of a text, or of a stream the name of its running text; null: outside of all texts. */
  readonly path: string | null;
  /** UTF-16 code units into that text; without one, bytes into the body. */
  readonly offset: number;
}

/** What masking stands on besides the record. */
export interface Writing {
  /** Every key that may have written placeholders for the tenant; empty: none is here. */
  readonly keysOf: (tenant: string) => readonly Uint8Array[];
  /** Names that the detector and a recogniser may report. */
  readonly entities: ReadonlySet<string>;
  readonly maskingScope: MaskingScope;
  readonly random: RandomBytes;
}

/** A body on record, and how it is written again. */
export interface BodyAgain {
  readonly recorded: Buffer;
  /** By the service's own masking, from what came. May be asked several times. */
  write(minter: Minter): Promise<Buffer>;
  /** The texts of such a body; null: it cannot be read. */
  texts(body: Buffer): Promise<readonly PlacedText[] | null>;
  /** A pointer as it may be shown: a member's name may itself be a value. */
  shown(pointer: string): string;
}

export type PlacedText = Pick<Segment, 'pointer' | 'text'>;

export interface Minting {
  readonly keys: readonly Uint8Array[];
  readonly scope: string;
  readonly entities: ReadonlySet<string>;
  /** What was written in this scope before, in the request of an answer. */
  readonly known: readonly Written[];
  readonly isKept?: (value: string) => boolean;
  readonly random: RandomBytes;
}

export interface Compared {
  readonly outcome: BytesAgain;
  /** What stands for which value, in the order in which it was written first; all of it where the bodies are the same. */
  readonly written: readonly Written[];
}

/**
 * Writes a body again under each key that is here, and where none gives the recorded bytes, by the form of what only a key can write. A key that has
 * written some of it is the key: then the rest must be its own as well.
 */
export async function compareBytes(body: BodyAgain, minting: Minting): Promise<Compared> {
  try {
    return await compare(body, minting);
  } catch (thrown) {
    const { code } = Fault.from(thrown);
    if (code !== 'masking_failed' && code !== 'detection_failed') throw thrown;
    return { outcome: { result: 'different', at: null, why: `masking it again fails: ${code}` }, written: [] };
  }
}

async function compare(body: BodyAgain, minting: Minting): Promise<Compared> {
  for (const key of minting.keys) {
    const { minter, written } = noting(minterOf(minting, key));
    const again = await body.write(minter);
    if (again.equals(body.recorded)) return { outcome: { result: 'same', by: 'bytes' }, written: written() };
  }
  const recorded = await body.texts(body.recorded);
  const form = createFormMinter({
    ...minting,
    recorded: recorded?.map(({ text }) => text).join('\n') ?? body.recorded.toString('latin1'),
  });
  const minter = { ...form.minter, keeps: minting.isKept ?? form.minter.keeps };
  let again = await body.write(minter);
  if (form.unread().length > 0) {
    form.read(texts((await body.texts(again)) ?? []), texts(recorded ?? []));
    again = await body.write(minter);
  }
  if (form.unread().length > 0) {
    // Some texts are not read any more once they are masked: what looks sealed then.
    form.read([again.toString('latin1')], [body.recorded.toString('latin1')]);
    again = await body.write(minter);
  }
  if (form.unread().length > 0 && !isUtf8(again) && !(await isRead(body, again, form.unread()))) {
    return { outcome: outOfSight, written: [] };
  }
  if (!again.equals(body.recorded)) return { outcome: await different(body, again), written: [] };
  const other = await underItsKey(body, minting, form);
  if (other !== null) return { outcome: await different(body, other), written: [] };
  const by = form.isNeeded() ? 'form' : 'bytes';
  return { outcome: { result: 'same', by }, written: form.written() };
}

async function isRead(body: BodyAgain, bytes: Buffer, marks: readonly string[]): Promise<boolean> {
  const read = texts((await body.texts(bytes)) ?? []);
  return marks.some((mark) => read.some((text) => text.includes(mark)));
}

/** Binary frames have lengths and checksums, so that their bytes tell nothing around a text of another length. */
const outOfSight: BytesAgain = {
  result: 'not comparable',
  why: 'a placeholder stands where no text is read, and its key is not here',
};

function minterOf({ keys, scope, entities, isKept }: Minting, key: Uint8Array): Minter {
  const otherKeys = keys.filter((other) => other !== key);
  return createMinter({ key, otherKeys, scope, entities, ...(isKept ? { isKept } : {}) });
}

/** The body as the key writes it that has written some of what is recorded, and not all; null: there is no such key. */
async function underItsKey(body: BodyAgain, minting: Minting, form: FormMinter): Promise<Buffer | null> {
  // Of surrogates there are few: one may be met by chance.
  const words = form.written().filter((each) => each.form !== 'surrogate');
  for (const key of minting.keys) {
    const minter = minterOf(minting, key);
    const own = words.filter(({ form: kind, entity, value, written }) => minter[kind](entity, value) === written);
    if (own.length > 0 && own.length < words.length) return body.write(minter);
  }
  return null;
}

function noting(minter: Minter): { readonly minter: Minter; written(): readonly Written[] } {
  const all: Written[] = [];
  const note = (form: Written['form'], entity: string, value: string, written: string): string => {
    all.push({ form, entity, value, written });
    return written;
  };
  return {
    minter: {
      ...minter,
      token: (entity, value) => note('token', entity, value, minter.token(entity, value)),
      hash: (entity, value) => note('hash', entity, value, minter.hash(entity, value)),
      surrogate: (entity, value) => {
        const written = minter.surrogate(entity, value);
        return written === null ? null : note('surrogate', entity, value, written);
      },
    },
    written: () => all,
  };
}

async function different(body: BodyAgain, again: Buffer): Promise<BytesAgain> {
  const [recorded, written] = [await body.texts(body.recorded), await body.texts(again)];
  for (const [index, there] of (recorded ?? []).entries()) {
    const here = written?.[index];
    if (here?.pointer !== there.pointer) break;
    const offset = firstDifference(there.text, here.text);
    if (offset !== null) return { result: 'different', at: { path: body.shown(there.pointer), offset } };
  }
  const offset = firstDifference(body.recorded.toString('latin1'), again.toString('latin1')) ?? 0;
  return { result: 'different', at: { path: null, offset } };
}

function firstDifference(one: string, other: string): number | null {
  if (one === other) return null;
  let at = 0;
  while (at < one.length && one.charCodeAt(at) === other.charCodeAt(at)) at++;
  return at;
}

function texts(placed: readonly PlacedText[]): readonly string[] {
  return placed.map(({ text }) => text);
}

export function bytesJson(outcome: BytesAgain): JsonObject {
  return outcome.result === 'different' ? { ...outcome, at: outcome.at && { ...outcome.at } } : { ...outcome };
}

/** One line of it, for people. */
export function bytesText(outcome: BytesAgain): string {
  switch (outcome.result) {
    case 'same':
      return outcome.by === 'bytes' ? 'same' : 'same (placeholders by their form: no key here wrote them)';
    case 'different': {
      if (outcome.at === null) return `different (${outcome.why})`;
      const { path, offset } = outcome.at;
      return path === null ? `different at byte ${offset}` : `different at ${path || '/'}, character ${offset}`;
    }
    default:
      return `not comparable (${outcome.why})`;
  }
}
