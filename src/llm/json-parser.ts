import { err, ok, type Result } from '../lib/result.ts';
import type { BodyError } from './dialect.ts';
import {
  createJsonBudget,
  type JsonArrayNode,
  type JsonBudget,
  type JsonMember,
  type JsonNode,
  type JsonObjectNode,
  type JsonStringNode,
  stringOf,
} from './json-source.ts';

/** A text that is read in one go or in several: what comes out is the same. */
export interface JsonParser {
  /** Reads on, to about so many characters further. True when the text is read or was found faulty. */
  run(characters: number): boolean;
  /** Of a parser whose `run` returned true. */
  result(): Result<JsonNode, BodyError>;
}

/**
 * Reads one RFC 8259 text, strictly, in linear time; a leading byte order mark is allowed. Errors: `invalid_json` with the
 * character offset, `too_deep`, `too_many_values` (members, elements and the root all count, but not the numbers of an array that holds only
 * small ones). A `\uD800`-style escape without its partner is valid JSON (RFC 8259 section 8.2): it is kept as a lone surrogate and
 * written back as the same escape.
 */
export function parseJson(source: string, budget: JsonBudget = createJsonBudget()): Result<JsonNode, BodyError> {
  const parser = createJsonParser(source, budget);
  parser.run(Number.POSITIVE_INFINITY);
  return parser.result();
}

/** The parser behind `parseJson`. */
export function createJsonParser(source: string, budget: JsonBudget): JsonParser {
  const cursor: Cursor = {
    source,
    at: source.charCodeAt(0) === BOM ? 1 : 0,
    budget,
    special: /["\\\u0000-\u001f]/g,
    state: 'value',
    open: [],
    keys: [],
    root: null,
    string: { start: 0, isEscaped: false },
    isSmall: true,
    failure: null,
  };
  skipSpace(cursor);
  return {
    run: (characters) => {
      const until = cursor.at + characters;
      while (cursor.state !== 'over') {
        if (cursor.at >= until) return false;
        step(cursor, until);
      }
      return true;
    },
    result: () => {
      if (cursor.failure !== null) return err(cursor.failure);
      return cursor.root === null ? err({ kind: 'invalid_json', message: 'no value' }) : ok(cursor.root);
    },
  };
}

const BOM = 0xfeff;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

interface OpenObject extends JsonObjectNode {
  end: number;
  readonly members: JsonMember[];
}

interface OpenArray extends JsonArrayNode {
  end: number;
  readonly items: JsonNode[];
  numbers: number;
}

/** Where the reader stands between two steps. What is open lies on a stack of its own, so that nothing is lost when it stops in between. */
interface Cursor {
  readonly source: string;
  at: number;
  readonly budget: JsonBudget;
  /** Finds what ends a plain run inside a string; one instance a parse, because it keeps `lastIndex`. */
  readonly special: RegExp;
  /** What comes next; `numbers`: the array just opened may hold nothing but small ones. */
  state: 'value' | 'key' | 'key string' | 'string' | 'numbers' | 'over';
  readonly open: (OpenObject | OpenArray)[];
  /** Of the members whose values are being read, the innermost last. */
  readonly keys: JsonStringNode[];
  /** The value, once it is read. */
  root: JsonNode | null;
  /** The string that is being read. */
  readonly string: { start: number; isEscaped: boolean };
  /** Of the number that was read last. */
  isSmall: boolean;
  failure: BodyError | null;
}

function step(cursor: Cursor, until: number): void {
  switch (cursor.state) {
    case 'value':
      readValue(cursor, until);
      break;
    case 'key':
      if (cursor.source.charCodeAt(cursor.at) === QUOTE) {
        beginString(cursor, 'key string');
        if (readString(cursor, until)) endKey(cursor);
      } else unexpected(cursor);
      break;
    case 'key string':
      if (readString(cursor, until)) endKey(cursor);
      break;
    case 'string':
      if (readString(cursor, until)) endString(cursor);
      break;
    case 'numbers':
      skimNumbers(cursor, until);
      break;
    default:
  }
}

function fail(cursor: Cursor, what: string, kind: BodyError['kind'] = 'invalid_json'): void {
  cursor.failure ??= { kind, message: `${what} at character ${cursor.at}` };
  cursor.state = 'over';
}

function unexpected(cursor: Cursor): void {
  fail(cursor, cursor.at >= cursor.source.length ? 'unexpected end' : 'unexpected character');
}

function skipSpace(cursor: Cursor): void {
  const { source } = cursor;
  let at = cursor.at;
  for (;;) {
    const code = source.charCodeAt(at);
    if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) break;
    at++;
  }
  cursor.at = at;
}

function readValue(cursor: Cursor, until: number): void {
  if (--cursor.budget.valuesLeft < 0) {
    fail(cursor, 'too many values', 'too_many_values');
    return;
  }
  const code = cursor.source.charCodeAt(cursor.at);
  if (code === QUOTE) {
    beginString(cursor, 'string');
    if (readString(cursor, until)) endString(cursor);
  } else if (code === 0x7b || code === 0x5b) openContainer(cursor, code === 0x7b);
  else if (code === 0x2d || (code >= 0x30 && code <= 0x39)) {
    const start = cursor.at;
    if (readNumber(cursor)) endValue(cursor, { type: 'number', start, end: cursor.at });
    else fail(cursor, 'bad number');
  } else if (code === 0x74) readLiteral(cursor, 'true');
  else if (code === 0x66) readLiteral(cursor, 'false');
  else if (code === 0x6e) readLiteral(cursor, 'null');
  else unexpected(cursor);
}

function endString(cursor: Cursor): void {
  const { start, isEscaped } = cursor.string;
  endValue(cursor, { type: 'string', start, end: cursor.at, escaped: isEscaped });
}

function openContainer(cursor: Cursor, isObject: boolean): void {
  const { source, open, at: start } = cursor;
  if (open.length >= cursor.budget.depthMax) {
    fail(cursor, 'nested too deeply', 'too_deep');
    return;
  }
  cursor.at++;
  skipSpace(cursor);
  const code = source.charCodeAt(cursor.at);
  if (code === (isObject ? 0x7d : 0x5d)) {
    const end = ++cursor.at;
    endValue(
      cursor,
      isObject ? { type: 'object', start, end, members: [] } : { type: 'array', start, end, items: [], numbers: 0 },
    );
    return;
  }
  if (isObject) {
    open.push({ type: 'object', start, end: start, members: [] });
    cursor.state = 'key';
  } else {
    open.push({ type: 'array', start, end: start, items: [], numbers: 0 });
    cursor.state = code === 0x2d || (code >= 0x30 && code <= 0x39) ? 'numbers' : 'value';
  }
}

/** A key was read: what follows is a colon and the value. */
function endKey(cursor: Cursor): void {
  const { start, isEscaped } = cursor.string;
  cursor.keys.push({ type: 'string', start, end: cursor.at, escaped: isEscaped });
  skipSpace(cursor);
  if (cursor.source.charCodeAt(cursor.at) !== 0x3a) {
    unexpected(cursor);
    return;
  }
  cursor.at++;
  skipSpace(cursor);
  cursor.state = 'value';
}

/** A value was read: it goes to what holds it, which goes on or ends; and what holds that, likewise. */
function endValue(cursor: Cursor, node: JsonNode): void {
  const { source, open } = cursor;
  for (let done = node; ; ) {
    skipSpace(cursor);
    const top = open.at(-1);
    if (top === undefined) {
      cursor.root = done;
      if (cursor.at < source.length) fail(cursor, 'unexpected text after the value');
      cursor.state = 'over';
      return;
    }
    if (top.type === 'array') top.items.push(done);
    else {
      const key = cursor.keys.pop();
      if (key !== undefined) top.members.push({ key, name: stringOf(source, key), value: done });
    }
    const code = source.charCodeAt(cursor.at);
    if (code === 0x2c) {
      cursor.at++;
      skipSpace(cursor);
      cursor.state = top.type === 'array' ? 'value' : 'key';
      return;
    }
    if (code !== (top.type === 'array' ? 0x5d : 0x7d)) {
      unexpected(cursor);
      return;
    }
    top.end = ++cursor.at;
    open.pop();
    done = top;
  }
}

/**
 * An array of nothing but small numbers (embeddings, token ids) is one value, however long it is: nobody looks at them one by one. Where
 * something else turns up, the array is read again from its beginning, once.
 */
function skimNumbers(cursor: Cursor, until: number): void {
  const { source, open } = cursor;
  const top = open.at(-1);
  if (top?.type !== 'array') return;
  for (;;) {
    if (cursor.at >= until) return;
    if (!readNumber(cursor) || !cursor.isSmall) break;
    top.numbers++;
    skipSpace(cursor);
    const code = source.charCodeAt(cursor.at);
    if (code === 0x5d) {
      top.end = ++cursor.at;
      open.pop();
      endValue(cursor, top);
      return;
    }
    if (code !== 0x2c) break;
    cursor.at++;
    skipSpace(cursor);
  }
  top.numbers = 0;
  cursor.at = top.start + 1;
  skipSpace(cursor);
  cursor.state = 'value';
}

function beginString(cursor: Cursor, state: 'key string' | 'string'): void {
  cursor.string.start = cursor.at++;
  cursor.string.isEscaped = false;
  cursor.state = state;
}

/** Steps by character for a short way (keys, names), then lets the regex engine look for what ends the run, so far at once. */
const stepsBeforeSearch = 64;
const searchChars = 65_536;

/** Reads on in a string; true when it is read to its end, false when there is more of it, or when it is faulty. */
function readString(cursor: Cursor, until: number): boolean {
  const { source, special, string } = cursor;
  let at = cursor.at;
  let steps = 0;
  for (;;) {
    const code = source.charCodeAt(at);
    if (code === QUOTE) {
      cursor.at = at + 1;
      return true;
    }
    if (code === BACKSLASH) {
      const length = escapeLength(source, at);
      if (length === 0) {
        cursor.at = at;
        fail(cursor, 'bad escape');
        return false;
      }
      string.isEscaped = true;
      at += length;
      steps = 0;
      if (at < until) continue;
    } else if (code >= 0x20) {
      at++;
      if (++steps <= stepsBeforeSearch) continue;
      at = nextSpecial(source, special, at);
      steps = 0;
    } else {
      // A control character, or NaN past the end.
      cursor.at = at;
      unexpected(cursor);
      return false;
    }
    if (at >= until && at < source.length) {
      cursor.at = at;
      return false;
    }
  }
}

/** The next character from `at` on that is not plain text of a string; where there is none so near, how far it was looked for. */
function nextSpecial(source: string, special: RegExp, at: number): number {
  const end = at + searchChars;
  if (end >= source.length) {
    special.lastIndex = at;
    return special.test(source) ? special.lastIndex - 1 : source.length;
  }
  special.lastIndex = 0;
  return special.test(source.slice(at, end)) ? at + special.lastIndex - 1 : end;
}

/** Characters of the escape at `at`; 0 when it is none of RFC 8259 section 7. */
function escapeLength(source: string, at: number): 0 | 2 | 6 {
  switch (source.charCodeAt(at + 1)) {
    case QUOTE:
    case BACKSLASH:
    case 0x2f:
    case 0x62:
    case 0x66:
    case 0x6e:
    case 0x72:
    case 0x74:
      return 2;
    case 0x75:
      for (let i = at + 2; i < at + 6; i++) if (!isHexDigit(source.charCodeAt(i))) return 0;
      return 6;
    default:
      return 0;
  }
}

function isHexDigit(code: number): boolean {
  return (code >= 0x30 && code <= 0x39) || (code >= 0x41 && code <= 0x46) || (code >= 0x61 && code <= 0x66);
}

/** So many characters hold no integer that could be a text (walk.ts). */
const smallCharsMax = 8;

/**
 * Reads a number and says whether it is small: at most eight characters, or below ten by the way it is written. False when it is none;
 * then the cursor stays.
 */
function readNumber(cursor: Cursor): boolean {
  const { source, at: start } = cursor;
  const first = source.charCodeAt(start) === 0x2d ? start + 1 : start;
  let at = skipDigits(source, first);
  const integerDigits = at - first;
  let isValid = integerDigits === 1 || (integerDigits > 1 && source.charCodeAt(first) !== 0x30);
  if (source.charCodeAt(at) === 0x2e) {
    const fraction = skipDigits(source, at + 1);
    isValid &&= fraction > at + 1;
    at = fraction;
  }
  let isRaised = false;
  const exponent = source.charCodeAt(at);
  if (exponent === 0x65 || exponent === 0x45) {
    const sign = source.charCodeAt(at + 1);
    const digits = sign === 0x2b || sign === 0x2d ? at + 2 : at + 1;
    at = skipDigits(source, digits);
    isValid &&= at > digits;
    isRaised = sign !== 0x2d;
  }
  if (!isValid) return false;
  cursor.at = at;
  cursor.isSmall = at - start <= smallCharsMax || (integerDigits === 1 && !isRaised);
  return true;
}

function skipDigits(source: string, from: number): number {
  let at = from;
  for (;;) {
    const code = source.charCodeAt(at);
    if (!(code >= 0x30 && code <= 0x39)) return at;
    at++;
  }
}

function readLiteral(cursor: Cursor, word: 'true' | 'false' | 'null'): void {
  const start = cursor.at;
  if (!cursor.source.startsWith(word, start)) {
    fail(cursor, 'unexpected character');
    return;
  }
  cursor.at = start + word.length;
  endValue(cursor, { type: word, start, end: cursor.at });
}
