import { Fault } from '../../lib/fault.ts';
import type { AuditKeys } from '../keys.ts';

/** A key that the sinks' thread asks the thread with the key-encryption key for. */
export interface UnwrapQuestion {
  readonly kind: 'unwrap';
  readonly question: number;
  readonly wrapped: Uint8Array;
  readonly name: string;
  readonly kek: string | undefined;
}

export interface UnwrapAnswer {
  readonly kind: 'unwrapped';
  readonly question: number;
  /** Null: it cannot be had, and `reason` says why. */
  readonly key: Uint8Array | null;
  readonly reason: string;
}

/** Answers a question. Never rejects. */
export async function answerUnwrap(keys: Pick<AuditKeys, 'unwrap'>, asked: UnwrapQuestion): Promise<UnwrapAnswer> {
  const { question, wrapped, name, kek } = asked;
  try {
    return { kind: 'unwrapped', question, key: alone(await keys.unwrap(wrapped, name, kek)), reason: '' };
  } catch (thrown) {
    return { kind: 'unwrapped', question, key: null, reason: Fault.from(thrown).message };
  }
}

/** In memory of its own: a message takes the whole pool along that a buffer lies in. */
function alone(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from(bytes);
}

export interface KeysAcross extends Pick<AuditKeys, 'unwrap'> {
  onAnswer(answer: UnwrapAnswer): void;
}

/** The keys of the latest hours and the one that wraps those of persons: an hour's records ask once. */
const rememberedMax = 8;

/** The other end: unwraps by asking. Keys that were got are remembered, a few of them, so that a key service is not asked for each record. */
export function createKeysAcross(ask: (question: UnwrapQuestion) => void): KeysAcross {
  const waiting = new Map<number, (answer: UnwrapAnswer) => void>();
  const remembered = new Map<string, Buffer>();
  let last = 0;

  return {
    unwrap: async (wrapped, name, kek) => {
      const id = `${name} ${kek ?? ''} ${Buffer.from(wrapped).toString('base64')}`;
      const known = remembered.get(id);
      if (known !== undefined) return known;
      last += 1;
      const question = last;
      const { key, reason } = await new Promise<UnwrapAnswer>((resolve) => {
        waiting.set(question, resolve);
        ask({ kind: 'unwrap', question, wrapped: alone(wrapped), name, kek });
      });
      if (key === null) throw new Fault('key_unavailable', reason);
      const got = Buffer.from(key);
      remembered.set(id, got);
      const [oldest] = remembered.keys();
      if (remembered.size > rememberedMax && oldest !== undefined) remembered.delete(oldest);
      return got;
    },
    onAnswer: (answer) => {
      waiting.get(answer.question)?.(answer);
      waiting.delete(answer.question);
    },
  };
}
