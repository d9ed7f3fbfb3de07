import type { Sliced } from '../lib/slices.ts';
import type { SealedKind } from '../llm/conversation.ts';
import type { ParsedBody } from '../llm/dialect.ts';
import type { MaskedBody } from './mask-body.ts';
import type { PlaceholderFinder } from './placeholder-finder.ts';
import type { Restorer } from './restorables.ts';
import { createTextStreamRestorer, restoreText } from './restore-text.ts';

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

/** Texts that are looked at between two turns, and characters of one. */
const turnTexts = 1024;
const turnChars = 65_536;

function* restoring(text: string, finder: PlaceholderFinder, restorer: Restorer): Sliced<string> {
  if (text.length <= turnChars) return restoreText(text, finder, restorer);
  const whole = createTextStreamRestorer(finder, restorer);
  for (let at = 0; at < text.length; at += turnChars) {
    whole.push(text.slice(at, at + turnChars));
    yield;
  }
  whole.close();
  return whole.take(text.length) ?? text;
}
