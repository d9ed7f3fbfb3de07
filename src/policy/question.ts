import type { Bundle } from './bundle.ts';
import type { PolicyInput } from './decision.ts';

/** What policy is asked. */
export type Question = Partial<PolicyInput> & Pick<PolicyInput, 'version' | 'phase'>;

/** The input less what no rule reads: fewer bytes for the engine to parse, and questions that differ in nothing else are one. */
export function questionOf(input: PolicyInput, { readsText, reads }: Bundle): Question {
  const conversation = readsText ? input.conversation : withoutTexts(input.conversation);
  if (reads === null) return { ...input, conversation };
  const { version, phase } = input;
  const isRead = (name: keyof PolicyInput): boolean => reads.includes(name);
  return {
    version,
    phase,
    ...(isRead('exchange') ? { exchange: input.exchange } : {}),
    ...(isRead('subject') ? { subject: input.subject } : {}),
    ...(isRead('resource') ? { resource: input.resource } : {}),
    ...(isRead('conversation') ? { conversation } : {}),
    ...(isRead('findings') ? { findings: input.findings } : {}),
    ...(isRead('approval') ? { approval: input.approval } : {}),
    ...(isRead('http') ? { http: input.http } : {}),
    ...(isRead('envoy') ? { envoy: input.envoy } : {}),
  };
}

function withoutTexts(conversation: PolicyInput['conversation']): PolicyInput['conversation'] {
  return { ...conversation, segments: conversation.segments.map((segment) => ({ ...segment, text: '' })) };
}

/**
 * JSON.stringify writes a lone surrogate as an escape (`\\ud800`), on which the engine's parser traps. A caller can send one
 * in any string of its body; it becomes U+FFFD, as it does in every other UTF-8 reader.
 */
export function written(question: Question): string {
  const json = JSON.stringify(question);
  return json.includes('\\ud') ? JSON.stringify(wellFormed(JSON.parse(json))) : json;
}

function wellFormed(value: unknown): unknown {
  if (typeof value === 'string') return value.toWellFormed();
  if (Array.isArray(value)) return value.map(wellFormed);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key.toWellFormed(), wellFormed(member)]));
}

/** About how much work a question is, in characters of text, told without writing it. */
export function sizeOf({ conversation, findings }: Question): number {
  let size = (findings?.length ?? 0) * rowChars;
  if (conversation === undefined) return size;
  size += (conversation.segments.length + conversation.uninspected.length + conversation.tools.length) * rowChars;
  for (const { text } of conversation.segments) size += text.length;
  return size;
}

/** An entry of a list, however short its texts are, is as much work as so many characters of one text. */
const rowChars = 300;

/**
 * What `written` writes (its members in another order), in pieces of about `pieceChars`: what a caller can make long, texts and lists, is
 * written bit by bit, so that the work can be spread over turns of the event loop.
 */
export function* piecesOf(question: Question, pieceChars: number): Generator<string> {
  let piece = '';
  for (const fragment of fragmentsOf(question, pieceChars)) {
    piece += fragment;
    if (piece.length < pieceChars) continue;
    yield piece;
    piece = '';
  }
  yield piece;
}

function* fragmentsOf(question: Question, pieceChars: number): Generator<string> {
  const { conversation, findings, ...rest } = question;
  yield written(rest).slice(0, -1);
  if (findings !== undefined) {
    yield ',"findings":[';
    yield* rowsOf(findings);
    yield ']';
  }
  if (conversation !== undefined) {
    yield ',"conversation":{"tools":[';
    yield* rowsOf(conversation.tools);
    yield '],"uninspected":[';
    yield* rowsOf(conversation.uninspected);
    yield '],"segments":[';
    for (const [index, { text, ...members }] of conversation.segments.entries()) {
      yield `${index === 0 ? '' : ','}${JSON.stringify(wellFormed(members)).slice(0, -1)},"text":"`;
      // Without its quotes: pieces of one string.
      for (const part of partsOf(text, pieceChars)) yield JSON.stringify(part.toWellFormed()).slice(1, -1);
      yield '"}';
    }
    yield ']}';
  }
  yield '}';
}

function* rowsOf(rows: readonly unknown[]): Generator<string> {
  for (const [index, row] of rows.entries()) yield `${index === 0 ? '' : ','}${JSON.stringify(wellFormed(row))}`;
}

/** Parts of a text, cut between characters: half a surrogate pair would be mended in each of them. */
function* partsOf(text: string, partChars: number): Generator<string> {
  for (let from = 0; from < text.length; ) {
    let to = Math.min(from + partChars, text.length);
    if (to < text.length && isLowSurrogate(text.charCodeAt(to))) to++;
    yield text.slice(from, to);
    from = to;
  }
}

function isLowSurrogate(code: number): boolean {
  return code >= 0xdc00 && code <= 0xdfff;
}
