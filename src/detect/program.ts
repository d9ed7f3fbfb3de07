import { invariant } from '../lib/invariant.ts';
import { type AnchorEntry, type Anchors, buildAnchors, digitRun } from './anchors.ts';
import { type CompiledRule, headOf, kindOf, kindTable, type Reach } from './compiled-rule.ts';
import { compileContext } from './context.ts';
import { compileDfa, type Dfa, dead, lengthsOf, step } from './dfa.ts';
import { followersAnywhere, followersAtStart, textsOf } from './followers.ts';
import { buildGates, type Gate, type ShortAnchor } from './gate.ts';
import { createHoldBack, type HoldBack } from './hold-back.ts';
import { literalPrefixes } from './literal-prefix.ts';
import { createRoamer, type Roamer } from './roamer.ts';
import { compileRoaming } from './roaming-rules.ts';
import type { Rule } from './rule.ts';
import { buildSieve, type Sieve } from './sieve.ts';
import { sieveClasses } from './sieve-classes.ts';
import { buildWindows } from './windows.ts';

/** All rules made ready: what a detector is made of. */
export interface Program {
  readonly rules: readonly CompiledRule[];
  readonly anchors: Anchors;
  /** Where anything may begin. */
  readonly sieve: Sieve;
  readonly holdBack: HoldBack;
  /** By ASCII unit: of the rules that have it as an anchor, or digits. */
  readonly gates: readonly (readonly Gate[])[];
  /** What else goes through a text: one for each text. */
  readonly roamers: readonly (() => Roamer)[];
  /** Values that are no findings. */
  readonly allow: AllowList;
}

export interface ProgramExtras {
  /** Rules without anchors, tried from every place: what patterns from configuration become. */
  readonly roaming?: readonly CompiledRule[];
  /** Lists of words, each with the order of its findings among others of the same quality. */
  readonly lists?: readonly ((order: number) => () => Roamer)[];
  readonly allow?: AllowList;
}

/** Which values are never findings. */
export type AllowList = Pick<ReadonlySet<string>, 'has' | 'size'>;

export function compileProgram(
  rules: readonly Rule[],
  { roaming = [], lists = [], allow = new Set() }: ProgramExtras = {},
): Program {
  const entries: AnchorEntry[] = [];
  const atNumbers: number[] = [];
  const automata = new Map<string, Dfa>();
  /** Several rules read the same leads and values. */
  function automatonOf(pattern: RegExp): Dfa {
    const dfa = automata.get(String(pattern)) ?? compileDfa(pattern);
    automata.set(String(pattern), dfa);
    return dfa;
  }
  const leads = new Map<string, number>();
  const afters = new Map<string, number>();
  const idsOf = ({ lead, notAfter }: Rule): PartIds => ({
    leadId: idOf(leads, lead),
    notAfterId: idOf(afters, notAfter),
  });
  const compiled = rules.map((rule, owner): CompiledRule => {
    const anchors = rule.anchors ?? literalPrefixes(rule.lead ?? rule.pattern);
    invariant(anchors.length > 0, `rule ${rule.id} has an anchor`);
    for (const anchor of anchors) if (anchor !== digitRun) entries.push({ owner, anchor });
    if (anchors.includes(digitRun)) atNumbers.push(owner);
    return compileRule(rule, owner, idsOf(rule), anchors, automatonOf);
  });
  const short = shortAnchors(compiled, entries, atNumbers);
  const classes = sieveClasses(entries);
  return {
    rules: compiled,
    anchors: buildAnchors(entries.filter(({ anchor }) => anchor.length > 1)),
    gates: buildGates(short),
    sieve: buildSieve(entries, classes, buildWindows(short, classes)),
    holdBack: createHoldBack(compiled.flatMap(({ reach }) => (reach ? [reach] : []))),
    allow,
    roamers: roamersOf(roaming, lists, rules.length),
  };
}

/** Of what several rules have the same. */
type PartIds = Pick<CompiledRule, 'leadId' | 'notAfterId'>;

function idOf(known: Map<string, number>, part: RegExp | undefined): number {
  const id = known.get(String(part)) ?? known.size;
  known.set(String(part), id);
  return id;
}

/** Anchors of one character, each rule's as one, and numbers. */
function shortAnchors(
  rules: readonly CompiledRule[],
  entries: readonly AnchorEntry[],
  atNumbers: readonly number[],
): ShortAnchor[] {
  return rules.flatMap((rule, owner): ShortAnchor[] => {
    const own = entries.filter((entry) => entry.owner === owner && entry.anchor.length === 1);
    const units = new Set(own.flatMap(({ anchor }) => [anchor.toLowerCase(), anchor.toUpperCase()].map(unitOf)));
    invariant(
      [...units].every((unit) => unit < 0x80),
      `an anchor of one character is ASCII (${rule.rule.id})`,
    );
    return [
      ...(units.size > 0 ? [{ rule, units: [...units], isRun: false }] : []),
      ...(atNumbers.includes(owner) ? [{ rule, units: digits, isRun: true }] : []),
    ];
  });
}

const digits: readonly number[] = [...'0123456789'].map(unitOf);

function unitOf(char: string): number {
  return char.charCodeAt(0);
}

function compileRule(
  rule: Rule,
  order: number,
  ids: PartIds,
  anchors: readonly (string | typeof digitRun)[],
  automatonOf: (pattern: RegExp) => Dfa,
): CompiledRule {
  const made = (pattern: RegExp | undefined): Dfa | null => (pattern ? automatonOf(pattern) : null);
  const { id, entity, score } = rule;
  const ranksAlike = !rule.context && !rule.after && !rule.rest && !rule.retry;
  invariant(rule.isRun !== true || ranksAlike, `all findings of rule ${id} are of one quality`);
  const compiled: CompiledRule = {
    rule: { id, entity, score },
    retry: rule.retry ?? null,
    retryDigits: rule.retryDigits ?? null,
    order,
    head: null,
    hasLead: rule.lead !== undefined,
    leadId: ids.leadId,
    maxLength: rule.maxLength,
    isApart: rule.isApart === true,
    isRun: rule.isRun === true,
    lead: lazy(() => made(rule.lead)),
    value: lazy(() => automatonOf(rule.pattern)),
    rest: lazy(() => made(rule.rest)),
    after: lazy(() => made(rule.after)),
    follow: null,
    followers: () => followersAtStart(headOf(compiled), anchors),
    context: lazy(() => (rule.context ? compileContext(rule.context) : null)),
    never: made(rule.never),
    notBefore: rule.notBefore ? kindTable(rule.notBefore) : null,
    notAfter: rule.notAfter ? kindTable(rule.notAfter) : null,
    notAfterId: ids.notAfterId,
    lengths: lazy(() => lengthsOf(automatonOf(rule.pattern))),
    reach: rule.reach ? compileReach(rule.reach, anchors, automatonOf(rule.lead ?? rule.pattern)) : null,
    check: rule.check ?? null,
    checkPlace: rule.checkPlace ?? null,
    digitsAlone: rule.digitsAlone ?? null,
  };
  return compiled;
}

/** Makes it at the first call, once. */
function lazy<T>(make: () => T): () => T {
  let made: { readonly it: T } | null = null;
  return () => {
    if (made === null) made = { it: make() };
    return made.it;
  };
}

/** The same rules with other extras; nothing is compiled anew but those. */
export function withExtras(program: Program, { roaming = [], lists = [], allow = new Set() }: ProgramExtras): Program {
  return { ...program, allow, roamers: roamersOf(roaming, lists, program.rules.length) };
}

function roamersOf(
  roaming: readonly CompiledRule[],
  lists: NonNullable<ProgramExtras['lists']>,
  order: number,
): readonly (() => Roamer)[] {
  const roamers = lists.map((list, index) => list(order + roaming.length + index));
  if (roaming.length === 0) return roamers;
  const compiled = compileRoaming(roaming.map((rule, index) => ({ ...rule, order: order + index })));
  return [() => createRoamer(compiled), ...roamers];
}

function compileReach(
  reach: NonNullable<Rule['reach']>,
  anchors: readonly (string | typeof digitRun)[],
  dfa: Dfa,
): Reach {
  const chars = kindTable(reach.chars);
  const holdChars = chars.slice();
  let anchorMax = 1;
  for (const anchor of anchors) {
    if (typeof anchor !== 'string') continue;
    anchorMax = Math.max(anchorMax, anchor.length);
    // An anchor that is still incomplete lacks its last character.
    for (const char of anchor.slice(0, -1)) {
      for (const form of [char.toLowerCase(), char.toUpperCase()]) holdChars[kindOf(form.charCodeAt(0))] = 1;
    }
  }
  return {
    chars,
    first: kindTable(reach.first ?? /[\s\S]/),
    max: reach.max,
    min: leastBefore(dfa, anchors, chars, reach.max),
    follow: followersAnywhere(dfa, anchors),
    holdChars,
    holdMax: reach.max + anchorMax - 1,
  };
}

/** How many units stand before the anchor in any match, at least. */
function leastBefore(dfa: Dfa, anchors: readonly (string | typeof digitRun)[], chars: Uint8Array, max: number): number {
  const forms = anchors.flatMap(textsOf).flatMap((text) => [text.charCodeAt(0), text.toUpperCase().charCodeAt(0)]);
  const units = Array.from({ length: 0x80 }, (_, unit) => unit).filter((unit) => chars[unit] === 1);
  let states: ReadonlySet<number> = new Set([dfa.start]);
  for (let before = 0; before < max; before++) {
    if ([...states].some((state) => forms.some((unit) => step(dfa, state, unit) !== dead))) return before;
    const after = new Set([...states].flatMap((state) => units.map((unit) => step(dfa, state, unit))));
    after.delete(dead);
    // Beyond ASCII nothing is known of how many it takes.
    if (chars[0x80] === 1 || chars[0x81] === 1) return before + 1;
    states = after;
  }
  return max;
}
