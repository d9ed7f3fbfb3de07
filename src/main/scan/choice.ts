import { InvalidArgumentError } from 'commander';
import {
  compilePlan,
  type MaskMethod,
  type MaskPlan,
  type PlannedFinding,
  partialKeepMax,
  strictness,
} from '../../mask/plan.ts';

/** How entities are masked that fit a glob; `keep`: not at all. */
export interface Choice {
  readonly entity: string;
  readonly method: MaskMethod | 'keep';
  /** Of `partial`: how many of the last characters stay; absent: as many as for all. */
  readonly keep?: number;
}

/** What `--method` and `--entity` may say. */
export const choosable: readonly Choice['method'][] = [...strictness, 'keep'];

/** Reads how many of the last characters `partial` leaves. */
export function keepCount(text: string): number {
  const count = Number(text);
  if (/^\d+$/.test(text) && count >= 1 && count <= partialKeepMax) return count;
  throw new InvalidArgumentError(`It is a number from 1 to ${partialKeepMax}.`);
}

/** Reads `SECRET_*=drop`, `US_SSN=partial:2`. */
export function readChoice(text: string, before: readonly Choice[] = []): readonly Choice[] {
  const [, entity, name, keep] = /^([A-Z0-9_*]{1,128})=([a-z]+)(?::(.*))?$/.exec(text) ?? [];
  const method = choosable.find((known) => known === name);
  if (entity === undefined || method === undefined || (keep !== undefined && method !== 'partial')) {
    throw new InvalidArgumentError(
      `It is ENTITY=METHOD, such as 'SECRET_*=drop' or US_SSN=partial:2; methods are ${choosable.join(', ')}.`,
    );
  }
  return [...before, { entity, method, ...(keep === undefined ? {} : { keep: keepCount(keep) }) }];
}

/**
 * The last choice that fits an entity counts, else `method`: here one person chooses, where in a policy rules add up. `keep`: of
 * `partial`, where a choice does not say it.
 */
export function chosenPlan(method: Choice['method'], keep: number, choices: readonly Choice[]): MaskPlan {
  const lines = [{ entity: '*', method }, ...choices].reverse().map((choice: Choice) => ({
    choice,
    fits: compilePlan([{ entity: choice.entity, method: 'drop' }]),
  }));
  const isKeyed = lines.some((line) => compilePlan(redactionOf(line.choice)).isKeyed);
  return {
    isEmpty: lines.every((line) => line.choice.method === 'keep'),
    isKeyed,
    omits: new Set(),
    keepFor: (finding, role) => choiceFor(finding, role)?.keep ?? keep,
    methodFor: (finding, role) => {
      const choice = choiceFor(finding, role);
      return choice === undefined || choice.method === 'keep' ? null : choice.method;
    },
  };

  function choiceFor(finding: PlannedFinding, role: string): Choice | undefined {
    return lines.find(({ fits }) => fits.methodFor(finding, role) !== null)?.choice;
  }
}

function redactionOf({ entity, method }: Choice): Parameters<typeof compilePlan>[0] {
  return method === 'keep' ? [] : [{ entity, method }];
}
