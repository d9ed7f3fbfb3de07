import { hostname } from 'node:os';
import type { AuditEntry } from '../audit/entry.ts';
import type { AuditKeys } from '../audit/keys.ts';
import type { Product } from '../audit/sinks/format.ts';
import type { SinkSpec } from '../audit/sinks/sink-spec.ts';
import { startSinks } from '../audit/sinks/sinks-host.ts';
import type { AuditConfig } from '../config/config.ts';
import type { NewId } from '../lib/ids.ts';
import type { Log, Metrics } from '../telemetry/telemetry.ts';

export interface SinksDeps {
  readonly version: string;
  readonly newId: NewId;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly keys: Pick<AuditKeys, 'unwrap'>;
}

/** How long sinks may take at the end to send what is left; their cursors keep the rest for the next start. */
const drainMs = 5_000;

/**
 * Starts the configured sinks, in a thread of their own; none: nothing. They MUST be closed after the log, whose last
 * checkpoint is the last thing they send.
 */
export function openSinks(config: AuditConfig, deps: SinksDeps): { close(): Promise<void> } {
  if (config.sinks.length === 0) return { close: async () => {} };
  const host = startSinks(
    {
      log: config.directory,
      origin: config.origin,
      state: config.sinkDirectory,
      product: thisProduct(deps.version),
      specs: sinkSpecs(config),
      channel: deps.newId(),
    },
    deps,
  );
  return { close: () => host.stop(drainMs) };
}

/** That prompts leave is itself on record, at each start; null: they do not. */
export function promptsLeaveEntry({ sinks }: AuditConfig): AuditEntry | null {
  const names = sinks.filter(({ promptBytesMax }) => promptBytesMax > 0).map(({ name }) => name);
  if (names.length === 0) return null;
  return { kind: 'config', exchange: '', session: '', facts: { event: 'prompts_leave', sinks: names }, bodies: {} };
}

export function sinkSpecs(config: AuditConfig): readonly SinkSpec[] {
  return config.sinks.map(({ target, ...spec }) => ({ ...spec, target: target.reveal() }));
}

export function thisProduct(version: string): Product {
  return { version, host: hostname() };
}
