import metadata from 'libphonenumber-js/max/metadata';

/** Positions in a country's row of the metadata (libphonenumber-js `Metadata`, version 4). */
const at = { code: 0, general: 2, lengths: 3, trunk: 5, types: 11 } as const;

/**
 * Number plans from libphonenumber's metadata, used as data: one expression a calling code says whether a national number
 * is assigned. (The library's own finder is slow and knows one default country.)
 */
const plans: ReadonlyMap<string, NumberPlan> = readPlans();

interface NumberPlan {
  readonly assigned: RegExp;
  readonly lengths: ReadonlySet<number>;
}

/**
 * What libphonenumber's `isValidNumber` and `isPossibleNumber` say of digits that begin with a calling code: assigned, of a
 * possible length, or neither.
 */
export function internationalNumberKind(digits: string): 'assigned' | 'possible' | null {
  for (let length = 1; length <= 3; length++) {
    const plan = plans.get(digits.slice(0, length));
    if (!plan) continue;
    const national = digits.slice(length);
    // People write the trunk zero in brackets: +44 (0)20 …
    const forms = national.startsWith('0') ? [national, national.slice(1)] : [national];
    if (forms.some((form) => plan.assigned.test(form))) return 'assigned';
    return forms.some((form) => plan.lengths.has(form.length)) ? 'possible' : null;
  }
  return null;
}

/** Whether digits with a trunk zero are an assigned mobile or fixed number of some country. */
export function isAssignedSomewhere(national: string): boolean {
  return trunkZeroPlans.some((plan) => plan.test(national));
}

const trunkZeroPlans: readonly RegExp[] = readTrunkZeroPlans();

function rows(): readonly (readonly unknown[])[] {
  const tables: Readonly<Record<string, unknown>> = { ...metadata };
  return [tables['countries'], tables['nonGeographic']].flatMap((table) =>
    typeof table === 'object' && table !== null ? Object.values(table).filter(Array.isArray) : [],
  );
}

/** Patterns of the kinds of number, or the general one where kinds are not told apart. */
function patternsOf(row: readonly unknown[], kinds?: number): readonly string[] {
  const types: unknown = row[at.types];
  const patterns = (Array.isArray(types) ? types.slice(0, kinds) : [])
    .map((type: unknown) => (Array.isArray(type) ? type[0] : undefined))
    .filter((pattern) => typeof pattern === 'string' && pattern !== '');
  return patterns.length > 0 ? patterns : [String(row[at.general])];
}

function readPlans(): Map<string, NumberPlan> {
  const byCode = new Map<string, { patterns: string[]; lengths: Set<number> }>();
  for (const row of rows()) {
    const code = String(row[at.code]);
    const plan = byCode.get(code) ?? { patterns: [], lengths: new Set() };
    byCode.set(code, plan);
    plan.patterns.push(...patternsOf(row));
    const lengths: unknown = row[at.lengths];
    if (Array.isArray(lengths)) for (const length of lengths) plan.lengths.add(Number(length));
  }
  return new Map(
    [...byCode].map(([code, { patterns, lengths }]) => [
      code,
      { assigned: new RegExp(`^(?:${patterns.join('|')})$`), lengths },
    ]),
  );
}

/** Fixed and mobile numbers of the countries where a national number is dialled with a leading zero. */
function readTrunkZeroPlans(): RegExp[] {
  return rows()
    .filter((row) => row[at.trunk] === '0')
    .map((row) => new RegExp(`^(?:${patternsOf(row, 2).join('|')})$`));
}
