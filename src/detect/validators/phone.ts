import metadata from 'libphonenumber-js/max/metadata';

/** Positions in a country's row of the metadata (libphonenumber-js `Metadata`, version 4). */
const column = { code: 0, general: 2, lengths: 3, types: 11 } as const;

interface NumberPlan {
  /** Matches the assigned numbers, and nothing beside them. */
  readonly assigned: RegExp;
  /** A bit for each length that a national number may have. */
  readonly lengths: number;
}

/**
 * Number plans from libphonenumber's metadata, used as data, by calling code: one expression says whether a national number
 * is assigned. (The library's own finder is slow and knows one default country.)
 */
const plans: readonly (NumberPlan | undefined)[] = readPlans();

/**
 * What libphonenumber's `isValidNumber` and `isPossibleNumber` say of the digits among some units, which begin with a calling
 * code, perhaps with `00` before it: assigned, of a possible length, or neither.
 */
export function internationalNumberKind(
  units: Uint16Array,
  start: number,
  end: number,
): 'assigned' | 'possible' | null {
  const number = readNumber(units, start, end);
  if (number === null || !hasPossibleLength(number)) return null;
  return isAssignedBy(number.plan, units, number.from, end) ? 'assigned' : 'possible';
}

/** Whether the digits among some units are an assigned number of the plan of a calling code, which is not among them. */
export function isAssignedNational(code: number, units: Uint16Array, start: number, end: number): boolean {
  const plan = plans[code];
  return plan !== undefined && isAssignedBy(plan, units, start, end);
}

function isAssignedBy(plan: NumberPlan, units: Uint16Array, start: number, end: number): boolean {
  const national = digitsAmong(units, start, end);
  // People write the trunk zero in brackets: +44 (0)20 …
  return plan.assigned.test(national) || (national.startsWith('0') && plan.assigned.test(national.slice(1)));
}

/** How many digits such a number may have in all, a bit each: of others the kind is null. */
export function internationalLengths(units: Uint16Array, start: number, end: number): number {
  const number = readNumber(units, start, end);
  if (number === null) return 0;
  const { plan, from, isTrunkZero } = number;
  const plain = plan.lengths << digitsBetween(units, start, from);
  return isTrunkZero ? plain | (plain << 1) : plain;
}

interface InternationalNumber {
  readonly plan: NumberPlan;
  /** Where the national number begins, and how many digits it has. */
  readonly from: number;
  readonly count: number;
  readonly isTrunkZero: boolean;
}

function readNumber(units: Uint16Array, start: number, end: number): InternationalNumber | null {
  let at = nextDigit(units, start, end);
  if (units[at] === zero) {
    const second = nextDigit(units, at + 1, end);
    if (units[second] === zero) at = nextDigit(units, second + 1, end);
  }
  let code = 0;
  let plan: NumberPlan | undefined;
  for (let length = 0; !plan && length < codeDigitsMax && at < end; length++) {
    code = 10 * code + (units[at] ?? zero) - zero;
    if (code === 0) return null;
    plan = plans[code];
    at = nextDigit(units, at + 1, end);
  }
  if (!plan) return null;
  const isTrunkZero = at < end && units[at] === zero;
  return { plan, from: at, count: digitsBetween(units, at, end), isTrunkZero };
}

/** None is the beginning of another, none begins with zero. */
const codeDigitsMax = 3;
const zero = 0x30;

function nextDigit(units: Uint16Array, from: number, end: number): number {
  let at = from;
  while (at < end && !isDigit(units[at] ?? 0)) at++;
  return at;
}

function isDigit(unit: number): boolean {
  return unit >= zero && unit <= 0x39;
}

function digitsBetween(units: Uint16Array, start: number, end: number): number {
  let count = 0;
  for (let at = start; at < end; at++) if (isDigit(units[at] ?? 0)) count++;
  return count;
}

function digitsAmong(units: Uint16Array, start: number, end: number): string {
  let digits = '';
  for (let at = start; at < end; at++) if (isDigit(units[at] ?? 0)) digits += String.fromCharCode(units[at] ?? 0);
  return digits;
}

function hasPossibleLength({ plan, count, isTrunkZero }: InternationalNumber): boolean {
  return hasLength(plan, count) || (isTrunkZero && hasLength(plan, count - 1));
}

function hasLength(plan: NumberPlan, length: number): boolean {
  return length < 32 && ((plan.lengths >>> length) & 1) === 1;
}

function rows(): readonly (readonly unknown[])[] {
  const tables: Readonly<Record<string, unknown>> = { ...metadata };
  return [tables['countries'], tables['nonGeographic']].flatMap((table) =>
    typeof table === 'object' && table !== null ? Object.values(table).filter(Array.isArray) : [],
  );
}

/** Patterns of the kinds of number, or the general one where kinds are not told apart. */
function patternsOf(row: readonly unknown[]): readonly string[] {
  const types: unknown = row[column.types];
  const patterns = (Array.isArray(types) ? types : [])
    .map((type: unknown) => (Array.isArray(type) ? type[0] : undefined))
    .filter((pattern) => typeof pattern === 'string' && pattern !== '');
  return patterns.length > 0 ? patterns : [String(row[column.general])];
}

function readPlans(): (NumberPlan | undefined)[] {
  const byCode: ({ readonly patterns: Set<string>; lengths: number } | undefined)[] = [];
  for (const row of rows()) {
    const code = Number(row[column.code]);
    const plan = byCode[code] ?? { patterns: new Set(), lengths: 0 };
    byCode[code] = plan;
    // Countries that share a code share some of their patterns.
    for (const pattern of patternsOf(row)) plan.patterns.add(pattern);
    const lengths: unknown = row[column.lengths];
    if (Array.isArray(lengths)) for (const length of lengths) plan.lengths |= 1 << Number(length);
  }
  return Array.from(byCode, (plan) => (plan ? planOf([...plan.patterns].join('|'), plan.lengths) : undefined));
}

function planOf(numbers: string, lengths: number): NumberPlan {
  return { assigned: new RegExp(`^(?:${numbers})$`), lengths };
}
