import type { Masking } from './decider.ts';
import { createJsonStreamMasker, maskJsonText } from './json-stream-masker.ts';
import { maskCounted } from './mask-text.ts';
import { createTextStreamMasker } from './stream-masker.ts';
import type { TextEditor } from './text-editor.ts';

/** Masks the findings of every text by the plan. */
export function createMaskingEditor(masking: Masking): TextEditor {
  const { detector, plan, minter, tally } = masking;
  const mask = (text: string, role: string): string =>
    maskCounted(text, detector.scan(text).findings, role, plan, minter, tally);
  return {
    open: ({ role, json }) => (json ? createJsonStreamMasker : createTextStreamMasker)(masking, role),
    whole: ({ text, role, json }) => (json ? maskJsonText(text, masking, role) : mask(text, role)),
    between: (text) => mask(text, 'assistant'),
    counts: tally.list,
  };
}
