import { limits } from '../lib/limits.ts';
import { err, ok, type Result } from '../lib/result.ts';
import type { Sliced } from '../lib/slices.ts';
import type { Conversation, Segment, Uninspected } from './conversation.ts';
import type { BodyError, ParsedBody } from './dialect.ts';
import { createGenericText } from './generic-text.ts';
import { decodingValidUtf8, encodingUtf8 } from './utf8.ts';

/** A text of a form, with its place in the body. */
export interface FormText {
  readonly pointer: string;
  readonly kind: 'text' | 'metadata';
  readonly text: string;
  /** Bytes of the body that hold it. */
  readonly start: number;
  readonly end: number;
  /** How another text is written in its place. */
  encode(text: string): Sliced<Buffer>;
}

/** A form as its syntax tells it. */
export interface Form {
  /** In the order of their places, which do not overlap. */
  readonly texts: readonly FormText[];
  readonly uninspected: readonly Uninspected[];
  /** Text fields by name, the first of each. */
  readonly fields: ReadonlyMap<string, string>;
}

/**
 * A form as a body: a text that is a JSON document has a segment for each of its leaves, any other is one. `rewrite` replaces the texts that
 * change and leaves every other byte alone. More than `limits.formTextsMax` texts are `too_many_values`.
 */
export function* formBody(
  body: Buffer,
  form: Form,
  summary: Omit<Conversation, 'segments' | 'uninspected'>,
): Sliced<Result<ParsedBody, BodyError>> {
  if (form.texts.length > limits.formTextsMax) {
    return err({ kind: 'too_many_values', message: `the form has more than ${limits.formTextsMax} texts` });
  }
  const read = createGenericText();
  const slots: Slot[] = [];
  const segments: Segment[] = [];
  for (const [position, text] of form.texts.entries()) {
    if (position % turnTexts === turnTexts - 1) yield;
    const inner = yield* read.readRequest(yield* encodingUtf8([text.text]), noRoute);
    if (!inner.ok) return inner;
    slots.push({ text, inner: inner.value, first: segments.length });
    for (const segment of inner.value.conversation.segments) segments.push(placed(text, segment));
  }
  return ok({
    conversation: { ...summary, segments, uninspected: form.uninspected },
    rewrite: (replacements) => rewrite(body, slots, replacements),
  });
}

/** Texts that are read or written between two turns, however short they are. */
const turnTexts = 256;

interface Slot {
  readonly text: FormText;
  readonly inner: ParsedBody;
  /** Index of its first segment. */
  readonly first: number;
}

const noRoute = { method: 'POST', path: '/', header: () => null };

function placed(text: FormText, segment: Segment): Segment {
  const isWhole = segment.pointer === '';
  return {
    ...segment,
    pointer: isWhole ? text.pointer : `${text.pointer}#${segment.pointer}`,
    role: segment.role === 'unknown' ? 'user' : segment.role,
    kind: isWhole ? text.kind : segment.kind,
  };
}

function* rewrite(body: Buffer, slots: readonly Slot[], replacements: ReadonlyMap<number, string>): Sliced<Buffer> {
  const parts: Buffer[] = [];
  let at = 0;
  for (const [position, { text, inner, first }] of slots.entries()) {
    if (position % turnTexts === turnTexts - 1) yield;
    const changed = new Map<number, string>();
    for (const index of inner.conversation.segments.keys()) {
      const replacement = replacements.get(first + index);
      if (replacement !== undefined) changed.set(index, replacement);
    }
    if (changed.size === 0) continue;
    const written = yield* decodingValidUtf8(yield* inner.rewrite(changed));
    if (written === text.text) continue;
    parts.push(body.subarray(at, text.start), yield* text.encode(written));
    at = text.end;
  }
  return parts.length === 0 ? body : Buffer.concat([...parts, body.subarray(at)]);
}
