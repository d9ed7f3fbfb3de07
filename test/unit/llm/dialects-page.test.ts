import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { atOnce } from '../../../src/lib/slices.ts';
import type { Dialect } from '../../../src/llm/dialect.ts';
import { createFallbackDialects, createProviderDialects } from '../../../src/llm/dialects.ts';
import { createFramer } from '../../../src/llm/framers.ts';
import { type BodyCase, bodyCases, bodyOf, type StreamCase, streamCases, streamOf } from '../../support/llm-cases.ts';

const page = readFileSync(new URL('../../../docs/dialects.md', import.meta.url), 'utf8');
const { form, json, text, opaque } = createFallbackDialects();
const dialects: readonly Dialect[] = [...createProviderDialects(), form, json, text, opaque];
const sections = new Map(
  page
    .split(/^## /m)
    .slice(1)
    .map((section) => [section.slice(0, section.indexOf('\n')), section]),
);

test('the page has a section for every dialect, in the order in which they are asked', () => {
  expect([...sections.keys()]).toEqual(dialects.map(({ id }) => id));
});

describe.each(dialects)('$id', ({ id }) => {
  const section = sections.get(id) ?? '';
  const rows = new Map(
    [...section.matchAll(/^\| ([a-z ]+) \| (.+) \|$/gm)].map(([, row = '', said = '']) => [row, said]),
  );

  test('says what is read, rewritten, left alone and reported', () => {
    expect([...rows.keys()]).toEqual(['read', 'rewritten', 'never touched', 'reported uninspected', 'errors']);
  });

  test('names every kind of part that its cases report', () => {
    const reported = new Set([
      ...bodyCases.filter(({ create }) => create().id === id).flatMap(kindsInBody),
      ...streamCases.filter(({ create }) => create().id === id).flatMap(kindsInStream),
    ]);
    const said = rows.get('reported uninspected') ?? '';
    expect([...reported].filter((kind) => !said.includes(`\`${kind}\``))).toEqual([]);
  });
});

function kindsInBody(given: BodyCase): string[] {
  const route = { method: 'POST', path: given.path ?? '', header: (name: string) => given.headers?.[name] ?? null };
  const dialect = given.create();
  const parsed =
    given.path === null
      ? atOnce(dialect.readResponse(bodyOf(given)))
      : atOnce(dialect.readRequest(bodyOf(given), route));
  return parsed.ok ? parsed.value.conversation.uninspected.map(({ kind }) => kind) : ['unreadable'];
}

function kindsInStream(given: StreamCase): string[] {
  const events = createFramer(given.framing).push(streamOf(given));
  if (!events.ok) return ['unreadable'];
  const reader = given.create().openStream();
  return events.value.flatMap(({ payload, event }) => {
    const reading = payload === null ? null : reader.read(payload, event);
    return reading?.ok ? reading.value.uninspected.map(({ kind }) => kind) : [];
  });
}
