import metadata from 'libphonenumber-js/max/metadata';

/**
 * Number plans from libphonenumber's metadata, used as data: one expression a calling code says whether a national number
 * is assigned. (The library's own finder is slow and knows one default country.)
 */
const plans: ReadonlyMap<string, RegExp> = readPlans();

/** Whether digits that begin with a calling code are a valid number (libphonenumber's `isValidNumber`). */
export function isInternationalNumber(digits: string): boolean {
  for (let length = 1; length <= 3; length++) {
    const plan = plans.get(digits.slice(0, length));
    // The Italian and a few other plans keep the trunk zero; elsewhere people write it in brackets: +44 (0)20 …
    if (plan) return plan.test(digits.slice(length)) || plan.test(digits.slice(length).replace(/^0/, ''));
  }
  return false;
}

function readPlans(): Map<string, RegExp> {
  const byCode = new Map<string, string[]>();
  const { countries, nonGeographic } = metadata as unknown as Record<string, Record<string, unknown> | undefined>;
  for (const plan of [...Object.values(countries ?? {}), ...Object.values(nonGeographic ?? {})]) {
    if (!Array.isArray(plan)) continue;
    const [code, , general] = plan;
    const types: unknown = plan[11];
    const patterns = (Array.isArray(types) ? types : [])
      .map((type: unknown) => (Array.isArray(type) ? type[0] : undefined))
      .filter((pattern) => typeof pattern === 'string');
    const all = patterns.length > 0 ? patterns : [String(general)];
    byCode.set(String(code), [...(byCode.get(String(code)) ?? []), ...all]);
  }
  return new Map([...byCode].map(([code, patterns]) => [code, new RegExp(`^(?:${patterns.join('|')})$`)]));
}
