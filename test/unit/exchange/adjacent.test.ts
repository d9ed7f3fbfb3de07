import { describe, expect, test } from 'vitest';
import { createDetector } from '../../../src/detect/detector.ts';
import type { Finding } from '../../../src/detect/finding.ts';
import { acrossCharsMax, scanAcross } from '../../../src/exchange/adjacent.ts';
import { inspect } from '../../../src/exchange/inspect.ts';
import { atOnce } from '../../../src/lib/slices.ts';
import type { Segment } from '../../../src/llm/conversation.ts';

const detector = createDetector({ tier: 'core' });

function parts(texts: readonly string[], more: Partial<Segment> = {}): readonly Segment[] {
  return texts.map((text, index) => ({
    pointer: `/messages/0/content/${index}/text`,
    role: 'user',
    kind: 'text',
    text,
    ...more,
  }));
}

function found(segments: readonly Segment[]): string[][] {
  const scans = inspect(detector, segments);
  if (!Array.isArray(scans)) throw new Error('small bodies are scanned at once');
  return scans.map(({ findings }: { findings: readonly Finding[] }, index: number) =>
    findings.map(({ entity, start, end }) => `${entity} ${segments[index]?.text.slice(start, end)}`),
  );
}

describe('a value that is cut by the border of two parts', () => {
  test.each([
    {
      name: 'within a group of digits',
      texts: ['card 4111 1111 11', '11 1111 please'],
      want: [['CREDIT_CARD 4111 1111 11'], ['CREDIT_CARD 11 1111']],
    },
    {
      name: 'between groups, the space lost',
      texts: ['card 4111 1111', '1111 1111 please'],
      want: [['CREDIT_CARD 4111 1111'], ['CREDIT_CARD 1111 1111']],
    },
    {
      name: 'over three parts',
      texts: ['4111', '11111111', '1111'],
      want: [['CREDIT_CARD 4111'], ['CREDIT_CARD 11111111'], ['CREDIT_CARD 1111']],
    },
    {
      name: 'a word before the border',
      texts: ['my password is', 'Wq83kPzU2'],
      want: [['SECRET_PASSWORD is'], ['SECRET_PASSWORD Wq83kPzU2']],
    },
    {
      name: 'beside whole values',
      texts: ['a@example.com and jane', '@example.com, 4111111111111111'],
      want: [
        ['EMAIL_ADDRESS a@example.com', 'EMAIL_ADDRESS jane'],
        ['EMAIL_ADDRESS @example.com', 'CREDIT_CARD 4111111111111111'],
      ],
    },
    {
      name: 'in long parts',
      texts: [`${'word '.repeat(200)}4111 1111`, ` 1111 1111${' word'.repeat(200)}`],
      want: [['CREDIT_CARD 4111 1111'], ['CREDIT_CARD  1111 1111']],
    },
  ])('$name', ({ texts, want }) => {
    expect(found(parts(texts))).toEqual(want);
  });
});

test('messages of one role that follow each other are read together as well', () => {
  const cut = ['4111 1111 11', '11 1111'];
  const segments = cut.flatMap((text, i) => parts([text], { pointer: `/messages/${i}/content` }));
  expect(found(segments)).toEqual([['CREDIT_CARD 4111 1111 11'], ['CREDIT_CARD 11 1111']]);
});

describe('what is not read together', () => {
  const cut = ['4111 1111 11', '11 1111'];
  test.each([
    { name: 'items of a list', segments: cut.flatMap((text, i) => parts([text], { pointer: `/input/${i}` })) },
    { name: 'results of tools', segments: parts(cut, { kind: 'tool_result' }) },
  ])('$name', ({ segments }) => {
    expect(found(segments)).toEqual([[], []]);
  });

  test('other roles', () => {
    const [first, second] = parts(cut);
    if (!first || !second) throw new Error('there are two');
    expect(found([first, { ...second, role: 'assistant' }])).toEqual([[], []]);
  });

  test('what lies further from the border than the bound', () => {
    const far = `jane.${'doe'.repeat(acrossCharsMax)}`;
    const segments = parts([far, '@example.com']);
    const scans = atOnce(scanAcross(detector, segments, [{ findings: [] }, { findings: [] }]));
    expect(scans[0]?.findings.map(({ start }) => start >= far.length - acrossCharsMax)).toEqual([true]);
  });
});
