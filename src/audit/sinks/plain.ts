import { isJsonObject, type JsonValue } from '../../lib/json.ts';
import { ecsVersion } from './ecs.ts';
import type { CheckpointFacts, Rendered } from './format.ts';
import type { Projection } from './projection.ts';
import { object, type RecordView } from './record-view.ts';
import { inputMessages } from './sent-prompt.ts';

/** The record as it is: what `countersign audit show --json` prints, less what the projection takes away. */
export function plainDocument(view: RecordView, projection: Projection): Rendered {
  const { record } = view;
  const { caller: _, source: __, ...facts } = record.facts;
  const { decision, decisions, approval } = facts;
  const approved = object(approval)['decisions'];
  return {
    suffix: '',
    type: `countersign.${record.kind}`,
    severity: 1,
    document: {
      origin: view.origin,
      sequence: record.sequence,
      id: record.id,
      kind: record.kind,
      exchange: record.exchange,
      session: record.session,
      time: new Date(Number(record.wallNs / 1_000_000n)).toISOString(),
      leaf_hash: view.leafHash,
      facts: {
        ...facts,
        ...(isJsonObject(decision) && !projection.reasons ? { decision: { ...decision, reasons: [] } } : {}),
        ...(isList(decisions) && projection.caller === 'none' ? { decisions: decisions.map(withoutPerson) } : {}),
        ...(isList(approved) && projection.caller === 'none'
          ? { approval: { ...object(approval), decisions: approved.map(withoutPerson) } }
          : {}),
        ...(view.caller && record.facts['caller'] !== undefined ? { caller: { ...view.caller } } : {}),
        ...(view.source ? { source: view.source } : {}),
      },
      bodies: record.bodies.map(({ name, mediaType, bytes }) => ({ name, media_type: mediaType, bytes })),
      ...(view.prompt === null
        ? {}
        : { prompt_sent: { messages: inputMessages(view.prompt), truncated: view.prompt.isTruncated } }),
    },
  };
}

function isList(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value);
}

function withoutPerson(decision: JsonValue): JsonValue {
  const { by: _, ...rest } = object(decision);
  return rest;
}

export function plainCheckpoint({ origin, size, note, timeNs }: CheckpointFacts, isEcs: boolean): Rendered {
  const time = new Date(Number(timeNs / 1_000_000n)).toISOString();
  const document = isEcs
    ? {
        '@timestamp': time,
        ecs: { version: ecsVersion },
        event: {
          kind: 'event',
          category: ['configuration'],
          type: ['info'],
          action: 'audit.checkpoint',
          dataset: 'countersign.audit',
          module: 'countersign',
          sequence: size,
          original: note,
        },
        service: { name: 'countersign' },
        countersign: { audit: { origin, size } },
      }
    : { kind: 'checkpoint', origin, size, time, note };
  return { suffix: '', type: 'countersign.checkpoint', severity: 1, document };
}
