import { unreachable } from '../lib/invariant.ts';
import type { Sliced } from '../lib/slices.ts';
import type { Host, Walk } from './found-text.ts';
import {
  indexMember,
  type JsonArrayNode,
  type JsonBudget,
  type JsonNode,
  type JsonObjectNode,
  memberOf,
  stringMember,
  stringOf,
} from './json-source.ts';
import { free, type Shape } from './shape.ts';
import { isPlainName, keyToken } from './tokens.ts';
import { addText, decodeText, mayBeText, visitMedia, visitNumber, visitString } from './walk-leaves.ts';
import { isByMember, roleBelow, roleOf } from './walk-roles.ts';
import {
  addBlock,
  addFound,
  addUninspected,
  createWalking,
  type Document,
  kindOf,
  type NameOf,
  type OpenArray,
  type OpenDocument,
  type OpenObject,
  type Place,
  turnWork,
  valueWork,
  type Walking,
} from './walk-state.ts';

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

/** A count, or a list of them; what else stands in such a place is read. */
function isPositions(node: JsonNode): boolean {
  return node.type === 'number' || (node.type === 'array' && node.items.every(({ type }) => type === 'number'));
}

function isFilled(node: JsonNode | undefined): boolean {
  return node?.type === 'string' && node.end - node.start > 2;
}
