import { digitRun } from './anchors.ts';
import { kinds } from './compiled-rule.ts';
import { type Dfa, dead, goesOn, statesOf, step } from './dfa.ts';

type Anchor = string | typeof digitRun;

/** The texts that an anchor stands for. */
export function textsOf(anchor: Anchor): readonly string[] {
  return anchor === digitRun ? [...'0123456789'] : [anchor];
}

/** What may stand behind an anchor that a match begins with, by `kindOf`. */
export function followersAtStart(dfa: Dfa, anchors: readonly Anchor[]): Uint8Array {
  return followersOf(dfa, [dfa.start], anchors);
}

/** The same wherever in the pattern the anchor comes. */
export function followersAnywhere(dfa: Dfa, anchors: readonly Anchor[]): Uint8Array {
  return followersOf(dfa, statesOf(dfa), anchors);
}

function followersOf(dfa: Dfa, from: readonly number[], anchors: readonly Anchor[]): Uint8Array {
  const behind = new Set<number>();
  for (const anchor of anchors.flatMap(textsOf)) {
    let states: ReadonlySet<number> = new Set(from);
    // Anchors are of either case; a pattern may be of one, or of one for each of its letters.
    for (const char of anchor) {
      const units = new Set([char, char.toUpperCase()].map((form) => form.charCodeAt(0)));
      states = new Set([...states].flatMap((state) => [...units].map((unit) => step(dfa, state, unit))));
    }
    for (const state of states) behind.add(state);
  }
  behind.delete(dead);
  const table = new Uint8Array(kinds);
  for (const state of behind) {
    for (let kind = 0; kind < kinds; kind++) if (state >= dfa.accepting || goesOn(dfa, state, kind)) table[kind] = 1;
  }
  return table;
}
