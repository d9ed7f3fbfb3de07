import { invariant } from '../lib/invariant.ts';

/** Puts `source` in place of `text.slice(start, end)`. */
export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly source: string;
}

/**
 * `text` with the edits made and everything else as it was. Edits may come in any order; they MUST NOT overlap, except that
 * an edit inside a larger one is dropped (a value that goes away takes what stood in it along).
 */
export function applyEdits(text: string, edits: readonly Edit[]): string {
  return edits.length === 0 ? text : editedParts(text, edits).join('');
}

/** As `applyEdits`, in parts. */
export function editedParts(text: string, edits: readonly Edit[]): readonly string[] {
  const parts: string[] = [];
  let at = 0;
  for (const edit of [...edits].sort((a, b) => a.start - b.start || b.end - a.end)) {
    if (edit.end <= at && edit.start < at) continue;
    invariant(edit.start >= at, 'edits do not overlap');
    parts.push(text.slice(at, edit.start), edit.source);
    at = edit.end;
  }
  parts.push(text.slice(at));
  return parts;
}
