import type { Sliced } from '../lib/slices.ts';
import type { SealedKind } from '../llm/conversation.ts';
import type { ParsedBody } from '../llm/dialect.ts';
import type { MaskedBody } from './mask-body.ts';
import type { PlaceholderFinder } from './placeholder-finder.ts';
import type { Restorer } from './restorables.ts';
import { createTextStreamRestorer, restoreText } from './restore-text.ts';
import { turnChars } from './scan-in-turns.ts';
import { editingInTurns } from './stream-masker.ts';

/** A masked body, which had blocks of the kinds `omits` left out, with values put back, which are not masked again; the masked body's own buffer when there are none. */
export function* restoreBody(
  parsed: ParsedBody,
  masked: MaskedBody,
  restorer: Restorer,
  omits: ReadonlySet<SealedKind>,
): Sliced<Buffer> {
  const replacements = new Map(masked.replacements);
  let isTouched = false;
  for (const [index, segment] of parsed.conversation.segments.entries()) {
    if (index % turnTexts === turnTexts - 1) yield;
    const isGone = segment.block !== undefined && omits.has(segment.block);
    const finder = segment.isSealed || isGone ? null : restorer.finder(segment.kind);
    if (finder === null) continue;
    const text = masked.replacements.get(index) ?? segment.text;
    const restored = yield* restoring(text, finder, restorer);
    if (restored === text) continue;
    replacements.set(index, restored);
    isTouched = true;
  }
  return isTouched ? yield* parsed.rewrite(replacements, omits) : masked.body;
}

/** Texts that are looked at between two turns. */
const turnTexts = 1024;

function* restoring(text: string, finder: PlaceholderFinder, restorer: Restorer): Sliced<string> {
  if (text.length <= turnChars) return restoreText(text, finder, restorer);
  return yield* editingInTurns(createTextStreamRestorer(finder, restorer), text);
}
