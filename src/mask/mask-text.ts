import type { Finding } from '../detect/finding.ts';
import { atOnce, type Sliced } from '../lib/slices.ts';
import { isMaskedAlready, maskValue } from './methods.ts';
import { isOwnMask } from './own-mask.ts';
import type { Minter } from './placeholder.ts';
import type { MaskPlan } from './plan.ts';
import { createTally, type FindingCount, type Tally } from './tally.ts';

export interface MaskedText {
  /** The very string that was given when nothing was masked. */
  readonly text: string;
  /** What was masked, and what was found and left (`method` null). Findings inside our own masks are not counted. */
  readonly counts: readonly FindingCount[];
}

/** Replaces the findings of one whole text. `findings` as the detector gives them: sorted, without overlaps. */
export function maskText(
  text: string,
  findings: readonly Finding[],
  role: string,
  plan: MaskPlan,
  minter: Minter,
): MaskedText {
  if (findings.length === 0) return { text, counts: [] };
  const tally = createTally();
  return {
    text: maskCounted(text, findings, role, plan, minter, tally),
    counts: tally.list(),
  };
}

/** As `maskText`, counting into a tally that the caller keeps. */
export function maskCounted(
  text: string,
  findings: readonly Finding[],
  role: string,
  plan: MaskPlan,
  minter: Minter,
  tally: Tally,
): string {
  return findings.length === 0 ? text : atOnce(maskingCounted(text, findings, role, plan, minter, tally));
}

/** Findings that are masked between two turns: each may cost a keyed digest or two. */
const turnFindings = 64;

/** As `maskCounted`. */
export function* maskingCounted(
  text: string,
  findings: readonly Finding[],
  role: string,
  plan: MaskPlan,
  minter: Minter,
  tally: Tally,
): Sliced<string> {
  const parts: string[] = [];
  let kept = 0;
  let looked = 0;
  for (const finding of findings) {
    if (++looked % turnFindings === 0) yield;
    if (isOwnMask(text, finding.start, finding.end, true, minter) === 'ours') continue;
    const method = plan.methodFor(finding, role);
    const value = text.slice(finding.start, finding.end);
    if (method !== null && isMaskedAlready(method, value)) continue;
    tally.add(finding.entity, method);
    if (method === null) continue;
    parts.push(
      text.slice(kept, finding.start),
      maskValue(method, finding.entity, value, minter, plan.keepFor(finding, role)),
    );
    kept = finding.end;
  }
  if (kept === 0) return text;
  parts.push(text.slice(kept));
  return parts.join('');
}
