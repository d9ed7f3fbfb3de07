import { expect, test } from 'vitest';
import type { Recognised } from '../../../src/detect/external-recogniser.ts';
import type { Finding } from '../../../src/detect/finding.ts';
import { type ExternalRecognition, recognise } from '../../../src/exchange/recognise.ts';
import { emptyConversation, type Role, type Segment } from '../../../src/llm/conversation.ts';

const never = new AbortController().signal;
const segments: readonly Segment[] = [
  segment('system', 'You help Jane.'),
  segment('user', 'I am Jane, jane@corp.test'),
  segment('user', '42, 7'),
  segment('tool', 'Berlin'),
];
const conversation = { ...emptyConversation, segments };
const email: Finding = { entity: 'EMAIL_ADDRESS', detector: 'email', start: 11, end: 25, score: 0.9 };
const scans = segments.map((_, index) => ({ findings: index === 1 ? [email] : [] }));

function segment(role: Role, text: string): Segment {
  return { pointer: `/${text.length}`, role, kind: 'text', text };
}

function external(answer: (texts: readonly string[]) => Recognised, onFailure: 'deny' | 'ignore'): ExternalRecognition {
  const recogniser = { entities: new Set(['PERSON']), recognise: async (texts: readonly string[]) => answer(texts) };
  return { recogniser, roles: new Set(['user', 'tool']), onFailure };
}

test('texts of the chosen roles that hold words are asked about; our own findings come first where two overlap', async () => {
  const person = (start: number, end: number): Finding => ({
    entity: 'PERSON',
    detector: 'presidio',
    start,
    end,
    score: 0.85,
  });
  let asked: readonly string[] = [];
  const answer = (texts: readonly string[]): Recognised => {
    asked = texts;
    return { kind: 'found', findings: [[person(5, 9), person(11, 15)], [person(0, 6)]] };
  };
  const recognised = await recognise(external(answer, 'deny'), conversation, scans, never);
  expect(asked).toEqual(['I am Jane, jane@corp.test', 'Berlin']);
  expect(recognised.conversation).toBe(conversation);
  expect(recognised.scans.map(({ findings }) => findings)).toEqual([[], [person(5, 9), email], [], [person(0, 6)]]);
});

test('without its word the exchange is refused, or policy is told', async () => {
  const failed = (): Recognised => ({ kind: 'failed', reason: 'status 503' });
  await expect(recognise(external(failed, 'deny'), conversation, scans, never)).rejects.toMatchObject({
    code: 'recogniser_unavailable',
    message: 'the external recogniser failed: status 503',
  });
  const tooMuch = (): Recognised => ({ kind: 'too_much', reason: 'more than 10 characters' });
  await expect(recognise(external(tooMuch, 'deny'), conversation, scans, never)).rejects.toMatchObject({
    code: 'detection_failed',
  });
  const ignored = await recognise(external(failed, 'ignore'), conversation, scans, never);
  expect(ignored.scans).toBe(scans);
  expect(ignored.failure?.code).toBe('recogniser_unavailable');
  expect(ignored.conversation.uninspected).toEqual([{ pointer: '', kind: 'recogniser' }]);
});

test('without a recogniser, or with nothing to ask about, nothing changes', async () => {
  const throwing = (): Recognised => {
    throw new Error('asked');
  };
  expect(await recognise(null, conversation, scans, never)).toEqual({ conversation, scans, failure: null });
  const numbers = { ...emptyConversation, segments: [segment('user', '42')] };
  expect((await recognise(external(throwing, 'deny'), numbers, [{ findings: [] }], never)).conversation).toBe(numbers);
});
