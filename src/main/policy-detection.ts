import type { DetectionConfig } from '../config/config.ts';
import { ownDetection } from '../config/own-detection.ts';
import { dataPath, type PolicyDetection, policyDetection } from '../config/policy-detection.ts';
import { createDetectors } from '../detect/detector.ts';
import type { Detector } from '../detect/finding.ts';
import { admitOwn, type OwnDetection } from '../detect/own-detection.ts';
import { rules } from '../detect/rules/catalogue.ts';
import { Fault } from '../lib/fault.ts';
import type { JsonObject } from '../lib/json.ts';

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
  const plain = detectorWith(admit(own, own));
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
      const given = policyDetection(data);
      if (!given.ok) throw new Fault('policy_unavailable', given.error);
      const more = given.value;
      prepared =
        more === null
          ? { revision, detector: plain, entities: [] }
          : {
              revision,
              detector: detectorWith(admit(joined(own, more), own)),
              entities: [...more.custom, ...more.dictionaries].map(({ entity }) => entity),
            };
    },
    activate: (revision) => {
      if (prepared?.revision !== revision) return;
      for (const entity of prepared.entities) known.add(entity);
      current = prepared.detector;
      prepared = null;
    },
  };
}

function joined(own: OwnDetection, more: PolicyDetection): OwnDetection {
  const taken = new Set([...own.custom, ...own.dictionaries].map(({ id }) => id));
  for (const [member, list] of [['patterns', more.custom] as const, ['dictionaries', more.dictionaries] as const]) {
    list.forEach(({ id }, index) => {
      if (taken.has(id))
        throw new Fault('policy_unavailable', `${dataPath([member, index, 'id'])} is there twice: ${id}`);
      taken.add(id);
    });
  }
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

/** `own` stands first in every list, so places behind it are places in the data. */
function admit(all: OwnDetection, own: OwnDetection): Parameters<ReturnType<typeof createDetectors>>[0] {
  const admitted = admitOwn(all);
  if (admitted.ok) return admitted.value;
  const [first] = admitted.error;
  const [member = '', index = 0, ...rest] = first?.path ?? [];
  const names: Readonly<Record<string, readonly [string, number]>> = {
    custom: ['patterns', own.custom.length],
    dictionaries: ['dictionaries', own.dictionaries.length],
  };
  const [name, before] = names[member] ?? ['allow', 0];
  const place =
    name === 'allow'
      ? ['allow', index, ...rest.map((step) => Number(step) - own.allowed.patterns.length)]
      : [name, Number(index) - before, ...rest];
  throw new Fault('policy_unavailable', `${dataPath(place)} ${first?.problem ?? ''}`);
}
