import { unreachable } from '../lib/invariant.ts';
import { limits } from '../lib/limits.ts';
import { createJsonParser } from './json-parser.ts';
import { type JsonNode, type JsonObjectNode, type JsonStringNode, stringMember, stringOf } from './json-source.ts';
import { unescapingLiteral } from './json-string.ts';
import type { Shape } from './shape.ts';
import { isBase64, isIdentifier, isWord } from './tokens.ts';
import {
  addFound,
  addUninspected,
  type Document,
  kindOf,
  type OpenText,
  type Place,
  turnWork,
  type Walking,
  workOf,
} from './walk-state.ts';

/** A number of so many characters at least may be one that is read (`visitNumber`). */
export function mayBeText({ start, end }: JsonNode): boolean {
  return end - start >= 9;
}

/** Takes a string at once; a long one with escapes is opened on the stack, and `decodeText` goes on with it. */
export function visitString(document: Document, node: JsonStringNode, shape: Shape, place: Place): void {
  const { walk, source } = document;
  if (node.escaped && node.end - node.start > decodedAtOnceChars) {
    const decoding = unescapingLiteral(source.slice(node.start, node.end));
    walk.open.push({ kind: 'text', document, node, shape, place, decoding });
  } else takeString(document, node, shape, place, stringOf(source, node));
}

/** Longer strings have their escapes undone in several steps. */
const decodedAtOnceChars = 65_536;

/** The next step of undoing a long string's escapes; behind the last one the string is taken. */
export function decodeText(walk: Walking, open: OpenText): void {
  const step = open.decoding.next();
  walk.work -= turnWork;
  if (step.done !== true) return;
  walk.open.pop();
  takeString(open.document, open.node, open.shape, open.place, step.value);
}

function takeString(document: Document, node: JsonStringNode, shape: Shape, place: Place, value: string): void {
  const { walk } = document;
  if (value === '') return;
  walk.work -= workOf(value);
  switch (shape.leaf) {
    case 'text':
    case 'json':
    case 'offset':
      addText(document, node, shape, place, value);
      break;
    case 'name':
      if (!isWord(value)) addText(document, node, shape, place, value);
      break;
    case 'id':
      if (shape.uninspected !== null) addUninspected(walk, place, shape.uninspected);
      if (!isIdentifier(value)) addText(document, node, shape, place, value);
      break;
    case 'media':
      if (shape.uninspected !== null) addUninspected(walk, place, shape.uninspected);
      if (!isBase64(value)) addText(document, node, shape, place, value);
      break;
    case 'sealed':
      if (shape.uninspected !== null) addUninspected(walk, place, shape.uninspected);
      if (!isBase64(value) && !isIdentifier(value)) addText(document, node, shape, place, value);
      break;
    case 'repeat':
      break;
    default:
      unreachable(shape.leaf);
  }
}

/** A payload with a declared type beside it (`type`, `media_type`, …) is what that says: plain text is text, unless it is Base64. */
export function visitMedia(
  document: Document,
  node: JsonStringNode,
  shape: Shape,
  place: Place,
  parent: JsonObjectNode,
): void {
  const { source } = document;
  const declared = declaredType(source, parent);
  if (declared.startsWith('text/') && stringMember(source, parent, 'type') === 'text') {
    visitString(document, node, { ...shape, leaf: 'text' }, place);
    return;
  }
  const uninspected = declared.startsWith('image/')
    ? 'image'
    : declared.startsWith('audio/')
      ? 'audio'
      : shape.uninspected;
  visitString(document, node, { ...shape, uninspected }, place);
}

function declaredType(source: string, parent: JsonObjectNode): string {
  for (const key of ['media_type', 'mimeType', 'mime_type']) {
    const value = stringMember(source, parent, key);
    if (value !== null) return value;
  }
  return '';
}

/**
 * A long bare integer may be a card or an account number: it is a text, and its replacement is written as a JSON string.
 * Fractions are measurements and embeddings; shorter integers are counts and times, except in what a tool is given or gives.
 */
export function visitNumber(document: Document, node: JsonNode & { type: 'number' }, shape: Shape, place: Place): void {
  if (shape.leaf !== 'text' && shape.leaf !== 'json') return;
  const written = document.source.slice(node.start, node.end);
  const digits = integerDigits(written);
  const least = shape.kind === 'tool_arguments' || shape.kind === 'tool_result' ? 9 : 12;
  if (digits !== null && digits.length >= least) addFound(document, node, shape, place, digits);
}

/** The digits of an integer however it is written (`4111111111111111`, `4.111111111111111e15`); null for a fraction. */
function integerDigits(written: string): string | null {
  const unsigned = written.startsWith('-') ? written.slice(1) : written;
  if (/^\d+$/.test(unsigned)) return unsigned;
  const value = Math.abs(Number(written));
  return Number.isInteger(value) && value < 1e21 ? String(value) : null;
}

/** A text as it is, or, where it looks like a JSON document and may be opened, that document on the stack. */
export function addText(document: Document, node: JsonStringNode, shape: Shape, place: Place, value: string): void {
  const { walk } = document;
  if (place.isSealed || walk.budget === null || !isOpened(document, shape, place, value)) {
    addFound(document, node, shape, place, value);
    return;
  }
  const parser = createJsonParser(value, walk.budget);
  walk.open.push({ kind: 'document', document, node, shape, place, value, parser });
}

/** Whether a string is to be read as a JSON document, if it is one. */
function isOpened({ host }: Document, shape: Shape, place: Place, value: string): boolean {
  const depth = host === null ? 1 : host.depth + 1;
  if (depth > limits.nestedJsonDepthMax || !mayBeDocument(value)) return false;
  const kind = kindOf(shape, place);
  // Prose stays whole, so that policy reads what was said, unless escapes could hide something in it.
  return !(kind === 'text' || kind === 'reasoning' || kind === 'refusal') || value.includes('\\u');
}

function mayBeDocument(value: string): boolean {
  return /^\s*[[{]/.test(value) && /[\]}]\s*$/.test(value.slice(-64));
}
