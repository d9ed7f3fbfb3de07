/**
 * Whether a value only stands for a secret: `xxxxxxxx`, `<token>`, `${VAR}`, `your-key-here`. Said of vendor tokens as well
 * as of passwords, so it must be sure: a random token must not pass by accident.
 */
export function isPlaceholder(value: string): boolean {
  return isRepetitive(value) || template.test(value) || phrase.test(value);
}

const template =
  /^(?:\$\{.*\}?|\{\{[\s\w.|:$-]*\}?\}?|\{\w*\}?|<[^<>]*>?|%\w+%|%[sdvq]|\$\(.*\)?|\$[A-Za-z_]\w*|\*+|\.{3,}|\[[\w\s-]*\]?)$/;
const phrase =
  /put[_-]?your|your[_-]?(?:api|own|token|key|secret|pass|auth|access|client|new|strong)|(?:token|key|secret|password)[_-]?here|change[_-]?(?:me|it|this)|place-?holder|redacted|dummy|not[_-]?a?[_-]?real|lorem/i;

/** A long run of one filler, or an end of nothing but fillers. */
function isRepetitive(value: string): boolean {
  if (/([xX*.0#_-])\1{9}/.test(value)) return true;
  return value.length >= 8 && /^[xX*.0#_-]+$/.test(value.slice(-16));
}
