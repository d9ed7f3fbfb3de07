import { expect, test } from 'vitest';
import type { CompiledRule } from '../../../src/detect/compiled-rule.ts';
import type { Dfa } from '../../../src/detect/dfa.ts';
import type { Gate } from '../../../src/detect/gate.ts';
import { compileProgram, type Program } from '../../../src/detect/program.ts';
import { rules as catalogue } from '../../../src/detect/rules/catalogue.ts';
import { createSession } from '../../../src/detect/session.ts';
import { attacksOn, knownAttacks } from '../../support/attack-texts.ts';
import { promptText } from '../../support/prompt-text.ts';

const rules = catalogue.filter(({ tier }) => tier === 'core');
const work = { steps: 0, checks: 0 };
const counted = countWork(compileProgram(rules));

/** The same program, which counts the steps of its rules' automata and what their checks are asked. */
function countWork(program: Program): Program {
  const tables = new Map<Dfa, Dfa>();
  function countSteps<T extends Dfa | null>(dfa: T): T | Dfa {
    if (dfa === null) return dfa;
    const known = tables.get(dfa);
    if (known) return known;
    const next = new Proxy(dfa.next, {
      get: (table, key) => {
        work.steps++;
        return Reflect.get(table, key);
      },
    });
    const made: Dfa = { ...dfa, next };
    tables.set(dfa, made);
    return made;
  }
  const countRule = (rule: CompiledRule): CompiledRule => {
    const { check, checkPlace } = rule;
    return {
      ...rule,
      head: null,
      lead: () => countSteps(rule.lead()),
      value: () => countSteps(rule.value()),
      rest: () => countSteps(rule.rest()),
      after: () => countSteps(rule.after()),
      check:
        check &&
        ((match) => {
          work.checks++;
          return check(match);
        }),
      checkPlace:
        checkPlace &&
        ((place) => {
          work.checks++;
          return checkPlace(place);
        }),
    };
  };
  const own = program.rules.map(countRule);
  const byOrder = (rule: CompiledRule): CompiledRule => own[rule.order] ?? rule;
  const counting = (gates: readonly Gate[]): Gate[] =>
    gates.map((gate) => ({ ...gate, rules: gate.rules.map(byOrder) }));
  return {
    ...program,
    rules: own,
    gates: program.gates.map(counting),
  };
}

/** Steps and checks a thousand characters. */
function workOn(text: string): { steps: number; checks: number } {
  work.steps = 0;
  work.checks = 0;
  createSession(counted).feed(text, true);
  return {
    steps: Math.round((1_000 * work.steps) / text.length),
    checks: Math.round((1_000 * work.checks) / text.length),
  };
}

test('ordinary text is passed over: a step a character and a check for a hundred and twenty at most', () => {
  const { steps, checks } = workOn(promptText(32_768, 3));
  expect({ steps: steps < 1_000, checks: checks < 8 }).toEqual({ steps: true, checks: true });
});

test.each(['12/ ', '))220 (00', '0012.34  '])(
  'numbers that need context are not read where none stands: %j',
  (attack) => {
    const { steps, checks } = workOn(attack.repeat(512));
    expect({ steps: steps < 1_000, checks }).toEqual({ steps: true, checks: 0 });
  },
);

test('a token of bounded length is not read inside a longer run of its characters', () => {
  expect(workOn('dbtc_'.repeat(512)).steps).toBeLessThan(1_000);
});

test('no text made of the beginnings of a match costs more than a bounded number of steps and checks a character', () => {
  const worst = { steps: 0, stepsOn: '', checks: 0, checksOn: '' };
  for (const attack of new Set([...rules.flatMap(attacksOn), ...knownAttacks])) {
    const { steps, checks } = workOn(attack.repeat(Math.ceil(2_048 / attack.length)));
    if (steps > worst.steps) Object.assign(worst, { steps, stepsOn: attack });
    if (checks > worst.checks) Object.assign(worst, { checks, checksOn: attack });
  }
  expect({ ...worst, isBounded: worst.steps < 20_000 && worst.checks < 500 }).toEqual({ ...worst, isBounded: true });
});
