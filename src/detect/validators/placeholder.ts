/**
 * Whether a value only stands for a secret: `xxxxxxxx`, `<token>`, `${VAR}`, `your-key-here`. Said of vendor tokens as well
 * as of passwords, so it must be sure: a random token must not pass by accident.
 */
export function isPlaceholder(value: string): boolean {
  return isRepetitive(value) || template.test(value) || phrase.test(value);
}

const template = /^(?:\$\{.*\}|\{\{.*\}\}|<[^<>]*>|%\w+%|%[sdv]|\$\(.*\)|\$[A-Z_]+|\*+|\.{3,})$/;
const phrase =
  /put[_-]?your|your[_-]?(?:api|token|key|secret|pass|auth|access)|(?:token|key|secret)[_-]?here|change[_-]?me|placeholder|redacted/i;

/** Eight times the same character in a row, or hardly any different ones. */
function isRepetitive(value: string): boolean {
  if (value.length < 8) return false;
  return /([xX*.0#_-])\1{9}/.test(value) || new Set(value.slice(-16)).size <= 2;
}
