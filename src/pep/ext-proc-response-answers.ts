import type { HeaderChanges, ResponseEnd } from '../exchange/exchange.ts';
import type { Answer, BodyChange } from './ext-proc-event.ts';
import { contentLength, withoutContentLength } from './ext-proc-headers.ts';
import type { ResponseSide } from './ext-proc-response.ts';

/**
 * What answers everything that waited for the end. Null when bytes are left that no message can carry any more: then nothing may look
 * complete.
 */
export function lastAnswers(response: ResponseSide, end: ResponseEnd): readonly Answer[] | null {
  const body = joined(response, end.tail);
  const answers: Answer[] = [];
  if (response.waiting === 'headers') {
    if (body.length > 0) return null;
    answers.push(headersAnswer([response.changes, end.headers]));
  } else if (response.mode === 'full_duplex') {
    if (response.withheld) answers.push(headersAnswer([...lengthless(response), end.headers]));
    const endOfStream = !response.withTrailers;
    if (endOfStream || body.length > 0) answers.push(streamed(body, endOfStream));
  } else if (response.waiting === 'trailers') {
    if (body.length > 0) return null;
  } else {
    const isSame = body.equals(response.piece);
    const changes =
      response.mode === 'streamed'
        ? []
        : isSame || !response.hasContentLength
          ? [end.headers]
          : [end.headers, contentLength(body.length)];
    answers.push(bodyAnswer(change(response.piece, body), changes));
  }
  if (response.withTrailers) answers.push(trailersAnswer);
  return answers;
}

function joined(response: ResponseSide, tail: Buffer): Buffer {
  if (response.phase === 'whole' || response.out.length === 0) return tail;
  return tail.length === 0 ? response.out : Buffer.concat([response.out, tail]);
}

/** The header changes of an answer whose length is not known yet. */
export function lengthless(response: ResponseSide): readonly HeaderChanges[] {
  return response.hasContentLength ? [response.changes, withoutContentLength] : [response.changes];
}

/** What an answer says of a body message: an equal one is not sent back. */
export function change(piece: Buffer, out: Buffer): BodyChange {
  if (out.equals(piece)) return { kind: 'keep' };
  return out.length === 0 ? { kind: 'clear' } : { kind: 'replace', body: out };
}

export const trailersAnswer: Answer = { kind: 'trailers', direction: 'response' };

export function headersAnswer(changes: readonly HeaderChanges[]): Answer {
  return { kind: 'headers', direction: 'response', changes };
}

export function bodyAnswer(body: BodyChange, changes: readonly HeaderChanges[]): Answer {
  return { kind: 'body', direction: 'response', body, changes };
}

/** FULL_DUPLEX_STREAMED only. */
export function streamed(body: Buffer, endOfStream: boolean): Answer {
  return { kind: 'streamed', direction: 'response', body, endOfStream };
}
