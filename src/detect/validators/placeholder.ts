/**
 * Whether a value only stands for a secret: `xxxxxxxx`, `<token>`, `${VAR}`, `your-key-here`. Said of vendor tokens as well
 * as of passwords, so it must be sure: a random token must not pass by accident.
 */
export function isPlaceholder(value: string): boolean {
  return isRepetitive(value) || (templateSigns.has(value.charCodeAt(0)) && template.test(value)) || phrase.test(value);
}

const template =
  /^(?:\$\{.*\}?|\{\{[\s\w.|:$-]*\}?\}?|\{\w*\}?|<[^<>]*>?|%\w+%|%[sdvq]|\$\(.*\)?|\$[A-Za-z_]\w*|\*+|\.{3,}|\[[\w\s-]*\]?)$/;
/** What a template begins with. */
const templateSigns: ReadonlySet<number> = new Set([...'${<%*.['].map((sign) => sign.charCodeAt(0)));
const phrase =
  /put[_-]?your|your[_-]?(?:api|own|token|key|secret|pass|auth|access|client|new|strong)|(?:token|key|secret|password)[_-]?here|change[_-]?(?:me|it|this)|place-?holder|redacted|dummy|not[_-]?a?[_-]?real|lorem/i;

/** A long run of one filler, or an end of nothing but fillers. */
function isRepetitive(value: string): boolean {
  let run = 0;
  let fillers = 0;
  let before = -1;
  for (let at = 0; at < value.length; at++) {
    const unit = value.charCodeAt(at);
    const isFiller = fillerUnits.has(unit);
    fillers = isFiller ? fillers + 1 : 0;
    run = !isFiller ? 0 : unit === before ? run + 1 : 1;
    if (run === fillerRunMin) return true;
    before = unit;
  }
  return value.length >= 8 && fillers >= Math.min(value.length, fillerEndMin);
}

const fillerUnits: ReadonlySet<number> = new Set([...'xX*.0#_-'].map((sign) => sign.charCodeAt(0)));
const fillerRunMin = 10;
const fillerEndMin = 16;
