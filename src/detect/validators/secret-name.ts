/**
 * The words of the name that a value is given to, read backwards from the value: `DB_PASSWORD = `, `dbPassword: "` and
 * `db-password, ` all say db, password. Looks at most 80 characters back.
 */
export function nameBefore(text: string, start: number): readonly string[] {
  const end = nameEnd(text, start);
  const begin = nameBegin(text, start, end);
  const words: string[] = [];
  for (let from = begin; from < end; ) {
    const to = wordEnd(text, begin, from, end);
    if (isWord(text, to)) words.push(text.slice(from, to).toLowerCase());
    from = to;
  }
  return particles.has(words.at(-1) ?? '') ? words.slice(0, -1) : words;
}

/** Whether that name says that something about a secret follows, or a key that is none: `token_type`, `publicKey`, `key id`. */
export function isNamedAboutSecret(text: string, start: number): boolean {
  const end = nameEnd(text, start);
  const begin = nameBegin(text, start, end);
  let [lastFrom, lastTo] = [end, end];
  let [previousFrom, previousTo] = [end, end];
  for (let from = begin; from < end; ) {
    const to = wordEnd(text, begin, from, end);
    if (isWord(text, to)) {
      if (hasWord(harmlessWords, text, from, to)) return true;
      [previousFrom, previousTo] = [lastFrom, lastTo];
      [lastFrom, lastTo] = [from, to];
    }
    from = to;
  }
  const isParticle = lastTo - lastFrom === 1 && particles.has(text.charAt(lastFrom));
  return isParticle ? hasWord(aboutWords, text, previousFrom, previousTo) : hasWord(aboutWords, text, lastFrom, lastTo);
}

/** Where the name before a value ends: a filler is none. */
function nameEnd(text: string, start: number): number {
  const limit = Math.max(0, start - nameCharsMax);
  const end = skipBack(text, start, limit, false);
  const begin = skipBack(text, end, limit, true);
  return hasWord(fillers, text, begin, end) ? skipBack(text, begin, limit, false) : end;
}

function nameBegin(text: string, start: number, end: number): number {
  return skipBack(text, end, Math.max(0, start - nameCharsMax), true);
}

const nameCharsMax = 80;

/**
 * Where the run of a name ends that begins at `from`: runs of letters are cut at the humps of camelCase, and what is no ASCII is a run
 * of its own.
 */
function wordEnd(text: string, begin: number, from: number, end: number): number {
  let before = wordKind(text, from);
  let humpFrom = from;
  if (from > begin && before === capital) {
    // What is part of the hump that the run begins with begins no other.
    const left = wordKind(text, from - 1);
    humpFrom = left === capital ? from + 3 : left === small || left === figure ? from + 2 : from;
  }
  for (let at = from + 1; at < end; at++) {
    const kind = wordKind(text, at);
    if (before !== kind && !(before >= small && kind >= small)) return at;
    if (kind === capital && at >= humpFrom) {
      if (before === small) return at;
      if (before === capital && at + 1 < end && wordKind(text, at + 1) === small) return at;
    }
    before = kind;
  }
  return end;
}

/** Whether a run that ends there is one of letters, not of figures or signs. */
function isWord(text: string, to: number): boolean {
  return wordKind(text, to - 1) >= foreign;
}

const none = 0;
const figure = 1;
const foreign = 2;
const small = 3;
const capital = 4;

function wordKind(text: string, at: number): number {
  const unit = text.charCodeAt(at);
  if (unit >= 0x80) return foreign;
  if (unit >= 0x61 && unit <= 0x7a) return small;
  if (unit >= 0x41 && unit <= 0x5a) return capital;
  return unit >= 0x30 && unit <= 0x39 ? figure : none;
}

/** Words between a name and its value: a type, a verb, the member that holds the value (`name: PUBLIC_KEY`, `value: …`). */
const fillers: Words = wordsOf('string default value is was to are ist est now');
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

const aboutWords: Words = wordsOf(
  `id ids name names type types count counts length size limit url uri path file filename dir field fields label hint policy
  expires expiry expiration ttl version ref arn hash digest fingerprint checksum format prefix suffix endpoint provider store
  location usage budget max min index position offset at algorithm alg class regex pattern placeholder message error
  description title header tokens keys author authors authority`,
);
const harmlessWords: Words = wordsOf(
  `public pub pubkey primary foreign sort partition cache object row column react translation i18n cancellation continuation
  page`,
);

/** A list of words, and which first letters and lengths they have: most words need no look at the list. */
interface Words {
  readonly list: ReadonlySet<string>;
  /** By `first << 4 | length`. */
  readonly known: Uint8Array;
}

function wordsOf(text: string): Words {
  const list = new Set(text.split(/\s+/));
  const known = new Uint8Array(0x80 << 4);
  for (const word of list) known[(word.charCodeAt(0) << 4) | word.length] = 1;
  return { list, known };
}

function hasWord({ list, known }: Words, text: string, from: number, to: number): boolean {
  if (to - from > 15 || to === from || known[((text.charCodeAt(from) | 0x20) << 4) | (to - from)] !== 1) return false;
  return list.has(text.slice(from, to).toLowerCase());
}
