import { invariant } from '../lib/invariant.ts';
import { type AnchorEntry, type Anchors, buildAnchors, type digitRun } from './anchors.ts';
import { type ContextWords, compileContext } from './context.ts';
import { compileDfa, type Dfa } from './dfa.ts';
import { type PatternNode, parsePattern } from './pattern-syntax.ts';
import type { Match, Rule, Verdict } from './rule.ts';

/** A rule made ready to run. */
export interface CompiledRule {
  readonly rule: Pick<Rule, 'id' | 'entity' | 'score' | 'maxLength' | 'retry'>;
  readonly order: number;
  readonly lead: Dfa | null;
  readonly value: Dfa;
  readonly rest: Dfa | null;
  readonly after: Dfa | null;
  readonly notBefore: Uint8Array | null;
  readonly notAfter: Uint8Array | null;
  readonly reach: Reach | null;
  readonly context: ContextWords | null;
  readonly check: ((match: Match) => Verdict) | null;
}

/** How far to the left of its anchor a match may begin. */
export interface Reach {
  /** The characters that may stand there, by `kindOf`. */
  readonly chars: Uint8Array;
  /** Those that a match may begin with. */
  readonly first: Uint8Array;
  readonly max: number;
  /** The same with the anchor's own characters and length: what a stream must hold while the anchor may still come. */
  readonly holdChars: Uint8Array;
  readonly holdMax: number;
}

/** All rules made ready: what a detector is made of. */
export interface Program {
  readonly rules: readonly CompiledRule[];
  readonly anchors: Anchors;
  readonly reaches: readonly Reach[];
  readonly roaming: readonly RoamingRule[];
  /** Exact values that are no findings. */
  readonly allow: ReadonlySet<string>;
}

/** A rule without anchors, tried from every place: what a pattern from configuration becomes. */
export interface RoamingRule {
  readonly rule: CompiledRule;
  /** What every match begins with; may be empty. */
  readonly prefix: string;
}

export interface ProgramExtras {
  readonly roaming?: readonly RoamingRule[];
  readonly allow?: ReadonlySet<string>;
}

export function compileProgram(
  rules: readonly Rule[],
  { roaming = [], allow = new Set() }: ProgramExtras = {},
): Program {
  const entries: AnchorEntry[] = [];
  const compiled = rules.map((rule, owner): CompiledRule => {
    const anchors = rule.anchors ?? literalPrefixes(rule.lead ?? rule.pattern);
    invariant(anchors.length > 0, `rule ${rule.id} has an anchor`);
    for (const anchor of anchors) entries.push({ owner, anchor });
    return {
      rule,
      order: owner,
      lead: rule.lead ? compileDfa(rule.lead) : null,
      value: compileDfa(rule.pattern),
      rest: rule.rest ? compileDfa(rule.rest) : null,
      after: rule.after ? compileDfa(rule.after) : null,
      notBefore: rule.notBefore ? kindTable(rule.notBefore) : null,
      notAfter: rule.notAfter ? kindTable(rule.notAfter) : null,
      reach: rule.reach ? compileReach(rule.reach, anchors) : null,
      context: rule.context ? compileContext(rule.context) : null,
      check: rule.check ?? null,
    };
  });
  return {
    rules: compiled,
    anchors: buildAnchors(entries),
    reaches: compiled.flatMap(({ reach }) => (reach ? [reach] : [])),
    allow,
    roaming: roaming.map((each, index) => ({ ...each, rule: { ...each.rule, order: rules.length + index } })),
  };
}

/** Index into the tables of a compiled rule: ASCII units themselves, then alphabetic scripts, then all others. */
export function kindOf(unit: number): number {
  return unit < 0x80 ? unit : unit < 0x590 ? 0x80 : 0x81;
}

function kindTable(characters: RegExp): Uint8Array {
  const table = new Uint8Array(0x82);
  for (let unit = 0; unit < 0x80; unit++) table[unit] = Number(characters.test(String.fromCharCode(unit)));
  table[0x80] = Number(characters.test('\u00e9'));
  table[0x81] = Number(characters.test('\u4e00'));
  return table;
}

function compileReach(reach: NonNullable<Rule['reach']>, anchors: readonly (string | typeof digitRun)[]): Reach {
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
    holdChars,
    holdMax: reach.max + anchorMax - 1,
  };
}

const prefixesMax = 128;
const prefixCharsMax = 12;

/** The literals that every match of the pattern begins with one of; lower case. */
export function literalPrefixes(pattern: RegExp): readonly string[] {
  const prefixes = prefixesOf(parsePattern(pattern)).map(({ text }) => text);
  invariant(
    prefixes.every((prefix) => prefix.length > 0),
    `${pattern} does not begin with a literal: the rule must name its anchors`,
  );
  return [...new Set(prefixes)].filter(
    (prefix) => !prefixes.some((other) => other !== prefix && prefix.startsWith(other)),
  );
}

interface Prefix {
  readonly text: string;
  /** Whether the prefix covers the whole node, so that what follows can be added to it. */
  readonly whole: boolean;
}

function prefixesOf(node: PatternNode): readonly Prefix[] {
  switch (node.kind) {
    case 'set': {
      const units = node.set.flatMap(([low, high]) =>
        high - low > 8 ? [] : Array.from({ length: high - low + 1 }, (_, i) => low + i),
      );
      const size = node.set.reduce((sum, [low, high]) => sum + high - low + 1, 0);
      const chars = [...new Set(units.map((unit) => String.fromCharCode(unit).toLowerCase()))];
      const usable =
        size === units.length &&
        (chars.length === 1 || (chars.length <= 8 && !chars.some((char) => /[0-9\s]/.test(char))));
      return usable ? chars.map((text) => ({ text, whole: true })) : [{ text: '', whole: false }];
    }
    case 'choice':
      return node.items.flatMap(prefixesOf);
    case 'repeat': {
      if (node.min === 0) return [{ text: '', whole: true }, ...prefixesOf(node.item)];
      const once = prefixesOf(node.item);
      return node.min === 1 && node.max === 1 ? once : once.map(({ text }) => ({ text, whole: false }));
    }
    case 'sequence': {
      let grown: readonly Prefix[] = [{ text: '', whole: true }];
      for (const item of node.items) {
        if (grown.every(({ whole, text }) => !whole || text.length >= prefixCharsMax)) break;
        const tails = prefixesOf(item);
        const next = grown.flatMap((prefix) =>
          prefix.whole && prefix.text.length < prefixCharsMax
            ? tails.map((tail) => ({ text: prefix.text + tail.text, whole: tail.whole }))
            : [prefix],
        );
        if (next.length > prefixesMax) break;
        grown = next;
      }
      return grown;
    }
  }
}
