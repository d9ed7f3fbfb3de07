/** `"NAME" value="…"` of XML, `NAME` and `value: …` on the next line of YAML. */
const besideIt = String.raw`[ \t]+value[ \t]*=|\r?\n[ \t]*value:`;
/** `**Password:** …`, `<b>Password:</b> …`. */
const emphasis = String.raw`(?:[*_]{2}|</[a-z]{1,6}>)?`;

/**
 * Pieces of the leads of the rules for secrets that a keyword announces.
 *
 * What stands between a name and its value in configuration, code and data: a closing quote or bracket, perhaps a type, and
 * an operator: `=`, `:`, `:=`, `=>`, `?=`, a comma between arguments, the end of a tag; the border of a table's cell; the name of the
 * member that holds it, where name and value are members of one element (`key="…" value="…"`, `name: …` and `value: …` below it).
 */
export const operator: string = String.raw`["'\x60]?(?:[)\]}]*(?: ?string)?[ \t]*(?:[:?|.~+-]*[=:]>?|->|>|\(|\||\u2192)|,|${besideIt})${emphasis}[ \t\r\n]*`;

/** What may follow the keyword within a longer name. */
export const nameTail: string = String.raw`[\w.-]*`;

export const quote: string = String.raw`["'\x60]+`;

export function anyOf(names: readonly string[]): string {
  return `(?:${names.join('|')})`;
}

/** Where the two rules' examples cite it: hard-coded credentials. */
export const cwe798 = 'https://cwe.mitre.org/data/definitions/798.html';
