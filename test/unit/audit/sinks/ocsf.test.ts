import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, test } from 'vitest';
import { createRenderer } from '../../../../src/audit/sinks/format.ts';
import { defaultProjection } from '../../../../src/audit/sinks/projection.ts';
import { documentOf } from '../../../../src/audit/sinks/sink.ts';
import type { JsonObject } from '../../../../src/lib/json.ts';
import { testOrigin } from '../../../support/audit.ts';
import { testProduct } from '../../../support/sink-log.ts';
import { sampleRecords } from '../../../support/sink-samples.ts';

const published: unknown = JSON.parse(readFileSync('test/cases/audit/ocsf-1.8.0.json', 'utf8'));
const ajv = new Ajv2020({ strict: false, allErrors: true });

/** What the published schema has against a document. */
function complaints(document: JsonObject): readonly string[] {
  const cls = String(document['class_uid']);
  const { classes, $defs } = published as { classes: Record<string, object>; $defs: object };
  const schema = classes[cls];
  if (schema === undefined) return [`there is no class ${cls}`];
  const id = `ocsf:${cls}`;
  const validate = ajv.getSchema(id) ?? ajv.compile({ ...schema, $id: id, $defs });
  validate(document);
  return (validate.errors ?? []).map(
    ({ instancePath, message, params }) => `${cls} ${instancePath} ${message} ${JSON.stringify(params)}`,
  );
}

const records = await sampleRecords();
const renderer = createRenderer('ocsf', defaultProjection, testProduct, testOrigin);
const events = records.flatMap((record) => renderer.record(record));
const checkpoint = renderer.checkpoint('a\n1\nb\n\n— a c\n', 1, 1_795_376_943_123_456_789n);

describe('OCSF 1.8.0', () => {
  test.each([...events, checkpoint].map((event) => [`${event.sequence} ${event.kind} ${event.type}`, event] as const))(
    'event %s is valid by the published schema',
    (_, event) => {
      expect(complaints(documentOf(event))).toEqual([]);
      expect(event.type).toBe(`ocsf:${String(documentOf(event)['class_uid'])}`);
    },
  );

  test('the schema refuses what it should', () => {
    const [first] = events.filter(({ type }) => type === 'ocsf:6003');
    expect(first).toBeDefined();
    if (first === undefined) return;
    const bad = { ...documentOf(first), disposition_id: 4711, prompt_text: 'x' };
    expect(complaints(bad).join('\n')).toMatch(/disposition_id[\s\S]*prompt_text|prompt_text[\s\S]*disposition_id/);
    expect(complaints({ ...documentOf(first), actor: {} })).not.toEqual([]);
  });

  test('decisions have the values of the security_control profile', () => {
    const rows = events
      .filter(({ type }) => type === 'ocsf:6003')
      .map((event) => ({ action: event.action, document: documentOf(event) }))
      .map(({ action, document }) => [
        action,
        document['action_id'],
        document['disposition_id'],
        document['status_id'],
        document['severity_id'],
      ]);
    expect([...new Set(rows.map((row) => row.join(' ')))].sort()).toEqual([
      'allow 1 1 1 1',
      'approved 1 8 1 2',
      'block 2 2 2 3',
      'error 2 27 2 4',
      'mask 4 11 1 2',
      'pending 3 14 99 2',
      'rejected 2 25 2 3',
    ]);
  });

  test('an outcome tells of its exchange what its intent said', () => {
    const outcome = events.find((event) => event.kind === 'outcome' && documentOf(event)['status_id'] === 1);
    expect(outcome && documentOf(outcome)).toMatchObject({
      type_uid: 600_301,
      actor: { user: { uid: 'p-1234', groups: [{ name: 'engineering' }] } },
      api: { operation: 'chat', service: { name: 'openai' }, response: { code: 200 } },
      ai_model: { ai_provider: 'OpenAI', name: 'scripted-1' },
      message_context: { uid: 'session-1', prompt_tokens: 812, completion_tokens: 344, total_tokens: 1156 },
      src_endpoint: { ip: '192.0.2.7' },
      start_time: 1_795_376_943_123,
      end_time: 1_795_376_944_010,
      duration: 887,
    });
  });

  test('a masked or blocked exchange is also a finding, under an id of its own', () => {
    const findings = events.filter(({ kind }) => kind === 'finding');
    expect(findings.map(({ type }) => type).sort()).toEqual(['ocsf:2004', 'ocsf:2006', 'ocsf:2006']);
    for (const finding of findings) {
      const { id } = finding;
      expect(id).toMatch(/\/finding$/);
      expect(events.map((event) => event.id)).toContain(id.replace('/finding', ''));
      expect(documentOf(finding)).toMatchObject({ finding_info: { uid: id } });
    }
    expect(new Set(events.map(({ id }) => id)).size).toBe(events.length);
  });

  test('a projection takes away who asked and from where', () => {
    const bare = createRenderer('ocsf', { caller: 'none', source: false, reasons: false }, testProduct, testOrigin);
    const text = records
      .flatMap((record) => bare.record(record))
      .map(({ json }) => json)
      .join();
    expect(text).not.toMatch(/p-1234|192\.0\.2\.7|acme|personal data is masked/);
    for (const record of records)
      for (const event of bare.record(record)) expect(complaints(documentOf(event))).toEqual([]);
  });
});
