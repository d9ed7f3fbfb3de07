import metadata from 'libphonenumber-js/max/metadata';

/** No national number has more digits, a trunk zero among them. */
const nationalMax = 18;

/** Positions in a country's row of the metadata (libphonenumber-js `Metadata`, version 4). */
const column = { code: 0, general: 2, lengths: 3, types: 11 } as const;

interface NumberPlan {
  /** Matches the assigned numbers, and nothing beside them. */
  readonly assigned: RegExp;
  /** A bit for each length that a national number may have. */
  readonly lengths: number;
  /** Whether one may begin with a zero: in few plans. */
  readonly mayBeginWithZero: boolean;
  /** Whether a zero may be dialled first that is no part of it. */
  readonly hasTrunkZero: boolean;
}

/** Its calling code: there the zero is part of the number. */
const italy = 39;

/** In a pattern: some alternative that begins with a zero, or with a class that may hold it. */
const numbersWithZero = /(?:^|[|(:])(?:0|\[0|\\d)/;

/**
 * Number plans from libphonenumber's metadata, used as data, by calling code: one expression says whether a national number
 * is assigned. (The library's own finder is slow and knows one default country.)
 */
const plans: readonly (NumberPlan | undefined)[] = readPlans();

/**
 * What libphonenumber's `isValidNumber` and `isPossibleNumber` say of the digits among some units (`count` of them), which begin with a
 * calling code, perhaps with `00` before it: assigned, of a possible length, or neither.
 */
export function internationalNumberKind(
  units: Uint16Array,
  start: number,
  end: number,
  count: number,
): 'assigned' | 'possible' | null {
  const number = readNumber(units, start, end);
  if (number === null || ((lengthsOf(number) >>> Math.min(count - number.before, 31)) & 1) === 0) return null;
  return isAssigned(number.plan, digitsAmong(units, number.from, end, nationalMax)) ? 'assigned' : 'possible';
}

/** Whether the digits among some units are an assigned number of the plan of a calling code, which is not among them. */
export function isAssignedNational(code: number, units: Uint16Array, start: number, end: number): boolean {
  const plan = plans[code];
  return plan !== undefined && isAssigned(plan, digitsAmong(units, start, end, nationalMax + 1));
}

/** Only of the lengths that the plan has: no other is assigned. Asked twice of most: whether one may begin there, and what it is. */
function isAssigned(plan: NumberPlan, national: string): boolean {
  if (plan !== asked.plan || national !== asked.national) {
    asked.is = isOfPlan(plan, national);
    asked.plan = plan;
    asked.national = national;
  }
  return asked.is;
}

/** What was asked last. */
const asked: { plan: NumberPlan | null; national: string; is: boolean } = { plan: null, national: '', is: false };

function isOfPlan(plan: NumberPlan, national: string): boolean {
  const beginsWithZero = national.charCodeAt(0) === zero;
  const isOwn = !beginsWithZero || plan.mayBeginWithZero;
  if (isOwn && hasLength(plan, national.length) && plan.assigned.test(national)) return true;
  // People write the trunk zero in brackets: +44 (0)20 …
  if (!beginsWithZero || !plan.hasTrunkZero) return false;
  return hasLength(plan, national.length - 1) && plan.assigned.test(national.slice(1));
}

/**
 * With how many of its digits, from the first on, it is a number of a possible length, a bit each: up to one that no other digit stands
 * behind, and, where an assigned one is asked for, up to the longest that is assigned.
 */
export function internationalEnds(units: Uint16Array, start: number, end: number, wantsAssigned: boolean): number {
  const number = readNumber(units, start, end);
  if (number === null) return 0;
  const { plan, from, before } = number;
  const lengths = lengthsOf(number);
  const possible = lengths & gather(units, from, end, 31 - Math.clz32(lengths));
  if (possible === 0 || !wantsAssigned) return possible << before;
  const national = firstFigures(31 - Math.clz32(possible));
  for (let left = possible; left !== 0; ) {
    const length = 31 - Math.clz32(left);
    if (isAssigned(plan, national.slice(0, length))) return left << before;
    left &= ~(1 << length);
  }
  return 0;
}

interface InternationalNumber {
  readonly plan: NumberPlan;
  /** Where the national number begins, and how many digits stand before it. */
  readonly from: number;
  readonly before: number;
  readonly isTrunkZero: boolean;
}

/** Digits that the national number may have, a bit each. */
function lengthsOf({ plan, isTrunkZero }: InternationalNumber): number {
  return isTrunkZero && plan.hasTrunkZero ? plan.lengths | (plan.lengths << 1) : plan.lengths;
}

function readNumber(units: Uint16Array, start: number, end: number): InternationalNumber | null {
  let at = nextDigit(units, start, end);
  let before = 0;
  if (units[at] === zero) {
    const second = nextDigit(units, at + 1, end);
    if (units[second] === zero) {
      at = nextDigit(units, second + 1, end);
      before = 2;
    }
  }
  let code = 0;
  let plan: NumberPlan | undefined;
  // Nobody writes a calling code in two pieces.
  for (let length = 0; !plan && length < codeDigitsMax && at < end && isDigit(units[at] ?? 0); length++) {
    code = 10 * code + (units[at] ?? zero) - zero;
    if (code === 0) return null;
    plan = plans[code];
    at++;
    before++;
  }
  at = nextDigit(units, at, end);
  return plan ? { plan, from: at, before, isTrunkZero: at < end && units[at] === zero } : null;
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

/** The first digits among some units, at most so many (`nationalMax` and one more). */
function digitsAmong(units: Uint16Array, start: number, end: number, max: number): string {
  const ends = gather(units, start, end, max);
  return firstFigures(31 - Math.clz32(ends));
}

/** Puts them into `figures`. Returns how many there are up to each that no other stands right behind, and up to the last, a bit each. */
function gather(units: Uint16Array, start: number, end: number, max: number): number {
  let count = 0;
  let ends = 0;
  for (let at = start; at < end && count < max; at++) {
    const unit = units[at] ?? 0;
    if (!isDigit(unit)) continue;
    figures[count++] = unit;
    if (!isDigit(units[at + 1] ?? 0)) ends |= 1 << count;
  }
  return ends | (1 << count);
}

/** The first of `figures` as a text. */
function firstFigures(to: number): string {
  // Ten times as fast as one by one.
  let digits = '';
  let at = 0;
  for (; at + 4 < to; at += 5) {
    const five = String.fromCharCode(
      figureAt(at),
      figureAt(at + 1),
      figureAt(at + 2),
      figureAt(at + 3),
      figureAt(at + 4),
    );
    digits = digits === '' ? five : digits + five;
  }
  for (; at < to; at++) digits += String.fromCharCode(figureAt(at));
  return digits;
}

function figureAt(at: number): number {
  return figures[at] ?? 0;
}

/** Of use during one call only. */
const figures = new Uint16Array(nationalMax + 1);

function hasLength(plan: NumberPlan, length: number): boolean {
  return length >= 0 && length < 32 && ((plan.lengths >>> length) & 1) === 1;
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
  return Array.from(byCode, (plan, code) =>
    plan ? planOf([...plan.patterns].join('|'), plan.lengths, code) : undefined,
  );
}

function planOf(numbers: string, lengths: number, code: number): NumberPlan {
  const mayBeginWithZero = numbersWithZero.test(numbers);
  return { assigned: new RegExp(`^(?:${numbers})$`), lengths, mayBeginWithZero, hasTrunkZero: code !== italy };
}
