import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatTraceparent, parseTraceparent } from '../../../src/telemetry/trace-context.ts';

const traceId = '0af7651916cd43dd8448eb211c80319c';
const parentId = 'b7ad6b7169203331';

test.each([
  { name: 'sampled', header: `00-${traceId}-${parentId}-01`, want: { traceId, parentId, sampled: true } },
  { name: 'not sampled', header: `00-${traceId}-${parentId}-00`, want: { traceId, parentId, sampled: false } },
  { name: 'other flags', header: `00-${traceId}-${parentId}-fe`, want: { traceId, parentId, sampled: false } },
  { name: 'blanks around', header: ` 00-${traceId}-${parentId}-01 `, want: { traceId, parentId, sampled: true } },
  {
    name: 'a later version with more',
    header: `cc-${traceId}-${parentId}-01-what-comes`,
    want: { traceId, parentId, sampled: true },
  },
  { name: 'version 00 with more', header: `00-${traceId}-${parentId}-01-x`, want: null },
  { name: 'version ff', header: `ff-${traceId}-${parentId}-01`, want: null },
  { name: 'trace of zeros', header: `00-${'0'.repeat(32)}-${parentId}-01`, want: null },
  { name: 'parent of zeros', header: `00-${traceId}-${'0'.repeat(16)}-01`, want: null },
  { name: 'upper case', header: `00-${traceId.toUpperCase()}-${parentId}-01`, want: null },
  { name: 'too short', header: `00-${traceId.slice(1)}-${parentId}-01`, want: null },
  { name: 'no flags', header: `00-${traceId}-${parentId}`, want: null },
  { name: 'two headers joined', header: `00-${traceId}-${parentId}-01, 00-${traceId}-${parentId}-01`, want: null },
  { name: 'much too long', header: `cc-${traceId}-${parentId}-01-${'x'.repeat(512)}`, want: null },
  { name: 'empty', header: '', want: null },
  { name: 'absent', header: undefined, want: null },
])('$name', ({ header, want }) => {
  expect(parseTraceparent(header)).toEqual(want);
});

test('what is written can be read', () => {
  const hex = (length: number) =>
    fc
      .string({ unit: fc.constantFrom(...'0123456789abcdef'), minLength: length, maxLength: length })
      .filter((id) => /[1-9a-f]/.test(id));
  fc.assert(
    fc.property(hex(32), hex(16), fc.boolean(), (trace, parent, sampled) => {
      const context = { traceId: trace, parentId: parent, sampled };
      expect(parseTraceparent(formatTraceparent(context))).toEqual(context);
    }),
  );
});
