import { type Dfa, wideSymbolOf } from './dfa.ts';

/** Code units that none of several automata tells apart are of one class. */
export interface JointClasses {
  /** Class of each code unit. */
  readonly classOf: Uint16Array;
  /** One unit of each class. */
  readonly units: readonly number[];
}

export function jointClasses(automata: readonly Dfa[]): JointClasses {
  const classOf = new Uint16Array(0x10000);
  const units: number[] = [];
  const known = new Map<string, number>();
  const cuts = new Set<number>([0x80]);
  for (const { wideFrom } of automata) for (const unit of wideFrom) cuts.add(unit);
  const wide = [...cuts].filter((unit) => unit >= 0x80).sort((a, b) => a - b);
  const note = (unit: number): number => {
    const key = automata.map((dfa) => (unit < 0x80 ? (dfa.ascii[unit] ?? 0) : wideSymbolOf(dfa, unit))).join();
    const id = known.get(key) ?? units.push(unit) - 1;
    known.set(key, id);
    return id;
  };
  for (let unit = 0; unit < 0x80; unit++) classOf[unit] = note(unit);
  wide.forEach((from, i) => {
    classOf.fill(note(from), from, wide[i + 1] ?? 0x10000);
  });
  return { classOf, units };
}
