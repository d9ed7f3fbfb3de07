import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { createRenderer, type Format } from '../../../../src/audit/sinks/format.ts';
import { defaultProjection } from '../../../../src/audit/sinks/projection.ts';
import { operationName, providerOf } from '../../../../src/audit/sinks/providers.ts';
import type { SentPrompt } from '../../../../src/audit/sinks/sent-prompt.ts';
import { documentOf } from '../../../../src/audit/sinks/sink.ts';
import { createRoutableDialects } from '../../../../src/llm/dialects.ts';
import { testOrigin } from '../../../support/audit.ts';
import { testProduct } from '../../../support/sink-log.ts';
import { sampleRecords } from '../../../support/sink-samples.ts';

interface EcsField {
  readonly type: string;
  /** It is always a list. Of any other field Elasticsearch takes lists as well: it has no type for them. */
  readonly array?: boolean;
  readonly values?: readonly string[];
  /** Of `event.category`: the event types that are expected with each. */
  readonly expected?: Readonly<Record<string, readonly string[]>>;
}

interface OtelAttribute {
  readonly type: string;
  readonly values?: readonly unknown[];
}

const ecs: { version: string; fields: Record<string, EcsField> } = JSON.parse(
  readFileSync('test/cases/audit/ecs-9.4.0.json', 'utf8'),
);
const otel: { events: string[]; attributes: Record<string, OtelAttribute> } = JSON.parse(
  readFileSync('test/cases/audit/otel-semconv-1.41.0.json', 'utf8'),
);

const own = 'countersign.';
const records = await sampleRecords();
/** As for a sink that asks for prompts. */
const prompt: SentPrompt = { messages: [{ role: 'user', texts: ['hello'] }], isTruncated: true };

function documents(format: Format): readonly { readonly type: string; readonly document: Record<string, unknown> }[] {
  const renderer = createRenderer(format, defaultProjection, testProduct, testOrigin);
  return [
    ...records.flatMap((record) => renderer.record(record, record.kind === 'intent' ? prompt : null)),
    renderer.checkpoint('origin\n1\nroot\n', 1, 1_795_376_943_123_456_789n),
  ].map((event) => ({ type: event.type, document: documentOf(event) }));
}

/** Fields by their dotted names; lists are values, and what lies in our own namespace is left out. */
function fieldsOf(value: object, prefix = ''): [string, unknown][] {
  return Object.entries(value).flatMap(([name, member]): [string, unknown][] => {
    const path = `${prefix}${name}`;
    if (`${path}.`.startsWith(own)) return [];
    const isGroup = typeof member === 'object' && member !== null && !Array.isArray(member);
    return isGroup ? fieldsOf(member, `${path}.`) : [[path, member]];
  });
}

/** What the published list has against a field and its value. */
function ecsComplaints(name: string, value: unknown): string[] {
  const field = ecs.fields[name];
  if (field === undefined) return [`${name} is no field of ECS`];
  if (field.array === true && !Array.isArray(value)) return [`${name} must be a list`];
  const items: unknown[] = Array.isArray(value) ? value : [value];
  return items.flatMap((item) => {
    if (!isOfEcsType(field.type, item)) return [`${name} is ${JSON.stringify(item)}, not a ${field.type}`];
    return field.values !== undefined && !field.values.includes(String(item))
      ? [`${name} must not be ${JSON.stringify(item)}`]
      : [];
  });
}

function isOfEcsType(type: string, item: unknown): boolean {
  switch (type) {
    case 'keyword':
    case 'wildcard':
    case 'match_only_text':
      return typeof item === 'string';
    case 'date':
      return typeof item === 'string' && new Date(item).toISOString() === item;
    case 'ip':
      return typeof item === 'string' && /^[0-9a-f.:]+$/.test(item);
    case 'long':
    case 'integer':
      return Number.isSafeInteger(item);
    case 'float':
    case 'double':
      return typeof item === 'number';
    case 'nested':
      return typeof item === 'object';
    default:
      return false;
  }
}

function otelComplaints(name: string, value: unknown): string[] {
  const attribute = otel.attributes[name];
  if (attribute === undefined) return [`${name} is no attribute of the conventions`];
  return isOfOtelType(attribute.type, value) ? [] : [`${name} is ${JSON.stringify(value)}, not ${attribute.type}`];
}

function isOfOtelType(type: string, value: unknown): boolean {
  switch (type) {
    case 'string':
    case 'Enum':
      return typeof value === 'string';
    case 'int':
      return Number.isSafeInteger(value);
    case 'double':
      return typeof value === 'number';
    case 'boolean':
      return typeof value === 'boolean';
    case 'string[]':
      return Array.isArray(value) && value.every((item) => typeof item === 'string');
    case 'any':
      return true;
    default:
      return false;
  }
}

describe('ECS, by its published list of fields', () => {
  test('every field is one of its fields, of its type and allowed values, or ours', () => {
    const complaints = documents('ecs').flatMap(({ document }) =>
      fieldsOf(document).flatMap(([name, value]) => ecsComplaints(name, value)),
    );
    expect(complaints).toEqual([]);
  });

  test('every event type is expected with its category, and the version is that of the list', () => {
    for (const { document } of documents('ecs')) {
      const { event, ecs: said } = document as {
        event: { category: string[]; type: string[] };
        ecs: { version: string };
      };
      expect(said.version).toBe(ecs.version);
      const expected = event.category.flatMap((category) => ecs.fields['event.category']?.expected?.[category] ?? []);
      for (const type of event.type)
        expect({ category: event.category, expected }).toMatchObject({ expected: expect.arrayContaining([type]) });
    }
  });

  test('the list refuses what it should', () => {
    expect(ecsComplaints('event.kind', 'record')).not.toEqual([]);
    expect(ecsComplaints('event.sequence', '7')).not.toEqual([]);
    expect(ecsComplaints('event.typo', 'x')).not.toEqual([]);
    expect(ecsComplaints('event.category', 'api')).not.toEqual([]);
    // Words in a nested field keep Elasticsearch from taking the document at all.
    expect(ecsComplaints('gen_ai.response.finish_reasons', ['stop'])).not.toEqual([]);
  });
});

describe('OpenTelemetry, by its published attributes', () => {
  test('every attribute is one of theirs and of its type, or ours', () => {
    const complaints = documents('otel').flatMap(({ document }) =>
      Object.entries(document['attributes'] as object).flatMap(([name, value]) =>
        name.startsWith(own) ? [] : otelComplaints(name, value),
      ),
    );
    expect(complaints).toEqual([]);
  });

  test('events have a published name, or ours', () => {
    const names = new Set(documents('otel').map(({ type }) => type));
    expect([...names].filter((name) => !name.startsWith(own))).toEqual(otel.events);
  });

  test('operations and providers go by their well-known names where they have one', () => {
    const dialects = createRoutableDialects().map(({ id }) => id);
    const known = otel.attributes['gen_ai.provider.name']?.values ?? [];
    const others = new Set(dialects.map((id) => providerOf(id).name).filter((name) => !known.includes(name)));
    expect([...others].sort()).toEqual(providersWithoutName);
    const operations = otel.attributes['gen_ai.operation.name']?.values ?? [];
    for (const operation of ['chat', 'embedding', 'completion', 'image'])
      expect(operations).toContain(operationName(operation));
  });

  test('the list refuses what it should', () => {
    expect(otelComplaints('gen_ai.usage.input_tokens', '812')).not.toEqual([]);
    expect(otelComplaints('gen_ai.system', 'openai')).not.toEqual([]);
    expect(otelComplaints('user.roles', 'admin')).not.toEqual([]);
  });
});

/** The conventions name no provider for these. */
const providersWithoutName: readonly string[] = ['a2a', 'form', 'json', 'mcp', 'ollama', 'text'];
