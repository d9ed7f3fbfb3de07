import { sha256Hex } from '../lib/hash.ts';
import type { Detector, Finding } from './finding.ts';
import { compileProgram } from './program.ts';
import type { Rule } from './rule.ts';
import { rules as catalogue } from './rules/catalogue.ts';
import { createSession } from './session.ts';

export interface DetectorOptions {
  /** `extended` adds national identifiers and the like, which collide with ordinary numbers without a known country. */
  readonly tier: 'core' | 'extended';
  /** ISO 3166 codes: only these countries' extended rules. Absent: all. */
  readonly countries?: readonly string[];
}

/** Builds the detector; compiles all rules once (some tens of milliseconds). */
export function createDetector(options: DetectorOptions): Detector {
  const rules = catalogue.filter((rule) => isWanted(rule, options));
  const program = compileProgram(rules);
  return {
    revision: revisionOf(rules, options),
    scan: (text) => {
      const { findings } = createSession(program).feed(text, true);
      return { findings: findings.map(({ continuation: _, ...finding }): Finding => finding) };
    },
    openStream: () => {
      const session = createSession(program);
      return { push: (piece) => session.feed(piece, false), close: () => session.feed('', true) };
    },
  };
}

function isWanted(rule: Rule, { tier, countries }: DetectorOptions): boolean {
  if (rule.tier === 'core') return true;
  return tier === 'extended' && (!rule.country || !countries || countries.includes(rule.country));
}

function revisionOf(rules: readonly Rule[], options: DetectorOptions): string {
  const printable = JSON.stringify({ rules, options }, (_, value: unknown) =>
    value instanceof RegExp || typeof value === 'function' || typeof value === 'symbol' ? String(value) : value,
  );
  return `sha256:${sha256Hex(printable)}`;
}
