import { describe, expect, test } from 'vitest';
import { createRenderer, type Format, formats } from '../../../../src/audit/sinks/format.ts';
import { defaultProjection } from '../../../../src/audit/sinks/projection.ts';
import type { SinkEvent } from '../../../../src/audit/sinks/sink.ts';
import { testOrigin } from '../../../support/audit.ts';
import { testProduct } from '../../../support/sink-log.ts';
import { sampleRecords } from '../../../support/sink-samples.ts';

const records = await sampleRecords();

function rendered(format: Format, projection = defaultProjection): readonly SinkEvent[] {
  const renderer = createRenderer(format, projection, testProduct, testOrigin);
  return [
    ...records.flatMap((record) => renderer.record(record)),
    renderer.checkpoint('origin\n1\nroot\n', 1, 1_795_376_943_123_456_789n),
  ];
}

/** What the answer says about itself, by the names under which an exchange records it. */
test.each([
  {
    format: 'ocsf',
    want: [/"name":"scripted-1"/, /"prompt_tokens":812/, /"completion_tokens":344/, /"version":"scripted-1-2026-09"/],
  },
  {
    format: 'ecs',
    want: [
      /"request":{"model":"scripted-1"}/,
      /"input_tokens":812/,
      /"output_tokens":344/,
      /"finish_reasons":\["stop"\]/,
    ],
  },
  {
    format: 'otel',
    want: [
      /"gen_ai.request.model":"scripted-1"/,
      /"gen_ai.response.model":"scripted-1-2026-09"/,
      /"gen_ai.usage.output_tokens":344/,
      /"gen_ai.response.finish_reasons":\["stop"\]/,
    ],
  },
] as const)('$format: which model was asked, which answered, and what it used', ({ format, want }) => {
  const { id } = records.find(({ kind, facts }) => kind === 'outcome' && facts['ended'] === 'complete') ?? { id: '' };
  const outcome = rendered(format).find((event) => event.id === id);
  for (const pattern of want) expect(outcome?.json).toMatch(pattern);
});

describe.each(formats)('%s', (format) => {
  test('gives each event an id of its own, the same each time', () => {
    const ids = rendered(format).map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    expect(rendered(format).map(({ id, json }) => [id, json])).toEqual(
      rendered(format).map(({ id, json }) => [id, json]),
    );
  });

  test('has one event for every record, and carries the signed checkpoint', () => {
    const events = rendered(format);
    expect(new Set(events.filter(({ kind }) => kind !== 'checkpoint').map(({ sequence }) => sequence)).size).toBe(
      records.length,
    );
    expect(events.at(-1)?.json).toContain('origin\\n1\\nroot\\n');
  });

  test('leaves out who asked and from where when the projection says so', () => {
    const bare = rendered(format, { caller: 'none', source: false, reasons: false });
    for (const { json } of bare) {
      expect(json).not.toMatch(/p-1234|192\.0\.2\.7|personal data is masked|"bob"/);
    }
  });
});

/** Field names of ECS that are used, by hand from the published field reference: a typo would be a field of nobody's. */
const ecsFields = new Set(
  `@timestamp ecs.version event.kind event.category event.type event.action event.outcome event.id event.sequence
  event.created event.reason event.hash event.duration event.dataset event.module event.provider event.original user.id user.roles
  group.name organization.id source.ip service.name service.version service.node.name http.request.id
  http.request.method http.response.status_code url.path url.domain trace.id span.id rule.id rule.name rule.ruleset
  rule.version related.user gen_ai.operation.name gen_ai.system gen_ai.request.model gen_ai.response.model
  gen_ai.response.id gen_ai.response.finish_reasons gen_ai.usage.input_tokens gen_ai.usage.output_tokens`.split(/\s+/),
);
const ecsKinds = new Set(['event', 'alert']);
const ecsCategories = new Set(['api', 'configuration']);
const ecsTypes = new Set(['access', 'allowed', 'denied', 'change', 'deletion', 'start', 'end', 'info']);

test('ECS documents have fields of the schema alone, and what is ours under our own name', () => {
  for (const { document } of rendered('ecs')) {
    for (const name of leafNames(document)) {
      if (!name.startsWith('countersign.')) expect(ecsFields).toContain(name);
    }
    const event = document['event'] as { kind: string; category: string[]; type: string[] };
    expect(ecsKinds).toContain(event.kind);
    for (const category of event.category) expect(ecsCategories).toContain(category);
    for (const type of event.type) expect(ecsTypes).toContain(type);
  }
});

/** Attribute names of the semantic conventions that are used, by hand from the published registry. */
const otelAttributes = new Set(
  `log.record.uid gen_ai.operation.name gen_ai.provider.name gen_ai.request.model gen_ai.request.stream
  gen_ai.response.model gen_ai.response.id gen_ai.response.finish_reasons gen_ai.response.time_to_first_chunk
  gen_ai.usage.input_tokens gen_ai.usage.output_tokens gen_ai.conversation.id error.type server.address server.port
  http.response.status_code user.hash user.roles security_rule.name security_rule.version security_rule.ruleset.name
  client.address`.split(/\s+/),
);

test('OpenTelemetry events have the required attributes, known names, and no message', () => {
  for (const { document, type } of rendered('otel')) {
    const attributes = document['attributes'] as Record<string, unknown>;
    for (const name of Object.keys(attributes)) {
      if (!name.startsWith('countersign.')) expect(otelAttributes).toContain(name);
    }
    if (type !== 'gen_ai.client.inference.operation.details') continue;
    expect(attributes).toMatchObject({ 'gen_ai.operation.name': 'chat', 'gen_ai.provider.name': 'openai' });
  }
  expect(rendered('otel').filter(({ type }) => type.startsWith('gen_ai.')).length).toBeGreaterThan(3);
});

function leafNames(value: object, prefix = ''): string[] {
  return Object.entries(value).flatMap(([name, member]) =>
    typeof member === 'object' && member !== null && !Array.isArray(member)
      ? leafNames(member, `${prefix}${name}.`)
      : [`${prefix}${name}`],
  );
}
