import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { limits } from '../../../src/lib/limits.ts';
import { atOnce } from '../../../src/lib/slices.ts';
import type { Dialect, ParsedBody, RouteFacts } from '../../../src/llm/dialect.ts';
import { createFallbackDialects, createProviderDialects } from '../../../src/llm/dialects.ts';
import { applyEdits } from '../../../src/llm/json-edit.ts';
import { jsonString } from '../../../src/llm/json-string.ts';

const route: RouteFacts = { method: 'POST', path: '/v1/messages', header: () => null };
const providers = createProviderDialects();
const { form, json, text, opaque } = createFallbackDialects();
const all = [...providers, form, json, text, opaque];
const structured = [...providers, json];

/** Members that the dialects know, so that random bodies reach into every corner of their shapes. */
const vocabulary = `
  messages role content text type tool_calls function arguments name id choices message delta index finish_reason refusal reasoning
  annotations tools parameters properties required system source media_type url image_url file filename input thinking citations
  metadata content_block partial_json error usage model stop title tool_use_id novelty user audio
  item output response part summary action operation instructions queries code start_index prompt variables output_index
  contents parts candidates functionCall args functionResponse response systemInstruction generateContentRequest requests thought
  inlineData data mimeType fileData executableCode partialArgs stringValue jsonPath groundingMetadata labels functionDeclarations
  images context prompt_eval_count done tool_plan documents document texts query results embeddings format options
  toolUse toolResult toolConfig toolSpec inputSchema json reasoningContent reasoningText citationsContent guardContent trace start
  inputText outputText generation contentBlockIndex name context s3Location bytes
  signature encrypted_content encrypted_index thoughtSignature redactedContent data
  params structuredContent resource blob uri artifact artifacts artifactId status history argument value systemPrompt prompts raw
`
  .trim()
  .split(/\s+/);
/** Read as nothing else than what it is: no word, no identifier, no Base64, no JSON. */
const marker = 'a marked text, 42';
const anywhere = fc.letrec((tie) => ({
  value: fc.oneof(
    { maxDepth: 6, depthSize: 'medium' },
    fc.constantFrom<unknown>(marker, marker, null, true, 7, ''),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom(...vocabulary), tie('value'), { maxKeys: 5 }),
  ),
})).value;
/** Chance alone would seldom get as deep as the shapes do. */
const marked = fc.oneof(
  anywhere,
  ...[
    (value: unknown) => ({ messages: [value] }),
    (value: unknown) => ({ messages: [{ content: [value] }] }),
    (value: unknown) => ({ messages: [{ tool_calls: [value] }] }),
    (value: unknown) => ({ messages: [{ content: [{ source: value }] }] }),
    (value: unknown) => ({ tools: [{ function: value }] }),
    (value: unknown) => ({ tools: [{ input_schema: value }] }),
    (value: unknown) => ({ content: [value] }),
    (value: unknown) => ({ choices: [value] }),
    (value: unknown) => ({ choices: [{ delta: value, index: 0 }] }),
    (value: unknown) => ({ choices: [{ message: value }] }),
    (value: unknown) => ({ index: 1, delta: value }),
    (value: unknown) => ({ index: 1, content_block: value }),
    (value: unknown) => ({ message: value }),
    (value: unknown) => ({ input: [value] }),
    (value: unknown) => ({ output: [{ content: [value] }] }),
    (value: unknown) => ({ item: value, output_index: 0 }),
    (value: unknown) => ({ type: 'response.output_text.delta', delta: value }),
    (value: unknown) => ({ response: { output: [value] } }),
    (value: unknown) => ({ messages: [{ content: [{ toolResult: value }] }] }),
    (value: unknown) => ({ output: { message: { content: [value] } } }),
    (value: unknown) => ({ params: value }),
    (value: unknown) => ({ result: value }),
    (value: unknown) => ({ result: { artifact: value } }),
    (value: unknown) => ({ contents: [{ parts: [value] }] }),
    (value: unknown) => ({ candidates: [{ content: { parts: [value] } }] }),
    (value: unknown) => ({ candidates: [{ content: { parts: [{ functionCall: value, thought: true }] } }] }),
  ].map((wrap: (value: unknown) => unknown) => anywhere.map(wrap)),
);

function count(value: unknown): number {
  if (value === marker) return 1;
  if (typeof value !== 'object' || value === null) return 0;
  return Object.values(value).reduce<number>((sum, member) => sum + count(member), 0);
}

function parsed(dialect: Dialect, value: unknown, direction: 'request' | 'response'): ParsedBody {
  const body = Buffer.from(JSON.stringify(value));
  const result =
    direction === 'request' ? atOnce(dialect.readRequest(body, route)) : atOnce(dialect.readResponse(body));
  if (!result.ok) throw new Error(result.error.message);
  return result.value;
}

describe.each(structured.map((dialect) => ({ name: dialect.id, dialect })))('$name', ({ dialect }) => {
  // No name hides a text: not even that of a payload or a signature, which are Base64 or read like anything else.
  test.each(['request', 'response'] as const)('every text of a %s is a segment, wherever it stands', (direction) => {
    fc.assert(
      fc.property(marked, (value) => {
        const { segments } = parsed(dialect, value, direction).conversation;
        expect(segments.filter(({ text }) => text === marker)).toHaveLength(count(value));
      }),
      { numRuns: 500 },
    );
  });

  test('every text of an event is a delta or a whole, and both can be written', () => {
    fc.assert(
      fc.property(marked, (value) => {
        const payload = JSON.stringify(value);
        const reading = dialect.openStream().read(payload, null);
        if (!reading.ok) throw new Error(reading.error.message);
        const texts = [...reading.value.deltas, ...reading.value.wholes];
        expect(texts.filter(({ text }) => text === marker)).toHaveLength(count(value));
        const edits = texts.map(({ start, end }) => ({ start, end, source: jsonString('gone') }));
        const written: unknown = JSON.parse(applyEdits(payload, [...edits, ...reading.value.dependents]));
        expect(count(written)).toBe(0);
      }),
      { numRuns: 500 },
    );
  });

  test('a body with every text replaced has no other change', () => {
    fc.assert(
      fc.property(marked, (value) => {
        // They go when the text that they point into changes.
        fc.pre(!/"(?:annotations|start_index)"/.test(JSON.stringify(value)));
        const body = parsed(dialect, value, 'request');
        const changes = new Map(
          body.conversation.segments.flatMap(({ text }, i) => (text === marker ? [[i, `${text} "\\\n é`]] : [])),
        );
        const expected: unknown = JSON.parse(JSON.stringify(value).replaceAll(marker, `${marker} \\"\\\\\\n é`));
        expect(JSON.parse(atOnce(body.rewrite(changes)).toString('utf8'))).toEqual(expected);
      }),
    );
  });

  test('a body written again reads as what was written', () => {
    const text = fc.string({ unit: 'binary', minLength: 1 }).filter((s) => !/^\s*[[{]/.test(s) && s.trim() !== '');
    fc.assert(
      fc.property(
        fc.array(text, { minLength: 1, maxLength: 4 }),
        fc.array(text, { minLength: 4, maxLength: 4 }),
        (olds, news) => {
          const body = parsed(dialect, { novelty: olds }, 'request');
          const changes = new Map(olds.map((_, i) => [i, news[i] ?? '']));
          const rewritten = atOnce(body.rewrite(changes));
          const again = atOnce(dialect.readRequest(rewritten, route));
          expect(again.ok && again.value.conversation.segments.map((segment) => segment.text)).toEqual([
            ...changes.values(),
          ]);
        },
      ),
      { numRuns: 40 },
    );
  });
});

describe.each(all.map((dialect) => ({ name: dialect.id, dialect })))('$name never throws', ({ dialect }) => {
  test('at bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        const body = Buffer.from(bytes);
        for (const result of [atOnce(dialect.readRequest(body, route)), atOnce(dialect.readResponse(body))]) {
          if (result.ok) expect(atOnce(result.value.rewrite(new Map()))).toBe(body);
          else expect(result.error.message).not.toBe('');
        }
      }),
    );
  });

  test('at JSON', () => {
    fc.assert(
      fc.property(fc.json(), (json) => {
        for (const result of [
          atOnce(dialect.readRequest(Buffer.from(json), route)),
          atOnce(dialect.readResponse(Buffer.from(json))),
        ]) {
          // Read as a form, `%A0` is half of a character.
          if (!result.ok)
            expect([result.error.kind, json]).toEqual(['invalid_utf8', expect.stringMatching(/%[89A-F]/i)]);
        }
      }),
    );
  });

  test('at events', () => {
    const reader = dialect.openStream();
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.json()), fc.option(fc.string()), (payload, event) => {
        const reading = reader.read(payload, event);
        if (!reading.ok) expect(reading.error.kind).toMatch(/invalid_json|too_many_values/);
      }),
    );
  });
});

describe('bounds', () => {
  test('a text of ten million characters is read and rewritten', () => {
    const body = Buffer.from(JSON.stringify({ text: 'x'.repeat(10_000_000), other: 1.5 }));
    const result = atOnce(json.readRequest(body, route));
    if (!result.ok) throw new Error(result.error.message);
    expect(atOnce(result.value.rewrite(new Map([[0, 'short']]))).toString()).toBe('{"text":"short","other":1.5}');
  });

  test('JSON in strings in strings is opened to a depth, and what lies deeper is one text', () => {
    let value = '{"a":"end"}';
    for (let depth = 0; depth < limits.nestedJsonDepthMax + 1; depth++) value = JSON.stringify({ a: value });
    const { segments } = parsed(json, JSON.parse(value), 'request').conversation;
    expect(segments).toEqual([
      { pointer: `/a${'#/a'.repeat(limits.nestedJsonDepthMax)}`, role: 'unknown', kind: 'other', text: '{"a":"end"}' },
    ]);
  });

  test('values in strings count against the bound of the body, and what exceeds it is one text', () => {
    const inner = `[${'null,'.repeat(limits.jsonValuesMax)}0]`;
    const { segments } = parsed(json, { a: inner }, 'request').conversation;
    expect(segments.map(({ pointer, text }) => [pointer, text.length])).toEqual([['/a', inner.length]]);
  });

  test('running texts of a stream are bounded', () => {
    const reader = json.openStream();
    const many = Object.fromEntries(Array.from({ length: limits.streamKeysMax }, (_, i) => [`k${i}`, 'x']));
    expect(reader.read(JSON.stringify(many), null).ok).toBe(true);
    expect(reader.read('{"one_more":"x"}', null)).toMatchObject({ ok: false, error: { kind: 'too_many_values' } });
  });
});
