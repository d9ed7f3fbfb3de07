import type { Sliced } from '../lib/slices.ts';
import type { EventDelta, EventText } from '../llm/dialect.ts';
import type { StreamMasker } from './stream-masker.ts';
import type { FindingCount } from './tally.ts';

/** What is done to the texts of one stream: values are masked (masking-editor.ts), or put back (restoring-editor.ts). */
export interface TextEditor {
  /** Works on the running text that this is the first piece of. */
  open(first: Pick<EventDelta, 'role' | 'kind' | 'json'>): StreamMasker;
  /** A complete text; the very string that was given when nothing of it changes. */
  whole(text: Pick<EventText, 'text' | 'role' | 'kind' | 'json'>): string;
  /** The same for a long one, which gives way in between. */
  wholeInTurns(text: Pick<EventText, 'text' | 'role' | 'kind' | 'json'>): Sliced<string>;
  /** What stands between events: a comment. The very string when nothing of it changes. */
  between(text: string): string;
  /** Findings so far. */
  counts(): readonly FindingCount[];
}
