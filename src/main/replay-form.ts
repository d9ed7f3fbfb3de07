import type { RandomBytes } from '../lib/ids.ts';
import { createMinter, entityWord, keyedCharsMax, type Minter } from '../mask/placeholder.ts';
import { isSurrogate } from '../mask/surrogate.ts';

/** What masking wrote for a value, by a method that has a key. */
export interface Written {
  readonly form: 'token' | 'hash' | 'surrogate';
  readonly entity: string;
  readonly value: string;
  readonly written: string;
}

/**
 * A minter for what was masked under a key that is not here. At first it writes marks; `read` then takes from the recorded texts what stands
 * where the marks do, as far as it has the form that masking gives it, and from then on that is what the minter writes. So a second writing is the
 * recorded body, byte for byte, or there is a difference that no key explains. Equal values get equal texts, as they do under a key.
 *
 * Placeholders that a text came with are taken for ours where the record has them as they came, and for forged where it has not.
 */
export interface FormMinter {
  readonly minter: Minter;
  /** Reads texts in pairs: as written with marks, and as recorded. */
  read(marked: readonly string[], recorded: readonly string[]): void;
  /** Marks for which nothing was read. */
  unread(): readonly string[];
  /** All that it was asked to write and was read, in that order, repetitions left out. */
  written(): readonly Written[];
  /** Whether anything that it said depends on the record instead of on a key. */
  isNeeded(): boolean;
}

export interface FormMinterOptions {
  readonly entities: ReadonlySet<string>;
  /** The texts of the recorded body. */
  readonly recorded: string;
  /** What is known to have been written in the same scope. */
  readonly known: readonly Written[];
  readonly random: RandomBytes;
}

interface Span extends Omit<Written, 'written'> {
  readonly mark: string;
  /** What a random key would have written. */
  readonly sample: string;
  written: string | null;
}

const crockford = '[0-9A-HJKMNP-TV-Z]';
const keyedTail = { token: new RegExp(`^${crockford}{10}$`), hash: new RegExp(`^${crockford}{16}$`) };
const markDigits = 8;

export function createFormMinter({ entities, recorded, known, random }: FormMinterOptions): FormMinter {
  const probe = createMinter({ key: random(32), scope: 'form', entities });
  // Letters and digits alone, so that it comes out of JSON, forms and binary frames as it went in.
  const beginning = `Q${random(16).toString('hex').toUpperCase()}Z`;
  const marks = new RegExp(`${beginning}(\\d{${markDigits}})`);
  const spans = new Map<string, Span>();
  const inOrder: Span[] = [];
  let isAsked = false;
  let ownWords: RegExp | null = null;
  for (const { form, entity, value, written } of known) {
    const span = spanOf(form, entity, value);
    if (span !== null) span.written ??= written;
  }

  function spanOf(form: Written['form'], entity: string, value: string): Span | null {
    const sample = probe[form](entity, value);
    if (sample === null) return null;
    // Under one key, what a random key gives the same text to gets the same text under every key; a surrogate follows its value's form, too.
    const id = form === 'surrogate' ? `${form} ${entity} ${value}` : `${form} ${sample}`;
    const before = spans.get(id);
    if (before !== undefined) return before;
    const mark = `${beginning}${String(inOrder.length).padStart(markDigits, '0')}`;
    const span: Span = { form, entity, value, sample, mark, written: null };
    spans.set(id, span);
    inOrder.push(span);
    return span;
  }

  function write(form: Written['form'], entity: string, value: string): string | null {
    const span = spanOf(form, entity, value);
    if (span === null) return null;
    isAsked = true;
    return span.written ?? span.mark;
  }

  function readPair(marked: string, text: string): void {
    const parts = marked.split(marks);
    let at = 0;
    for (let index = 0; index < parts.length; index += 2) {
      const literal = parts[index] ?? '';
      if (!text.startsWith(literal, at)) return;
      at += literal.length;
      const span = inOrder[Number(parts[index + 1] ?? '-1')];
      if (span === undefined) return;
      span.written ??= readSpan(span, text, at, parts[index + 2] ?? '');
      if (span.written === null || !text.startsWith(span.written, at)) return;
      at += span.written.length;
    }
  }

  function isRecorded(word: string): boolean {
    isAsked = true;
    for (let at = recorded.indexOf(word); at >= 0; at = recorded.indexOf(word, at + 1)) {
      if (!isWordCode(recorded.charCodeAt(at - 1)) && !isWordCode(recorded.charCodeAt(at + word.length))) return true;
    }
    return false;
  }

  function liesInOwnWord(text: string, start: number, end: number): boolean {
    ownWords ??= keyedWords(entities);
    for (const { index, 0: word } of text.matchAll(ownWords)) {
      if (index <= start && index + word.length >= end && recorded.includes(word)) {
        isAsked = true;
        return true;
      }
    }
    return false;
  }

  return {
    minter: {
      token: (entity, value) => write('token', entity, value) ?? '',
      hash: (entity, value) => write('hash', entity, value) ?? '',
      surrogate: (entity, value) => write('surrogate', entity, value),
      keeps: () => false,
      covers: (text, start, end) => probe.covers(text, start, end) || liesInOwnWord(text, start, end),
      neutralise: (text) => withOurs(text, probe.neutralise(text), isRecorded),
      neutralising: function* (text) {
        return withOurs(text, yield* probe.neutralising(text), isRecorded);
      },
    },
    read: (marked, texts) => {
      for (const [index, text] of marked.entries()) readPair(text, texts[index] ?? '');
    },
    unread: () => inOrder.flatMap(({ mark, written }) => (written === null ? [mark] : [])),
    written: () =>
      inOrder.flatMap(({ form, entity, value, written }) =>
        written === null ? [] : [{ form, entity, value, written }],
      ),
    isNeeded: () => isAsked,
  };
}

/** What stands at `at` where the span was masked, when it is of the form that the span's method gives it; else null. */
function readSpan({ form, entity, sample }: Span, text: string, at: number, next: string): string | null {
  if (form === 'surrogate') return readSurrogate(sample, text, at, next);
  const word = `${entityWord(entity)}_${form === 'hash' ? 'HASH_' : ''}`;
  const found = text.slice(at, at + sample.length);
  return found.startsWith(word) && keyedTail[form].test(found.slice(word.length)) ? found : null;
}

/** Their length depends on the key (addresses): the longest counts. */
function readSurrogate(sample: string, text: string, at: number, next: string): string | null {
  for (let end = Math.min(text.length, at + keyedCharsMax); end > at; end--) {
    if (!text.startsWith(next, end)) continue;
    const found = text.slice(at, end);
    if (separators(found) === separators(sample) && isSurrogate(found)) return found;
  }
  return null;
}

function separators(text: string): string {
  return text.replace(/[0-9A-Za-z]+/g, '0');
}

/** `harmless` is `text` with some `_` made `-`: those stay of which the word is ours. */
function withOurs(text: string, harmless: string, isOurs: (word: string) => boolean): string {
  if (harmless === text) return text;
  let out = '';
  let kept = 0;
  for (let at = 0; at < text.length; at++) {
    if (text.charCodeAt(at) === harmless.charCodeAt(at) || !isOurs(wordAround(text, at))) continue;
    out += `${harmless.slice(kept, at)}_`;
    kept = at + 1;
  }
  return out + harmless.slice(kept);
}

function wordAround(text: string, at: number): string {
  let from = at;
  while (isWordCode(text.charCodeAt(from - 1))) from--;
  let to = at;
  while (isWordCode(text.charCodeAt(to))) to++;
  return text.slice(from, to);
}

/** `[0-9A-Za-z_]`; false for NaN, which `charCodeAt` gives outside of the text. */
function isWordCode(code: number): boolean {
  return (
    (code >= 0x30 && code <= 0x39) || (code >= 0x41 && code <= 0x5a) || code === 0x5f || (code >= 0x61 && code <= 0x7a)
  );
}

function keyedWords(entities: ReadonlySet<string>): RegExp {
  const names = [...new Set([...entities].map(entityWord))].sort((a, b) => b.length - a.length).join('|');
  return new RegExp(`(?:${names || '(?!)'})_(?:HASH_${crockford}{16}|${crockford}{10})`, 'g');
}
