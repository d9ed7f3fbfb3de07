import { charKindsOf, lettersOf, mayHoldWord, signTable } from './char-kinds.ts';
import type { Value } from './value.ts';

/**
 * Whether a value only stands for a secret: `xxxxxxxx`, `<token>`, `${VAR}`, `your-key-here`. Said of vendor tokens as well
 * as of passwords, so it must be sure: a random token must not pass by accident.
 */
export function isPlaceholder(
  value: Value,
  /** What `charKindsOf` says of it. */
  kinds: number = charKindsOf(value.units, value.start, value.end),
): boolean {
  const { units, start } = value;
  if (isRepetitive(value)) return true;
  if (templateSigns[units[start] ?? 0] === 1 && template.test(value.value)) return true;
  return mayHoldWord(phraseLetters, kinds) && phrase.test(value.value);
}

const template =
  /^(?:\$\{.*\}?|\{\{[\s\w.|:$-]*\}?\}?|\{\w*\}?|<[^<>]*>?|%\w+%|%[sdvq]|\$\(.*\)?|\$[A-Za-z_]\w*|\*+|\.{3,}|\[[\w\s-]*\]?)$/;
/** What a template begins with. */
const templateSigns: Uint8Array = signTable('${<%*.[');
const phrase =
  /put[_-]?your|your[_-]?(?:api|own|token|key|secret|pass|auth|access|client|new|strong)|(?:token|key|secret|password)[_-]?here|change[_-]?(?:me|it|this)|place-?holder|redacted|dummy|not[_-]?a?[_-]?real|lorem/i;
/** One of these words is in each of the phrases: a value that lacks a letter of each need not be searched. */
const phraseLetters: readonly number[] = [
  ...['your', 'here', 'change', 'placeholder', 'redacted', 'dummy', 'notreal', 'lorem'],
].map(lettersOf);

/** A long run of one filler, or an end of nothing but fillers. */
function isRepetitive({ units, start, end }: Value): boolean {
  // A run as long covers one of these places.
  for (let at = start + fillerRunMin - 1; at < end; at += fillerRunMin) {
    const unit = units[at] ?? 0;
    if (isFiller(unit) && runAround(units, start, end, at) >= fillerRunMin) return true;
  }
  const length = end - start;
  const wanted = Math.min(length, fillerEndMin);
  let fillers = 0;
  while (fillers < wanted && isFiller(units[end - 1 - fillers] ?? 0)) fillers++;
  return length >= 8 && fillers === wanted;
}

/** How often a unit comes in a row around its place. */
function runAround(units: Uint16Array, start: number, end: number, at: number): number {
  const unit = units[at];
  let [from, to] = [at, at + 1];
  while (from > start && units[from - 1] === unit) from--;
  while (to < end && units[to] === unit) to++;
  return to - from;
}

function isFiller(unit: number): boolean {
  return unit < 0x80 && fillerUnits[unit] === 1;
}

const fillerUnits: Uint8Array = signTable('xX*.0#_-');
const fillerRunMin = 10;
const fillerEndMin = 16;
