import { describe, expect, test } from 'vitest';
import { createRenderer, type Format, formats } from '../../../../src/audit/sinks/format.ts';
import { defaultProjection } from '../../../../src/audit/sinks/projection.ts';
import { documentOf, type SinkEvent } from '../../../../src/audit/sinks/sink.ts';
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

test('OpenTelemetry events of exchanges have the required attributes', () => {
  for (const event of rendered('otel')) {
    if (event.type !== 'gen_ai.client.inference.operation.details') continue;
    expect(documentOf(event)['attributes']).toMatchObject({
      'gen_ai.operation.name': 'chat',
      'gen_ai.provider.name': 'openai',
    });
  }
  expect(rendered('otel').filter(({ type }) => type.startsWith('gen_ai.')).length).toBeGreaterThan(3);
});
