import { unreachable } from '../lib/invariant.ts';
import { limits } from '../lib/limits.ts';
import type { Sliced } from '../lib/slices.ts';
import type { Role, SealedKind, SegmentKind, Uninspected } from './conversation.ts';
import { createJsonParser, type JsonParser } from './json-parser.ts';
import {
  indexMember,
  type JsonArrayNode,
  type JsonBudget,
  type JsonNode,
  type JsonObjectNode,
  type JsonStringNode,
  memberOf,
  stringMember,
  stringOf,
} from './json-source.ts';
import { unescapingLiteral } from './json-string.ts';
import { free, type Shape } from './shape.ts';
import { isBase64, isIdentifier, isPlainName, isWord, keyToken } from './tokens.ts';

/** A text of a JSON document, with the place to write another one to. */
export interface FoundText {
  /** RFC 6901 pointer, see `keyToken` for its one departure; in a stream the key of the running text. */
  readonly pointer: string;
  readonly role: Role;
  readonly kind: SegmentKind;
  readonly text: string;
  /** Place of the value (quotes included) in the source, or in the host's inner source. */
  readonly start: number;
  readonly end: number;
  readonly host: Host | null;
  /** Identity of the enclosing scope; -1: none. */
  readonly scope: number;
  readonly isRunning: boolean;
  /** The string should hold a JSON document and was not opened. */
  readonly isJson: boolean;
  /** Signed by the provider: must be written back as it is. */
  readonly isSealed: boolean;
  /** Kind of the sealed block in which it stands; null: in none. */
  readonly block: SealedKind | null;
}

/** A string that holds a JSON document whose own leaves were found. */
export interface Host {
  readonly parent: Host | null;
  readonly depth: number;
  /** Place of the string in the parent's source. */
  readonly start: number;
  readonly end: number;
  /** The decoded string. */
  readonly source: string;
}

/** A value to overwrite when a text of its scope changed. */
export interface Repeat {
  readonly start: number;
  readonly end: number;
  readonly source: string;
  readonly scope: number;
  /** Pointer of the scope. */
  readonly within: string;
  /** It is about all of the scope's text so far, not about the piece in the same event. */
  readonly isCumulative: boolean;
  /** It tells the text again, and is not only about it. */
  readonly isTelling: boolean;
}

/** A sealed block, by its place among its siblings. */
export interface SealedBlock {
  readonly kind: SealedKind;
  readonly list: JsonArrayNode | JsonObjectNode;
  readonly position: number;
  /** The element of another list that goes when all of `list` goes; null: none does. */
  readonly around: { readonly list: JsonArrayNode; readonly position: number } | null;
  /** Kind of the sealed block in which it stands; null: in none. */
  readonly within: SealedKind | null;
  readonly scope: number;
}

export interface Walk {
  readonly texts: readonly FoundText[];
  readonly blocks: readonly SealedBlock[];
  readonly uninspected: readonly Uninspected[];
  readonly repeats: readonly Repeat[];
  /** There are more texts than `limits.bodyTextsMax`; those beyond were not looked for. */
  readonly isFull: boolean;
}

/** Finds every text of a whole body (see `isFull`). Strings that hold JSON documents are opened, to `limits.nestedJsonDepthMax`. */
export function* walkBody(source: string, root: JsonNode, shape: Shape, budget: JsonBudget): Sliced<Walk> {
  const walk = createWalking(budget, null);
  visit({ walk, source, host: null }, root, shape, {
    pointer: '',
    role: 'unknown',
    scope: -1,
    within: '',
    isSealed: false,
    block: null,
  });
  while (!walkOn(walk, turnWork)) yield;
  return walk;
}

/** Names an element of a list whose elements have no name (shape `elementKey` ''), where it needs one all the same; '' where not. */
export type NameOf = (source: string, element: JsonNode) => string;

/** Finds every text of one event of a stream. Pointers begin with `base` and serve as keys of running texts. */
export function walkEvent(
  source: string,
  root: JsonNode,
  shape: Shape,
  base: string,
  nameOf: NameOf | null = null,
): Walk {
  const walk = createWalking(null, nameOf);
  const place: Place = { pointer: base, role: 'unknown', scope: -1, within: base, isSealed: false, block: null };
  visit({ walk, source, host: null }, root, shape, place);
  walkOn(walk, Number.POSITIVE_INFINITY);
  return walk;
}

/** Work between two turns, about a millisecond of it: characters of text count, and so does each value. */
const turnWork = 32_768;
const valueWork = 32;
/** Looking at a text costs less than reading it. */
const workOf = (text: string): number => text.length >> 3;

interface Walking extends Walk {
  readonly isStream: boolean;
  readonly nameOf: NameOf | null;
  /** Null in a stream: strings are not opened there, because most arrive in pieces. */
  readonly budget: JsonBudget | null;
  readonly texts: FoundText[];
  readonly blocks: SealedBlock[];
  readonly uninspected: Uninspected[];
  readonly repeats: Repeat[];
  isFull: boolean;
  /** What the walk is in the middle of, the innermost last: a stack of its own, so that it can stop in between. */
  readonly open: Open[];
  /** Counted down between two turns. */
  work: number;
}

type Open = OpenArray | OpenObject | OpenText | OpenDocument;

interface OpenArray {
  readonly kind: 'array';
  readonly document: Document;
  readonly node: JsonArrayNode;
  readonly shape: Shape;
  readonly place: Place;
  at: number;
}

interface OpenObject {
  readonly kind: 'object';
  readonly document: Document;
  readonly node: JsonObjectNode;
  readonly shape: Shape;
  /** Of the object itself, but for scope and role, which are those of what it holds. */
  readonly place: Place;
  at: number;
  /** The key of the member at `at` was looked at. */
  isKeyDone: boolean;
}

/** A long string whose escapes are being undone. */
interface OpenText {
  readonly kind: 'text';
  readonly document: Document;
  readonly node: JsonStringNode;
  readonly shape: Shape;
  readonly place: Place;
  readonly decoding: Sliced<string>;
}

/** A string that looks like a JSON document and is being read as one. */
interface OpenDocument {
  readonly kind: 'document';
  readonly document: Document;
  readonly node: JsonStringNode;
  readonly shape: Shape;
  readonly place: Place;
  readonly value: string;
  readonly parser: JsonParser;
}

/** The document in which the walk is: the body itself, or one inside a string. */
interface Document {
  readonly walk: Walking;
  readonly source: string;
  readonly host: Host | null;
}

interface Place {
  readonly pointer: string;
  readonly role: Role;
  readonly scope: number;
  /** Pointer of the scope. */
  readonly within: string;
  readonly isSealed: boolean;
  readonly block: SealedKind | null;
}

function createWalking(budget: JsonBudget | null, nameOf: NameOf | null): Walking {
  const isStream = budget === null;
  const found = { texts: [], blocks: [], uninspected: [], repeats: [] };
  return { isStream, nameOf, budget, ...found, isFull: false, open: [], work: 0 };
}

/** Goes on for so much work. True when everything was looked at, or when there are too many texts. */
function walkOn(walk: Walking, work: number): boolean {
  walk.work = work;
  for (let top = walk.open.at(-1); top !== undefined; top = walk.open.at(-1)) {
    if (walk.isFull) return true;
    if (walk.work <= 0) return false;
    switch (top.kind) {
      case 'array':
        visitElements(walk, top);
        break;
      case 'object':
        visitMembers(walk, top);
        break;
      case 'text':
        decodeText(walk, top);
        break;
      case 'document':
        readDocument(walk, top);
        break;
      default:
        unreachable(top);
    }
  }
  return true;
}

function visit(document: Document, node: JsonNode, shape: Shape, place: Place): void {
  switch (node.type) {
    case 'string':
      visitString(document, node, shape, place);
      break;
    case 'number':
      if (mayBeText(node)) visitNumber(document, node, shape, place);
      break;
    case 'object':
      visitObject(document, node, shape, place);
      break;
    case 'array':
      visitArray(document, node, shape, place);
      break;
    default:
  }
}

/** A number of so many characters at least may be one that is read (`visitNumber`). */
function mayBeText({ start, end }: JsonNode): boolean {
  return end - start >= 9;
}

function visitArray(document: Document, node: JsonArrayNode, shape: Shape, place: Place): void {
  const { walk } = document;
  if (
    shape.uninspected !== null &&
    (shape.leaf === 'text' || shape.leaf === 'json') &&
    (node.numbers > 0 || node.items.some(({ type }) => type === 'number'))
  ) {
    addUninspected(walk, place, shape.uninspected);
  }
  if (node.items.length > 0) walk.open.push({ kind: 'array', document, node, shape, place, at: 0 });
}

/** Goes on in an array, up to an element that has to be looked into first. */
function visitElements(walk: Walking, open: OpenArray): void {
  const { document, node, shape, place } = open;
  const depth = walk.open.length;
  while (open.at < node.items.length) {
    if (walk.work <= 0 || walk.isFull) return;
    walk.work -= valueWork;
    const position = open.at++;
    const item = node.items[position];
    if (item === undefined || !isLookedAt(item)) continue;
    const name =
      walk.isStream && shape.elementKey !== null ? elementName(walk, document.source, item, shape.elementKey) : null;
    const pointer = name === '' ? place.pointer : `${place.pointer}/${name ?? position}`;
    const block = shape.sealOf?.(document.source, item) ?? null;
    if (block !== null) addBlock(walk, open, position, block);
    visit(document, item, shape, { ...place, pointer, block: place.block ?? block });
    if (walk.open.length > depth) return;
  }
  walk.open.pop();
}

function addBlock(
  walk: Walking,
  { node: list, place }: OpenArray | OpenObject,
  position: number,
  kind: SealedKind,
): void {
  const { scope, block: within } = place;
  walk.blocks.push({ kind, list, position, around: listAround(walk, list), within, scope });
}

/** The nearest list around this one, if its elements go when they are emptied: it is the next array on the stack. */
function listAround(walk: Walking, list: JsonNode): SealedBlock['around'] {
  if (list.type !== 'array') return null;
  for (let at = walk.open.length - 1; at >= 0; at--) {
    const open = walk.open[at];
    if (open?.kind !== 'array' || open.node === list) continue;
    return open.shape.goesWhenEmptied ? { list: open.node, position: open.at - 1 } : null;
  }
  return null;
}

/** Whether a value can hold a text at all. */
function isLookedAt(node: JsonNode): boolean {
  return (
    node.type === 'string' ||
    node.type === 'object' ||
    node.type === 'array' ||
    (node.type === 'number' && mayBeText(node))
  );
}

/** What the member says by which elements are told apart; '' when they are not; null when it says nothing. */
function elementName(walk: Walking, source: string, item: JsonNode, key: string): string | number | null {
  if (key === '') return walk.nameOf?.(source, item) ?? '';
  return key === 'index' ? indexMember(source, item) : stringMember(source, item, key);
}

function variantOf(source: string, node: JsonObjectNode, shape: Shape): Shape {
  if (shape.variants.size === 0) return shape;
  const value = memberOf(node, shape.variantBy);
  if (value?.type === 'string') return shape.variants.get(stringOf(source, value)) ?? shape;
  return (value === undefined ? undefined : shape.variants.get(value.type)) ?? shape;
}

function visitObject(document: Document, node: JsonObjectNode, given: Shape, outer: Place): void {
  const { walk, source } = document;
  if (node.members.length === 0) return;
  const shape = variantOf(source, node, given);
  const role = isByMember(shape.role)
    ? (roleOf(stringMember(source, node, 'role')) ?? outer.role)
    : (shape.role ?? outer.role);
  const place: Place = {
    pointer: outer.pointer,
    role,
    scope: shape.isScope ? node.start : outer.scope,
    within: shape.isScope ? outer.pointer : outer.within,
    isSealed: false,
    block: outer.block,
  };
  walk.open.push({ kind: 'object', document, node, shape, place, at: 0, isKeyDone: false });
}

/** Goes on in an object, up to a key or a value that has to be looked into first. */
function visitMembers(walk: Walking, open: OpenObject): void {
  const { node } = open;
  const depth = walk.open.length;
  while (open.at < node.members.length) {
    if (walk.work <= 0 || walk.isFull) return;
    walk.work -= valueWork;
    visitMember(walk, open, open.at);
    if (walk.open.length > depth) return;
  }
  walk.open.pop();
}

/** Looks at the key, then at the value: in two calls where the key has to be looked into. */
function visitMember(walk: Walking, open: OpenObject, position: number): void {
  const { document, node, shape } = open;
  const member = node.members[position];
  if (member === undefined) return;
  const known = shape.members.get(member.name);
  const below = known ?? shape.rest ?? shape;
  const isPlain = known !== undefined || isPlainName(member.name);
  const token = walk.isStream && below.token !== null ? below.token : isPlain ? member.name : keyToken(position);
  const { value } = member;
  const outer = open.place;
  const alone = isFilled(value) ? below.sealedAlone : null;
  const place: Place = {
    pointer: token === '' ? outer.pointer : `${outer.pointer}/${token}`,
    role: roleBelow(below.role, outer.role),
    scope: outer.scope,
    within: outer.within,
    isSealed: below.sealedBy !== null && isFilled(memberOf(node, below.sealedBy)),
    block: outer.block ?? alone,
  };
  if (!isPlain && !open.isKeyDone) {
    const depth = walk.open.length;
    addText(document, member.key, below, { ...place, pointer: `${place.pointer}#key` }, member.name);
    open.isKeyDone = true;
    if (walk.open.length > depth || walk.isFull) return;
  }
  open.isKeyDone = false;
  open.at = position + 1;
  if (alone !== null) addBlock(walk, open, position, alone);
  const isRepeat = below.leaf === 'repeat' || (below.leaf === 'offset' && isPositions(value));
  if (below.repeats !== null && value.type !== 'null' && (!walk.isStream || isRepeat)) {
    const { start, end } = value;
    const isCumulative = below.leaf === 'offset';
    const isTelling = below.leaf === 'repeat';
    const { scope, within } = place;
    walk.repeats.push({ start, end, source: below.repeats, scope, within, isCumulative, isTelling });
  }
  if (isRepeat) {
    if (below.uninspected !== null) addUninspected(walk, place, below.uninspected);
    return;
  }
  if (below.leaf === 'media' && value.type === 'string') visitMedia(document, value, below, place, node);
  else visit(document, value, below, place);
}

function visitString(document: Document, node: JsonStringNode, shape: Shape, place: Place): void {
  const { walk, source } = document;
  if (node.escaped && node.end - node.start > decodedAtOnceChars) {
    const decoding = unescapingLiteral(source.slice(node.start, node.end));
    walk.open.push({ kind: 'text', document, node, shape, place, decoding });
  } else takeString(document, node, shape, place, stringOf(source, node));
}

/** Longer strings have their escapes undone in several steps. */
const decodedAtOnceChars = 65_536;

function decodeText(walk: Walking, open: OpenText): void {
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

function addUninspected(walk: Walking, { pointer, block }: Place, kind: Uninspected['kind']): void {
  walk.uninspected.push(block === null ? { pointer, kind } : { pointer, kind, block });
}

/** A payload with a declared type beside it (`type`, `media_type`, …) is what that says: plain text is text, unless it is Base64. */
function visitMedia(
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
function visitNumber(document: Document, node: JsonNode & { type: 'number' }, shape: Shape, place: Place): void {
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

function addText(document: Document, node: JsonStringNode, shape: Shape, place: Place, value: string): void {
  const { walk } = document;
  if (place.isSealed || walk.budget === null || !isOpened(document, shape, place, value)) {
    addFound(document, node, shape, place, value);
    return;
  }
  const parser = createJsonParser(value, walk.budget);
  walk.open.push({ kind: 'document', document, node, shape, place, value, parser });
}

function addFound(document: Document, node: JsonNode, shape: Shape, place: Place, value: string): void {
  const { walk, host } = document;
  if (!walk.isStream && walk.texts.length >= limits.bodyTextsMax) {
    walk.isFull = true;
    return;
  }
  walk.texts.push({
    pointer: place.pointer,
    role: place.role,
    kind: kindOf(shape, place),
    text: value,
    start: node.start,
    end: node.end,
    host,
    scope: place.scope,
    isRunning: shape.isRunning,
    isJson: shape.leaf === 'json',
    isSealed: place.isSealed,
    block: place.block,
  });
}

function kindOf(shape: Shape, place: Place): SegmentKind {
  return place.role === 'tool' && shape.kind === 'text' ? 'tool_result' : shape.kind;
}

/** Whether a string is to be read as a JSON document, if it is one. */
function isOpened({ host }: Document, shape: Shape, place: Place, value: string): boolean {
  const depth = host === null ? 1 : host.depth + 1;
  if (depth > limits.nestedJsonDepthMax || !mayBeDocument(value)) return false;
  const kind = kindOf(shape, place);
  // Prose stays whole, so that policy reads what was said, unless escapes could hide something in it.
  return !(kind === 'text' || kind === 'reasoning' || kind === 'refusal') || value.includes('\\u');
}

/** Reads the leaves of a JSON document inside a string; a string that holds none after all is plain text. */
function readDocument(walk: Walking, open: OpenDocument): void {
  const { document, node, shape, place, value, parser } = open;
  const isRead = parser.run(walk.work);
  walk.work -= isRead ? value.length : turnWork;
  if (!isRead) return;
  walk.open.pop();
  const inner = parser.result();
  if (!inner.ok) {
    addFound(document, node, shape, place, value);
    return;
  }
  const parent = document.host;
  const depth = parent === null ? 1 : parent.depth + 1;
  const host: Host = { parent, depth, start: node.start, end: node.end, source: value };
  const within: Place = { ...place, pointer: `${place.pointer}#` };
  visit({ walk, source: value, host }, inner.value, free(kindOf(shape, place)), within);
}

function mayBeDocument(value: string): boolean {
  return /^\s*[[{]/.test(value) && /[\]}]\s*$/.test(value.slice(-64));
}

/** A count, or a list of them; what else stands in such a place is read. */
function isPositions(node: JsonNode): boolean {
  return node.type === 'number' || (node.type === 'array' && node.items.every(({ type }) => type === 'number'));
}

function isFilled(node: JsonNode | undefined): boolean {
  return node?.type === 'string' && node.end - node.start > 2;
}

function isByMember(role: Shape['role']): role is 'member' | 'member or user' {
  return role === 'member' || role === 'member or user';
}

function roleBelow(role: Shape['role'], above: Role): Role {
  if (role === 'member or user') return 'user';
  return role === null || role === 'member' ? above : role;
}

/** Providers spell the roles in their own ways: `model`, `function`, `agent`, `ROLE_USER`. */
function roleOf(word: string | null): Role | null {
  switch (word?.toLowerCase().replace(/^role_/, '')) {
    case 'system':
      return 'system';
    case 'developer':
      return 'developer';
    case 'user':
      return 'user';
    case 'assistant':
    case 'model':
    case 'agent':
      return 'assistant';
    case 'tool':
    case 'function':
      return 'tool';
    default:
      return null;
  }
}
