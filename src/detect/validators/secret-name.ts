/**
 * The words of the name that a value is given to, read backwards from the value: `DB_PASSWORD = `, `dbPassword: "` and
 * `db-password, ` all say db, password. Looks at most 80 characters back.
 */
export function nameBefore(text: string, start: number): readonly string[] {
  const limit = Math.max(0, start - 80);
  let end = skipBack(text, start, limit, false);
  let begin = skipBack(text, end, limit, true);
  if (fillers.has(text.slice(begin, end).toLowerCase())) {
    end = skipBack(text, begin, limit, false);
    begin = skipBack(text, end, limit, true);
  }
  const words = wordsOf(text.slice(begin, end));
  return particles.has(words.at(-1) ?? '') ? words.slice(0, -1) : words;
}

/** Runs of letters, cut at the humps of camelCase, and runs of what is no ASCII. */
function wordsOf(name: string): string[] {
  const words: string[] = [];
  let begin = 0;
  let humpFrom = 0;
  let before = none;
  for (let at = 0; at <= name.length; at++) {
    const kind = wordKind(name, at);
    let isCut = before !== kind && !(before >= small && kind >= small);
    if (at >= humpFrom && kind === capital && (before === small || before === figure)) {
      isCut = true;
      humpFrom = at + 2;
    } else if (at >= humpFrom && kind === capital && before === capital && wordKind(name, at + 1) === small) {
      isCut = true;
      humpFrom = at + 3;
    }
    if (isCut) {
      if (at > begin && (before >= small || before === foreign)) words.push(name.slice(begin, at).toLowerCase());
      begin = at;
    }
    before = kind;
  }
  return words;
}

const none = 0;
const figure = 1;
const foreign = 2;
const small = 3;
const capital = 4;

function wordKind(name: string, at: number): number {
  if (at >= name.length) return none;
  const unit = name.charCodeAt(at);
  if (unit >= 0x80) return foreign;
  if (unit >= 0x61 && unit <= 0x7a) return small;
  if (unit >= 0x41 && unit <= 0x5a) return capital;
  return unit >= 0x30 && unit <= 0x39 ? figure : none;
}

/** Words between a name and its value: a type, a verb, the member that holds the value (`name: PUBLIC_KEY`, `value: …`). */
const fillers = new Set(['string', 'default', 'value', 'is', 'was', 'to', 'are', 'ist', 'est', 'now']);
/** Korean and Japanese mark the topic at the end of the word. */
const particles = new Set(['는', '은', '가', '이', '를', '을', 'は', 'が', 'を']);

function skipBack(text: string, from: number, limit: number, names: boolean): number {
  let at = from;
  while (at > limit && isNameUnit(text.charCodeAt(at - 1)) === names) at--;
  return at;
}

function isNameUnit(unit: number): boolean {
  if (unit >= 0x80) return true;
  const isLetter = (unit | 0x20) >= 0x61 && (unit | 0x20) <= 0x7a;
  return isLetter || (unit >= 0x30 && unit <= 0x39) || unit === 0x5f || unit === 0x2e || unit === 0x2d;
}

/** Whether a name says that something about a secret follows, or a key that is none: `token_type`, `publicKey`, `key id`. */
export function isAboutSecret(words: readonly string[]): boolean {
  return aboutWords.has(words.at(-1) ?? '') || words.some((word) => harmlessWords.has(word));
}

const aboutWords = new Set(
  `id ids name names type types count counts length size limit url uri path file filename dir field fields label hint policy
  expires expiry expiration ttl version ref arn hash digest fingerprint checksum format prefix suffix endpoint provider store
  location usage budget max min index position offset at algorithm alg class regex pattern placeholder message error
  description title header tokens keys author authors authority`.split(/\s+/),
);
const harmlessWords = new Set(
  `public pub pubkey primary foreign sort partition cache object row column react translation i18n cancellation continuation
  page`.split(/\s+/),
);
