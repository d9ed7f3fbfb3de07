import { invariant } from '../lib/invariant.ts';
import { type AnchorEntry, type Anchors, buildAnchors, digitRun } from './anchors.ts';
import { type CompiledRule, kindOf, kindTable, type Reach } from './compiled-rule.ts';
import { compileContext } from './context.ts';
import { compileDfa, type Dfa, dead } from './dfa.ts';
import { literalPrefixes } from './literal-prefix.ts';
import { buildNumberGates, type NumberGate } from './number-gate.ts';
import type { Rule } from './rule.ts';

/** All rules made ready: what a detector is made of. */
export interface Program {
  readonly rules: readonly CompiledRule[];
  readonly anchors: Anchors;
  readonly reaches: readonly Reach[];
  /** The rules that begin at runs of digits. */
  readonly numberGates: readonly NumberGate[];
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
  const atNumbers: number[] = [];
  const compiled = rules.map((rule, owner): CompiledRule => {
    const anchors = rule.anchors ?? literalPrefixes(rule.lead ?? rule.pattern);
    invariant(anchors.length > 0, `rule ${rule.id} has an anchor`);
    for (const anchor of anchors) if (anchor !== digitRun) entries.push({ owner, anchor });
    if (anchors.includes(digitRun)) atNumbers.push(owner);
    const lead = rule.lead ? compileDfa(rule.lead) : null;
    const value = compileDfa(rule.pattern);
    const first = lead ?? value;
    return {
      rule,
      order: owner,
      lead,
      value,
      rest: rule.rest ? compileDfa(rule.rest) : null,
      after: rule.after ? compileDfa(rule.after) : null,
      notBefore: rule.notBefore ? kindTable(rule.notBefore) : null,
      notAfter: rule.notAfter ? kindTable(rule.notAfter) : null,
      reach: rule.reach ? compileReach(rule.reach, anchors, first) : null,
      context: rule.context ? compileContext(rule.context) : null,
      check: rule.check ?? null,
    };
  });
  return {
    rules: compiled,
    anchors: buildAnchors(entries, atNumbers.length > 0),
    numberGates: buildNumberGates(compiled.filter(({ order }) => atNumbers.includes(order))),
    reaches: compiled.flatMap(({ reach }) => (reach ? [reach] : [])),
    allow,
    roaming: roaming.map((each, index) => ({ ...each, rule: { ...each.rule, order: rules.length + index } })),
  };
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
    isNeeded: !anchors.some((anchor) =>
      (anchor === digitRun ? [...'0123456789'] : [anchor]).some((text) => beginsWith(dfa, text)),
    ),
    holdChars,
    holdMax: reach.max + anchorMax - 1,
  };
}

function beginsWith(dfa: Dfa, char: string): boolean {
  return (dfa.next[dfa.start + (dfa.ascii[char.charCodeAt(0) & 0x7f] ?? 0)] ?? dead) !== dead;
}
