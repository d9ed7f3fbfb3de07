import type { DetectionConfig, PresidioConfig } from '../config/config.ts';
import { ownDetection } from '../config/own-detection.ts';
import { createDetector } from '../detect/detector.ts';
import { createExternalRecogniser } from '../detect/external-recogniser.ts';
import type { Detector } from '../detect/finding.ts';
import { type AdmittedDetection, admitOwn, type OwnDetection } from '../detect/own-detection.ts';
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

/** Compiles the rules. Throws Fault `detection_failed` for what configuration checks would have refused. */
export function detectorFrom(config: DetectionConfig): ConfiguredDetector {
  return detectorOf(config, admitted(ownDetection(config)));
}

/** The same, with what was admitted before: from configuration, and from a policy's data. */
export function detectorOf({ tier, countries, decode }: DetectionConfig, own: AdmittedDetection): ConfiguredDetector {
  const kinds = new Map<string, { entity: string; source: string | null }>();
  for (const { id, entity, source } of rules) kinds.set(id, { entity, source });
  for (const { id, entity } of own.custom.patterns) kinds.set(id, { entity, source: null });
  for (const { source } of own.dictionaries) kinds.set(source.id, { entity: source.entity, source: null });
  return {
    detector: createDetector({ tier, countries, decode, ...own }),
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

function admitted(own: OwnDetection): AdmittedDetection {
  const result = admitOwn(own);
  if (result.ok) return result.value;
  const [first] = result.error;
  throw new Fault('detection_failed', `detection.${first?.path.join('.') ?? ''} ${first?.problem ?? ''}`);
}
