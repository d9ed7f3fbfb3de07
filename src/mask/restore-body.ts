import type { ParsedBody } from '../llm/dialect.ts';
import type { MaskedBody } from './mask-body.ts';
import type { Restorer } from './restorables.ts';
import { restoreText } from './restore-text.ts';

/** A masked body with values put back, which are not masked again; the masked body's own buffer when there are none. */
export function restoreBody(parsed: ParsedBody, masked: MaskedBody, restorer: Restorer): Buffer {
  const replacements = new Map(masked.replacements);
  let isTouched = false;
  for (const [index, segment] of parsed.conversation.segments.entries()) {
    const finder = segment.isSealed ? null : restorer.finder(segment.kind);
    if (finder === null) continue;
    const text = masked.replacements.get(index) ?? segment.text;
    const restored = restoreText(text, finder, restorer);
    if (restored === text) continue;
    replacements.set(index, restored);
    isTouched = true;
  }
  return isTouched ? parsed.rewrite(replacements) : masked.body;
}
