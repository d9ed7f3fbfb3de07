import { InvalidArgumentError } from 'commander';
import { compilePlan, type MaskMethod, type MaskPlan, partialKeepDefault, strictness } from '../../mask/plan.ts';

/** How entities are masked that fit a glob; `keep`: not at all. */
export interface Choice {
  readonly entity: string;
  readonly method: MaskMethod | 'keep';
}

/** What `--method` and `--entity` may say. */
export const choosable: readonly Choice['method'][] = [...strictness, 'keep'];

/** Reads `SECRET_*=drop`. */
export function readChoice(text: string, before: readonly Choice[] = []): readonly Choice[] {
  const [, entity, name] = /^([A-Z0-9_*]{1,128})=([a-z]+)$/.exec(text) ?? [];
  const method = choosable.find((known) => known === name);
  if (entity === undefined || method === undefined) {
    throw new InvalidArgumentError(
      `It is ENTITY=METHOD, such as 'SECRET_*=drop'; methods are ${choosable.join(', ')}.`,
    );
  }
  return [...before, { entity, method }];
}

/** The last choice that fits an entity counts, else `method`: here one person chooses, where in a policy rules add up. */
export function chosenPlan(method: Choice['method'], choices: readonly Choice[]): MaskPlan {
  const lines = [{ entity: '*', method }, ...choices].reverse().map((choice) => ({
    choice,
    fits: compilePlan([{ entity: choice.entity, method: 'drop' }]),
  }));
  const isKeyed = lines.some((line) => compilePlan(redactionOf(line.choice)).isKeyed);
  return {
    isEmpty: lines.every((line) => line.choice.method === 'keep'),
    isKeyed,
    keepFor: () => partialKeepDefault,
    methodFor: (finding, role) => {
      const line = lines.find(({ fits }) => fits.methodFor(finding, role) !== null);
      return line === undefined || line.choice.method === 'keep' ? null : line.choice.method;
    },
  };
}

function redactionOf({ entity, method }: Choice): Parameters<typeof compilePlan>[0] {
  return method === 'keep' ? [] : [{ entity, method }];
}
