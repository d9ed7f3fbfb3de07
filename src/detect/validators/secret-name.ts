import { charKindsOf, lettersOf, mayHoldWord, signTable } from './char-kinds.ts';

/** A place in a text where a value begins; the units are those of the text. */
export interface NamedPlace {
  readonly text: string;
  readonly units: Uint16Array;
  readonly start: number;
}

/**
 * Whether the name that a value is given to is one word: read backwards from the value, `DB_PASSWORD = `, `dbPassword: "` and
 * `db-password, ` all say db, password. Looks at most 80 characters back.
 */
export function isNamedJust(word: string, { text, units, start }: NamedPlace): boolean {
  const end = nameEnd(text, units, start);
  const begin = nameBegin(units, start, end);
  let words = 0;
  let isIt = false;
  for (let from = begin; from < end; ) {
    const to = wordEnd(units, begin, from, end);
    if (isWord(units, to)) {
      if (++words > 2 || (words === 2 && !isParticle(text, from, to))) return false;
      if (words === 1) isIt = to - from === word.length && text.slice(from, to).toLowerCase() === word;
    }
    from = to;
  }
  return isIt;
}

/** Whether that name says that something about a secret follows, or a key that is none: `token_type`, `publicKey`, `key id`. */
export function isNamedAboutSecret({ text, units, start }: NamedPlace): boolean {
  const end = nameEnd(text, units, start);
  const begin = nameBegin(units, start, end);
  let lastFrom = end;
  let lastTo = end;
  let previousFrom = end;
  let previousTo = end;
  const mayBeHarmless = mayHoldWord(harmlessLetters, charKindsOf(units, begin, end));
  for (let from = mayBeHarmless ? begin : lastTwo(units, begin, end); from < end; ) {
    if (wordKind(units, from) < foreign) {
      from++;
      continue;
    }
    const to = wordEnd(units, begin, from, end);
    if (mayBeHarmless && hasWord(harmlessWords, text, units, from, to)) return true;
    previousFrom = lastFrom;
    previousTo = lastTo;
    lastFrom = from;
    lastTo = to;
    from = to;
  }
  return isParticle(text, lastFrom, lastTo)
    ? hasWord(aboutWords, text, units, previousFrom, previousTo)
    : hasWord(aboutWords, text, units, lastFrom, lastTo);
}

function isParticle(text: string, from: number, to: number): boolean {
  return to - from === 1 && particles.has(text.charAt(from));
}

/** Where the last two runs of letters begin, or more than two: at least two words, if there are as many. */
function lastTwo(units: Uint16Array, begin: number, end: number): number {
  let at = end;
  for (let runs = 0; runs < 2 && at > begin; runs++) {
    while (at > begin && wordKind(units, at - 1) < foreign) at--;
    const isForeign = at > begin && wordKind(units, at - 1) === foreign;
    while (at > begin && wordKind(units, at - 1) >= foreign && (wordKind(units, at - 1) === foreign) === isForeign)
      at--;
  }
  return at;
}

/** Where the name before a value ends: a filler is none. */
function nameEnd(text: string, units: Uint16Array, start: number): number {
  const limit = Math.max(0, start - nameCharsMax);
  const end = skipBack(units, start, limit, 0);
  // A filler is short: where a name goes on there is none.
  const begin = skipBack(units, end, Math.max(limit, end - fillerCharsMax - 1), 1);
  return hasWord(fillers, text, units, begin, end) ? skipBack(units, begin, limit, 0) : end;
}

function nameBegin(units: Uint16Array, start: number, end: number): number {
  return skipBack(units, end, Math.max(0, start - nameCharsMax), 1);
}

const nameCharsMax = 80;
const fillerCharsMax = 15;

/**
 * Where the run of a name ends that begins at `from`: runs of letters are cut at the humps of camelCase, and what is no ASCII is a run
 * of its own.
 */
function wordEnd(units: Uint16Array, begin: number, from: number, end: number): number {
  let before = wordKind(units, from);
  let humpFrom = from;
  if (from > begin && before === capital) {
    // What is part of the hump that the run begins with begins no other.
    const left = wordKind(units, from - 1);
    humpFrom = left === capital ? from + 3 : left === small || left === figure ? from + 2 : from;
  }
  for (let at = from + 1; at < end; at++) {
    const kind = wordKind(units, at);
    if (before !== kind && !(before >= small && kind >= small)) return at;
    if (kind === capital && at >= humpFrom) {
      if (before === small) return at;
      if (before === capital && at + 1 < end && wordKind(units, at + 1) === small) return at;
    }
    before = kind;
  }
  return end;
}

/** Whether a run that ends there is one of letters, not of figures or signs. */
function isWord(units: Uint16Array, to: number): boolean {
  return wordKind(units, to - 1) >= foreign;
}

const none = 0;
const figure = 1;
const foreign = 2;
const small = 3;
const capital = 4;

function wordKind(units: Uint16Array, at: number): number {
  const unit = units[at] ?? 0;
  return unit < 0x80 ? (asciiKinds[unit] ?? none) : foreign;
}

const asciiKinds: Uint8Array = Uint8Array.from({ length: 0x80 }, (_, unit) => {
  const char = String.fromCharCode(unit);
  if (/[a-z]/.test(char)) return small;
  if (/[A-Z]/.test(char)) return capital;
  return /[0-9]/.test(char) ? figure : none;
});

/** Words between a name and its value: a type, a verb, the member that holds the value (`name: PUBLIC_KEY`, `value: …`). */
const fillers: Words = wordsOf('string default value is was to are ist est now');
/** Korean and Japanese mark the topic at the end of the word. */
const particles = new Set(['는', '은', '가', '이', '를', '을', 'は', 'が', 'を']);

function skipBack(units: Uint16Array, from: number, limit: number, names: number): number {
  let at = from;
  while (at > limit && isNameUnit(units[at - 1] ?? 0) === names) at--;
  return at;
}

function isNameUnit(unit: number): number {
  return unit < 0x80 ? (nameUnits[unit] ?? 0) : 1;
}

const nameUnits: Uint8Array = signTable('ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-');

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

/** Of each of them. */
const harmlessLetters: readonly number[] = [...harmlessWords.list].map(lettersOf);

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

function hasWord({ list, known }: Words, text: string, units: Uint16Array, from: number, to: number): boolean {
  const first = units[from] ?? 0;
  const length = to - from;
  if (length > 15 || length === 0 || first >= 0x80 || known[((first | 0x20) << 4) | length] !== 1) return false;
  return list.has(text.slice(from, to).toLowerCase());
}
