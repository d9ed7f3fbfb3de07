import { Fault } from '../lib/fault.ts';
import { invariant } from '../lib/invariant.ts';
import { limits } from '../lib/limits.ts';
import type { EventDelta } from '../llm/dialect.ts';
import type { Masking } from './decider.ts';
import { createJsonStreamMasker } from './json-stream-masker.ts';
import { createTextStreamMasker, type StreamMasker } from './stream-masker.ts';

/** One text that runs through a stream. */
export interface RunningText {
  readonly masker: StreamMasker;
  readonly json: boolean;
  /** Whether an event went out with a piece of this text changed. */
  isTouched: boolean;
}

/** The running texts of one stream by their keys: at most `limits.streamKeysMax`, ended ones included. */
export interface RunningTexts {
  /** The text that the delta continues, or begins. Throws Fault `masking_failed` at the bound. */
  of(delta: EventDelta): RunningText;
  get(key: string): RunningText | undefined;
  close(keys: readonly string[]): void;
  closeAll(): void;
}

export function createRunningTexts(masking: Masking): RunningTexts {
  const texts = new Map<string, RunningText>();
  return {
    of: (delta) => {
      const known = texts.get(delta.key);
      if (known) {
        invariant(known.json === delta.json, 'a running text is JSON from its first piece to its last, or never');
        return known;
      }
      if (texts.size >= limits.streamKeysMax) throw new Fault('masking_failed', 'too many running texts in one stream');
      const create = delta.json ? createJsonStreamMasker : createTextStreamMasker;
      const text: RunningText = { masker: create(masking, delta.role), json: delta.json, isTouched: false };
      texts.set(delta.key, text);
      return text;
    },
    get: (key) => texts.get(key),
    close: (keys) => {
      for (const key of keys) texts.get(key)?.masker.close();
    },
    closeAll: () => {
      for (const { masker } of texts.values()) masker.close();
    },
  };
}
