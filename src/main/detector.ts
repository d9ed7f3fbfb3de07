import type { DetectionConfig, PresidioConfig } from '../config/config.ts';
import { type AdmittedPatterns, admitPatterns } from '../detect/custom-pattern.ts';
import { createDetector } from '../detect/detector.ts';
import { createExternalRecogniser } from '../detect/external-recogniser.ts';
import type { Detector } from '../detect/finding.ts';
import { createPresidio } from '../detect/presidio-http.ts';
import { rules } from '../detect/rules/catalogue.ts';
import type { ExternalRecognition } from '../exchange/recognise.ts';
import { Fault } from '../lib/fault.ts';

/** A detector as configured, for the service and for the commands that read texts. */
export interface ConfiguredDetector {
  readonly detector: Detector;
  /** Names of what it can report. */
  readonly entities: ReadonlySet<string>;
  /** Of each detector id, the entity and the document that its rule follows; null for patterns from configuration. */
  readonly kinds: ReadonlyMap<string, { readonly entity: string; readonly source: string | null }>;
}

/** Compiles the rules. Throws Fault `detection_failed` for a pattern that configuration checks would have refused. */
export function detectorFrom({ tier, countries, custom, allow }: DetectionConfig): ConfiguredDetector {
  const patterns = admitted(custom);
  const kinds = new Map<string, { entity: string; source: string | null }>();
  for (const { id, entity, source } of rules) kinds.set(id, { entity, source });
  for (const { id, entity } of patterns.patterns) kinds.set(id, { entity, source: null });
  return {
    detector: createDetector({ tier, countries, custom: patterns, allow }),
    entities: new Set([...kinds.values()].map(({ entity }) => entity)),
    kinds,
  };
}

/** Presidio as configured; null: not used. */
export function recognitionFrom(presidio: PresidioConfig | null): ExternalRecognition | null {
  if (presidio === null) return null;
  return {
    recogniser: createExternalRecogniser(createPresidio(presidio), presidio),
    roles: new Set(presidio.roles),
    onFailure: presidio.onFailure,
  };
}

function admitted(custom: DetectionConfig['custom']): AdmittedPatterns {
  const patterns = admitPatterns(custom);
  if (patterns.ok) return patterns.value;
  const [first] = patterns.error;
  throw new Fault('detection_failed', `the pattern ${first?.id ?? ''} cannot be used: ${first?.problem ?? ''}`);
}
