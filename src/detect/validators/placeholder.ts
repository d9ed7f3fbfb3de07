import { signTable } from './char-kinds.ts';
import type { Value } from './value.ts';

/**
 * Whether a value only stands for a secret: `xxxxxxxx`, `<token>`, `${VAR}`, `your-key-here`. Said of vendor tokens as well
 * as of passwords, so it must be sure: a random token must not pass by accident.
 */
export function isPlaceholder(value: Value): boolean {
  const { units, start } = value;
  if (isRepetitive(value)) return true;
  if (templateSigns[units[start] ?? 0] === 1 && template.test(value.value)) return true;
  return mayHoldPhrase(value) && phrase.test(value.value);
}

const template =
  /^(?:\$\{.*\}?|\{\{[\s\w.|:$-]*\}?\}?|\{\w*\}?|<[^<>]*>?|%\w+%|%[sdvq]|\$\(.*\)?|\$[A-Za-z_]\w*|\*+|\.{3,}|\[[\w\s-]*\]?)$/;
/** What a template begins with. */
const templateSigns: Uint8Array = signTable('${<%*.[');
const phrase =
  /put[_-]?your|your[_-]?(?:api|own|token|key|secret|pass|auth|access|client|new|strong)|(?:token|key|secret|password)[_-]?here|change[_-]?(?:me|it|this)|place-?holder|redacted|dummy|not[_-]?a?[_-]?real|lorem/i;
/** One of these is in each of the phrases: a value that lacks a letter of each need not be searched. */
const phraseLetters: readonly number[] = [
  'your',
  'here',
  'change',
  'placeholder',
  'redacted',
  'dummy',
  'notreal',
  'lorem',
].map(lettersOf);

function lettersOf(word: string): number {
  return [...word].reduce((letters, letter) => letters | letterBit(letter.charCodeAt(0)), 0);
}

/** A bit for each letter of either case; other units share them. */
function letterBit(unit: number): number {
  return 1 << (unit & 31);
}

function mayHoldPhrase({ units, start, end }: Value): boolean {
  let letters = 0;
  for (let at = start; at < end; at++) {
    const unit = units[at] ?? 0;
    if (unit >= 0x40) letters |= letterBit(unit);
  }
  for (let i = 0; i < phraseLetters.length; i++) {
    const wanted = phraseLetters[i] ?? 0;
    if ((letters & wanted) === wanted) return true;
  }
  return false;
}

/** A long run of one filler, or an end of nothing but fillers. */
function isRepetitive({ units, start, end }: Value): boolean {
  let run = 0;
  let fillers = 0;
  let before = -1;
  for (let at = start; at < end; at++) {
    const unit = units[at] ?? 0;
    if (unit >= 0x80 || fillerUnits[unit] !== 1) {
      fillers = 0;
      run = 0;
      continue;
    }
    fillers++;
    run = run > 0 && unit === before ? run + 1 : 1;
    if (run === fillerRunMin) return true;
    before = unit;
  }
  const length = end - start;
  return length >= 8 && fillers >= Math.min(length, fillerEndMin);
}

const fillerUnits: Uint8Array = signTable('xX*.0#_-');
const fillerRunMin = 10;
const fillerEndMin = 16;
