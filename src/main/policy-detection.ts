import type { DetectionConfig } from '../config/config.ts';
import { ownDetection } from '../config/own-detection.ts';
import { dataPath, type PolicyDetection, policyDetection } from '../config/policy-detection.ts';
import { createDetectors } from '../detect/detector.ts';
import type { Detector } from '../detect/finding.ts';
import { type AdmittedDetection, admitOwn, type OwnDetection, type OwnProblem } from '../detect/own-detection.ts';
import { rules } from '../detect/rules/catalogue.ts';
import { Fault } from '../lib/fault.ts';
import type { JsonObject } from '../lib/json.ts';
import { err, ok, type Result } from '../lib/result.ts';

/** Detection that follows the policy in service: what its data says of detection counts beside the configuration. */
export interface FollowingDetection {
  /** The detector of the policy in service. It never changes: an exchange goes on with the one that it began with. */
  current(): Detector;
  /** Names of what it can report. Names of former policies stay: their placeholders are still about. */
  readonly entities: ReadonlySet<string>;
  /** Makes ready what a policy's data says. Throws Fault `policy_unavailable` with the place in the data that is wrong. */
  prepare(revision: string, data: JsonObject): void;
  /** The revision went into service. */
  activate(revision: string): void;
}

/** `others`: names that other recognisers report. */
export function createFollowingDetection(config: DetectionConfig, others: Iterable<string>): FollowingDetection {
  const own = ownDetection(config);
  const known = new Set([...rules, ...own.custom, ...own.dictionaries].map(({ entity }) => entity));
  for (const entity of others) known.add(entity);
  const detectorWith = createDetectors(config);
  const plain = detectorWith(admittedOf(own));
  let current = plain;
  let prepared: {
    readonly revision: string;
    readonly detector: Detector;
    readonly entities: readonly string[];
  } | null = null;

  return {
    current: () => current,
    entities: known,
    prepare: (revision, data) => {
      const given = read(data, own);
      if (!given.ok) throw new Fault('policy_unavailable', given.error.join('; '));
      prepared =
        given.value === null
          ? { revision, detector: plain, entities: [] }
          : { revision, detector: detectorWith(given.value.admitted), entities: given.value.entities };
    },
    activate: (revision) => {
      if (prepared?.revision !== revision) return;
      for (const entity of prepared.entities) known.add(entity);
      current = prepared.detector;
      prepared = null;
    },
  };
}

/** Everything that is wrong with what a policy's data says of detection, each with its place; empty: it can be loaded. */
export function policyDetectionProblems(data: JsonObject): readonly string[] {
  const given = read(data, nothing);
  return given.ok ? [] : given.error;
}

const nothing: OwnDetection = {
  custom: [],
  dictionaries: [],
  allowed: { values: [], patterns: [], hashes: [], key: null },
};

interface Admitted {
  readonly admitted: AdmittedDetection;
  /** What the data adds to the names of what can be found. */
  readonly entities: readonly string[];
}

/** What the data adds, beside `own`; null where it says nothing of detection. */
function read(data: JsonObject, own: OwnDetection): Result<Admitted | null, readonly string[]> {
  const given = policyDetection(data);
  if (!given.ok) return given;
  const more = given.value;
  if (more === null) return ok(null);
  const twice = namesakes(own, more);
  if (twice.length > 0) return err(twice);
  const admitted = admitOwn(joined(own, more));
  if (!admitted.ok) return err(admitted.error.map((problem) => placed(problem, own)));
  return ok({ admitted: admitted.value, entities: [...more.custom, ...more.dictionaries].map(({ entity }) => entity) });
}

function namesakes(own: OwnDetection, more: PolicyDetection): readonly string[] {
  const taken = new Set([...own.custom, ...own.dictionaries].map(({ id }) => id));
  return ([['patterns', more.custom] as const, ['dictionaries', more.dictionaries] as const] as const).flatMap(
    ([member, list]) =>
      list.flatMap(({ id }, index) => {
        if (taken.has(id)) return [`${dataPath([member, index, 'id'])} is there twice: ${id}`];
        taken.add(id);
        return [];
      }),
  );
}

/** `own` stands first in every list. */
function joined(own: OwnDetection, more: PolicyDetection): OwnDetection {
  return {
    custom: [...own.custom, ...more.custom],
    dictionaries: [...own.dictionaries, ...more.dictionaries],
    allowed: {
      key: own.allowed.key,
      values: [...own.allowed.values, ...more.allow.values],
      patterns: [...own.allowed.patterns, ...more.allow.patterns],
      hashes: [...own.allowed.hashes, ...more.allow.hashes],
    },
  };
}

/** A problem at its place in the data, where `own` does not stand before it. */
function placed({ path, problem }: OwnProblem, own: OwnDetection): string {
  const [member = '', index = 0, ...rest] = path;
  const names: Readonly<Record<string, readonly [string, number]>> = {
    custom: ['patterns', own.custom.length],
    dictionaries: ['dictionaries', own.dictionaries.length],
  };
  const [name, before] = names[member] ?? ['allow', 0];
  const place =
    name === 'allow'
      ? ['allow', index, ...rest.map((step) => Number(step) - own.allowed.patterns.length)]
      : [name, Number(index) - before, ...rest];
  return `${dataPath(place)} ${problem}`;
}

/** Configuration was checked before: what does not hold is a bug. */
function admittedOf(own: OwnDetection): AdmittedDetection {
  const admitted = admitOwn(own);
  if (admitted.ok) return admitted.value;
  throw new Fault('detection_failed', admitted.error.map(({ problem }) => problem).join('; '));
}
