/**
 * Stands in a pointer for a key that is not plainly a name: a key can hold what a value can (`{"4111 1111 1111 1111": …}`), and
 * pointers go into records and logs. `*<position>` cannot be mistaken, because a key spelled like that is replaced as well.
 */
export function keyToken(position: number): string {
  return `*${position}`;
}

/** Letters (with `_ - . $`), at most four digits and only at the end; or a short number. All else could be a value. */
export function isPlainName(key: string): boolean {
  return key.length <= 64 && /^(?:[A-Za-z_$][A-Za-z_$.-]*\d{0,4}|\d{1,8})$/.test(key);
}

/** A word of a protocol: `tool_use`, `chat.completion.chunk`, `web_search_20250305`, `application/pdf`. */
export function isWord(value: string): boolean {
  return value.length <= 64 && /^[A-Za-z][a-z0-9_.+/-]*$/.test(value);
}

/** An identifier or a model's name. Digits alone (a card number) are none, however they are grouped. */
export function isIdentifier(value: string): boolean {
  return value.length <= 256 && /^[A-Za-z0-9_.:/|+=~-]+$/.test(value) && (value.length < 9 || /[A-Za-z]/.test(value));
}

/** Base64 of some length, or a `data:` URI of it. Short strings are read all the same. */
export function isBase64(value: string): boolean {
  const payload = value.startsWith('data:') ? value.slice(value.indexOf(',') + 1) : value;
  const isDeclared = payload !== value && value.slice(0, value.length - payload.length).endsWith(';base64,');
  return (isDeclared || value.length >= 64) && /^[A-Za-z0-9+/_-]*={0,2}$/.test(payload);
}
