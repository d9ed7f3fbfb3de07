import { expect, test } from 'vitest';
import { createCapture } from '../../../src/exchange/capture.ts';
import { limits } from '../../../src/lib/limits.ts';

const bytes = (text: string): Buffer => Buffer.from(text);

test.each([
  { name: 'full, unchanged', capture: 'full', out: ['ab', 'cd'], want: { output: 'abcd', released: null } },
  { name: 'full, masked', capture: 'full', out: ['ab', 'XY'], want: { output: 'abcd', released: 'abXY' } },
  { name: 'masked', capture: 'masked', out: ['ab', 'XY'], want: { output: null, released: 'abXY' } },
  { name: 'metadata', capture: 'metadata', out: ['ab', 'XY'], want: { output: null, released: null } },
] as const)('$name', ({ capture, out, want }) => {
  const kept = createCapture(capture);
  for (const piece of ['ab', 'cd']) kept.receive(bytes(piece));
  for (const piece of out) kept.release({ bytes: bytes(piece), masked: bytes(piece) });
  const { output, released, isTruncated } = kept.taken();
  expect({ output: output?.toString() ?? null, released: released?.toString() ?? null, isTruncated }).toEqual({
    ...want,
    isTruncated: false,
  });
});

test('values that were put back are kept only where everything is', () => {
  const keptOf = (capture: 'full' | 'masked'): string | undefined => {
    const kept = createCapture(capture);
    kept.release({ bytes: bytes('value'), masked: bytes('PLACEHOLDER') });
    return kept.taken().released?.toString();
  };
  expect([keptOf('full'), keptOf('masked')]).toEqual(['value', 'PLACEHOLDER']);
});

test('what is beyond the bound is left out, and that is said', () => {
  const kept = createCapture('full');
  kept.receive(Buffer.alloc(limits.bodyBytesMax));
  kept.receive(bytes('x'));
  const { output, isTruncated } = kept.taken();
  expect([output?.length, isTruncated]).toEqual([limits.bodyBytesMax, true]);
});

test.each([
  { capture: 'full', want: ['output cd', 'output_released XY'] },
  { capture: 'masked', want: ['output_released XY'] },
  { capture: 'metadata', want: [] },
] as const)('whoever follows is told what is kept, and no more ($capture)', ({ capture, want }) => {
  const told: string[] = [];
  const kept = createCapture(capture);
  kept.receive(bytes('ab'));
  kept.follow({ add: (name, piece) => void told.push(`${name} ${Buffer.from(piece)}`), end: () => undefined });
  kept.receive(bytes('cd'));
  kept.release({ bytes: bytes('XY'), masked: bytes('XY') });
  expect(told).toEqual(want);
});
