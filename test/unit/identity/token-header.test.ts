import { expect, test } from 'vitest';
import { tokenFromHeaders } from '../../../src/identity/token-header.ts';

const bare = { header: 'x-countersign-token', scheme: null };
const bearer = { header: 'authorization', scheme: 'Bearer' };

test.each([
  { name: 'a bare token', where: bare, value: 'a.b.c', want: 'a.b.c' },
  { name: 'blanks around it', where: bare, value: '  a.b.c ', want: 'a.b.c' },
  { name: 'no header', where: bare, value: null, want: null },
  { name: 'an empty header', where: bare, value: ' ', want: null },
  { name: 'the scheme is left out', where: bearer, value: 'Bearer a.b.c', want: 'a.b.c' },
  { name: 'schemes have no case', where: bearer, value: 'bEARER  a.b.c', want: 'a.b.c' },
  { name: 'another scheme holds no token of ours', where: bearer, value: 'Basic dTpw', want: null },
  { name: 'a scheme that only begins so', where: bearer, value: 'BearerX a.b.c', want: null },
  { name: 'a scheme alone', where: bearer, value: 'Bearer', want: null },
])('$name', ({ where, value, want }) => {
  expect(tokenFromHeaders(new Map(value === null ? [] : [[where.header, value]]), where)).toBe(want);
});
