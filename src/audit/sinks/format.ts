import type { JsonValue } from '../../lib/json.ts';
import type { StoredRecord } from '../read.ts';
import { ecsDocument } from './ecs.ts';
import { ocsfCheckpoint, ocsfDocuments } from './ocsf.ts';
import { otelCheckpoint, otelDocument } from './otel-genai.ts';
import { plainCheckpoint, plainDocument } from './plain.ts';
import { type Projection, project } from './projection.ts';
import { createViewer, type RecordView } from './record-view.ts';
import type { SentPrompt } from './sent-prompt.ts';
import type { Renderer } from './shipper.ts';
import type { SinkEvent } from './sink.ts';

/** `ocsf`: Open Cybersecurity Schema Framework 1.8.0. `ecs`: Elastic Common Schema. `otel`: OpenTelemetry GenAI events. `record`: as `audit show --json`. */
export const formats = ['ocsf', 'ecs', 'otel', 'record'] as const;
export type Format = (typeof formats)[number];

/** A document of a format, and what stands around it on the wire. */
export interface Rendered {
  /** Appended to the record's id: empty for the record's own event. */
  readonly suffix: '' | '/finding';
  readonly type: string;
  readonly severity: SinkEvent['severity'];
  readonly document: Members;
}

/** Who says all this. */
export interface Product {
  readonly version: string;
  /** Name of the machine. */
  readonly host: string;
}

/** Makes the events of one sink. Pure but for the intents that it remembers (see `createViewer`). */
export function createRenderer(format: Format, projection: Projection, product: Product, origin: string): Renderer {
  const view = createViewer();
  return {
    record: (record: StoredRecord, prompt: SentPrompt | null = null) => {
      const seen = project(view(record, prompt), projection);
      return render(format, seen, product, projection).map((rendered) => {
        return event(rendered, {
          id: `${record.id}${rendered.suffix}`,
          origin: seen.origin,
          sequence: record.sequence,
          kind: rendered.suffix === '' ? record.kind : 'finding',
          action: seen.action ?? '',
          timeNs: record.wallNs,
          trace: seen.trace,
        });
      });
    },
    checkpoint: (note, size, timeNs) => {
      // Of a shard it is the shard's.
      const log = /^(\S+)\n\d+\n/.exec(note)?.[1] ?? origin;
      const rendered = renderCheckpoint(format, { note, size, timeNs, origin: log }, product);
      const id = `checkpoint/${log}/${size}`;
      return event(rendered, { id, origin: log, sequence: size, kind: 'checkpoint', action: '', timeNs, trace: null });
    },
  };
}

/** A signed tree head on its way out: a copy that the one who runs the log cannot take back. */
export interface CheckpointFacts {
  readonly origin: string;
  readonly size: number;
  readonly note: string;
  readonly timeNs: bigint;
}

function render(format: Format, view: RecordView, product: Product, projection: Projection): readonly Rendered[] {
  switch (format) {
    case 'ocsf':
      return ocsfDocuments(view, product);
    case 'ecs':
      return [ecsDocument(view, product)];
    case 'otel':
      return [otelDocument(view)];
    case 'record':
      return [plainDocument(view, projection)];
  }
}

function renderCheckpoint(format: Format, facts: CheckpointFacts, product: Product): Rendered {
  if (format === 'ocsf') return ocsfCheckpoint(facts, product);
  return format === 'otel' ? otelCheckpoint(facts) : plainCheckpoint(facts, format === 'ecs');
}

type Frame = Omit<SinkEvent, 'json' | 'type' | 'severity'>;

function event({ type, severity, document }: Rendered, frame: Frame): SinkEvent {
  return { ...frame, type, severity, json: JSON.stringify(document) };
}

/** A document before it is serialised. Members that are undefined are left out then. */
export type Members = { readonly [name: string]: Member };
type Member = JsonValue | Members | readonly Members[] | undefined;

/**
 * Leaves out members that say nothing: null, empty text, empty lists and objects. They stay in their places, undefined: an object that
 * keeps its shape costs the engine a fraction of one that is put together name by name.
 */
export function pruned(members: { [name: string]: Member }): Members {
  for (const name in members) if (isVoid(members[name])) members[name] = undefined;
  return members;
}

function isVoid(value: Member): boolean {
  if (value === undefined || value === null || value === '') return true;
  if (typeof value !== 'object') return false;
  if (isList(value)) return value.length === 0;
  for (const name in value) if (value[name] !== undefined) return false;
  return true;
}

function isList(value: object): value is readonly unknown[] {
  return Array.isArray(value);
}
