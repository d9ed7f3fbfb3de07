import { err, ok, type Result } from '../lib/result.ts';
import { inSlices, type Sliced } from '../lib/slices.ts';
import { decodeBodyAside } from '../llm/content-encoding.ts';
import type { Conversation, Segment, Uninspected } from '../llm/conversation.ts';
import type { BodyError, Dialect, EventReading, EventText, RouteFacts, StreamFraming } from '../llm/dialect.ts';
import { createFramer } from '../llm/framers.ts';
import type { StreamEvent } from '../llm/framing.ts';
import { answerKind } from './answer-body.ts';
import type { ResponseHead } from './exchange.ts';

/** A whole answer, as policy and a reviewer need it. */
export interface AnswerRead {
  /** Content encoding removed. */
  readonly plain: Buffer;
  readonly texts: Pick<Conversation, 'segments' | 'uninspected'>;
}

/**
 * Reads an answer that has arrived whole, streamed or not. The pieces of a running text are joined; a copy of it in a
 * closing event is left out. What is no text is said to be uninspected.
 */
export async function readAnswer(
  route: RouteFacts,
  head: ResponseHead,
  dialect: Dialect,
  body: Buffer,
  bodyBytesMax: number,
): Promise<Result<AnswerRead, BodyError>> {
  const decoded = await decodeBodyAside(body, head.headers.get('content-encoding') ?? null, bodyBytesMax);
  if (!decoded.ok) return decoded;
  const plain = decoded.value;
  const kind = answerKind(route, head, dialect);
  if (kind === 'binary' || plain.length === 0) {
    const uninspected: Uninspected[] = plain.length === 0 ? [] : [{ pointer: '', kind: 'binary' }];
    return ok({ plain, texts: { segments: [], uninspected } });
  }
  if (kind === 'json') {
    const parsed = await inSlices(dialect.readResponse(plain));
    if (!parsed.ok) return parsed;
    const { segments, uninspected } = parsed.value.conversation;
    return ok({ plain, texts: { segments, uninspected } });
  }
  if (kind === 'text') {
    const segments: Segment[] = [{ pointer: '', role: 'assistant', kind: 'text', text: plain.toString('utf8') }];
    return ok({ plain, texts: { segments, uninspected: [] } });
  }
  const texts = await inSlices(readEvents(kind, dialect, plain));
  return texts.ok ? ok({ plain, texts: texts.value }) : texts;
}

/** Bytes of events that are read between two turns. */
const turnBytes = 16_384;
const nothingMore: Result<readonly StreamEvent[], BodyError> = ok([]);

function* readEvents(
  framing: Exclude<StreamFraming, 'text'>,
  dialect: Dialect,
  plain: Buffer,
): Sliced<Result<AnswerRead['texts'], BodyError>> {
  const framer = createFramer(framing);
  const reader = dialect.openStream();
  const texts = createTexts();
  for (let at = 0; at <= plain.length; at += turnBytes) {
    const isLast = at + turnBytes > plain.length;
    const pushed = framer.push(plain.subarray(at, at + turnBytes));
    if (!pushed.ok) return pushed;
    const ended = isLast ? framer.end() : nothingMore;
    if (!ended.ok) return ended;
    for (const event of [...pushed.value, ...ended.value]) {
      if (event.payload === null) continue;
      const reading = reader.read(event.payload, event.event);
      if (!reading.ok) return err(reading.error);
      texts.add(reading.value);
    }
    if (!isLast) yield;
  }
  return ok(texts.all());
}

interface Texts {
  add(reading: EventReading): void;
  all(): AnswerRead['texts'];
}

function createTexts(): Texts {
  const running = new Map<string, { readonly of: EventText; readonly pieces: string[] }>();
  const wholes = new Map<string, EventText>();
  const uninspected = new Map<string, Uninspected>();
  return {
    add: (reading) => {
      for (const delta of reading.deltas) {
        const known = running.get(delta.key);
        if (known) known.pieces.push(delta.text);
        else running.set(delta.key, { of: delta, pieces: [delta.text] });
      }
      for (const whole of reading.wholes) wholes.set(whole.text, whole);
      for (const part of reading.uninspected) uninspected.set(part.kind, part);
    },
    all: () => {
      const segments: Segment[] = [];
      const said = new Set<string>();
      for (const [key, { of, pieces }] of running) {
        const text = pieces.join('');
        said.add(text);
        segments.push({ pointer: `/${key}`, role: of.role, kind: of.kind, text });
      }
      for (const [text, { role, kind }] of wholes) {
        if (!said.has(text)) segments.push({ pointer: '', role, kind, text });
      }
      return { segments, uninspected: [...uninspected.values()] };
    },
  };
}
