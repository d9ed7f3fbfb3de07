import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import type { JsonObject } from '../../../src/lib/json.ts';
import { readMembers, readsText } from '../../../src/policy/rego-modules.ts';
import { opaPath } from '../../support/policy.ts';

/** What the parser makes of sources, in their order. */
function parse(sources: readonly string[]): readonly JsonObject[] {
  const query = '[rego.parse_module("p.rego", source) | some source in input]';
  const printed = execFileSync(opaPath(), ['eval', '--format', 'raw', '--stdin-input', query], {
    input: JSON.stringify(sources),
    encoding: 'utf8',
  });
  const trees: readonly JsonObject[] = JSON.parse(printed);
  expect(trees.length).toBe(sources.length);
  return trees;
}

function rule(body: string, imports = ''): string {
  return `package p\n\n${imports}\n\nx if {\n${body}\n}\n`;
}

describe('whether a policy may read texts', () => {
  const cases = [
    { body: 'input.subject.authenticated', want: false, imports: '' },
    { body: 'input.conversation.tools[_] == "search"', want: false, imports: '' },
    { body: 'some part in input.conversation.uninspected', want: false, imports: '' },
    { body: 'input.conversation.segments[_].role == "user"', want: false, imports: '' },
    { body: 'input.findings[_].entity == "US_SSN"', want: false, imports: '' },
    { body: 'input.conversation.segments[_].text == "x"', want: true, imports: '' },
    { body: 'some segment in input.conversation.segments', want: true, imports: '' },
    { body: 'y := input.conversation; count(y) > 0', want: true, imports: '' },
    { body: 'y := input; count(y) > 0', want: true, imports: '' },
    { body: 'some key; input[key] == 1', want: true, imports: '' },
    { body: 'input.conversation[_][_].text == "x"', want: true, imports: '' },
    { body: 'some member; input.conversation.segments[_][member] == "x"', want: true, imports: '' },
    { body: 'walk(input, [_, value]); value == "x"', want: true, imports: '' },
    { body: 'data.allowed[input.conversation.segments[0].text]', want: true, imports: '' },
    { body: 'input.http.headers[input.conversation.segments[0].text] == "x"', want: true, imports: '' },
    { body: 'c.segments[_].text == "x"', want: true, imports: 'import input.conversation as c' },
    { body: 's.id == "x"', want: false, imports: 'import input.subject as s' },
  ];
  const trees = parse(cases.map(({ body, imports }) => rule(body, imports)));

  test.each(cases.map((given, index) => ({ ...given, ast: trees[index] ?? {} })))('$want: $body', ({ ast, want }) => {
    expect(readsText([{ path: 'p.rego', ast }])).toBe(want);
  });
});

describe('which members of the input are read', () => {
  const cases: { body: string; want: readonly string[] | null; imports: string }[] = [
    { body: 'input.phase == "request"', want: ['phase'], imports: '' },
    { body: 'input.subject.groups[_] == input.resource.model', want: ['resource', 'subject'], imports: '' },
    { body: 'some group in input.subject.groups', want: ['subject'], imports: '' },
    { body: 'data.allowed[input.subject.id]', want: ['subject'], imports: '' },
    { body: 'input.http.headers[input.exchange.session] == "x"', want: ['exchange', 'http'], imports: '' },
    { body: 's.id == "x"', want: ['subject'], imports: 'import input.subject as s' },
    { body: '1 == 1', want: [], imports: '' },
    { body: 'y := input; count(y) > 0', want: null, imports: '' },
    { body: 'some key; input[key] == 1', want: null, imports: '' },
    { body: 'walk(input, [_, value]); value == "x"', want: null, imports: '' },
    { body: 'object.get(input, "subject", {}) == {}', want: null, imports: '' },
    { body: 'input["subject"].id == "x"', want: ['subject'], imports: '' },
  ];
  const trees = parse(cases.map(({ body, imports }) => rule(body, imports)));

  test.each(cases.map((given, index) => ({ ...given, ast: trees[index] ?? {} })))('$want: $body', ({ ast, want }) => {
    expect(readMembers([{ path: 'p.rego', ast }])).toEqual(want);
  });
});
