import type { Masking } from './decider.ts';
import { createJsonStreamMasker, maskJsonText } from './json-stream-masker.ts';
import { maskCounted, maskingCounted } from './mask-text.ts';
import { scanningInTurns } from './scan-in-turns.ts';
import { createTextStreamMasker, editingInTurns } from './stream-masker.ts';
import type { TextEditor } from './text-editor.ts';

/** Masks the findings of every text by the plan. */
export function createMaskingEditor(masking: Masking): TextEditor {
  const { detector, plan, minter, tally } = masking;
  const mask = (text: string, role: string): string =>
    maskCounted(text, detector.scan(text).findings, role, plan, minter, tally);
  return {
    open: ({ role, json }) => (json ? createJsonStreamMasker : createTextStreamMasker)(masking, role),
    whole: ({ text, role, json }) => (json ? maskJsonText(text, masking, role) : mask(text, role)),
    wholeInTurns: function* ({ text, role, json }) {
      if (json) return yield* editingInTurns(createJsonStreamMasker(masking, role), text);
      const { findings } = yield* scanningInTurns(detector, text);
      return yield* maskingCounted(text, findings, role, plan, minter, tally);
    },
    between: (text) => mask(text, 'assistant'),
    counts: tally.list,
  };
}
