import type { Scan } from '../detect/finding.ts';
import { invariant } from '../lib/invariant.ts';
import type { Sliced } from '../lib/slices.ts';
import type { OmittedCount } from '../llm/conversation.ts';
import type { ParsedBody } from '../llm/dialect.ts';
import { maskingCounted } from './mask-text.ts';
import type { Minter } from './placeholder.ts';
import type { MaskPlan } from './plan.ts';
import { createTally, type FindingCount } from './tally.ts';

export interface MaskedBody {
  /** The buffer that was parsed, itself, when nothing changed. */
  readonly body: Buffer;
  readonly isTouched: boolean;
  /** New text by segment index, for the masked view that the record and an approver get. */
  readonly replacements: ReadonlyMap<number, string>;
  readonly counts: readonly FindingCount[];
  /** Findings that the plan would mask in texts that may not be rewritten (`isSealed`): they go out as they are. */
  readonly sealedFindings: number;
  /** Sealed blocks that were left out. */
  readonly omitted: readonly OmittedCount[];
}

/** Texts that are looked at between two turns; a finding in one counts as so many. */
const turnWork = 1024;
const findingWork = 16;

/**
 * Masks a whole body: `scans[i]` belongs to segment `i`. `input` bodies (what goes to the model) are also rid of placeholders that
 * we did not write, when the plan writes any, so that a caller cannot plant one. Texts of blocks that the plan leaves out are gone with them, and
 * are not counted.
 */
export function* maskBody(
  parsed: ParsedBody,
  scans: readonly Scan[],
  direction: 'input' | 'output',
  plan: MaskPlan,
  minter: Minter,
): Sliced<MaskedBody> {
  const { segments } = parsed.conversation;
  invariant(scans.length === segments.length, 'every segment of a body is scanned');
  const tally = createTally();
  const replacements = new Map<number, string>();
  let sealedFindings = 0;
  let work = 0;
  for (const [index, segment] of segments.entries()) {
    const findings = scans[index]?.findings ?? [];
    work += 1 + findings.length * findingWork;
    if (work > turnWork) {
      work = 0;
      yield;
    }
    if (segment.block !== undefined && plan.omits.has(segment.block)) continue;
    if (segment.isSealed) {
      sealedFindings += findings.filter((finding) => plan.methodFor(finding, segment.role) !== null).length;
      for (const { entity } of findings) tally.add(entity, null);
      continue;
    }
    // Neutralising keeps the length, so findings of the text as it came still stand in the right place.
    const isChecked = direction === 'input' && plan.isKeyed && segment.text.includes('_');
    const text = isChecked ? yield* minter.neutralising(segment.text) : segment.text;
    const masked =
      findings.length === 0 ? text : yield* maskingCounted(text, findings, segment.role, plan, minter, tally);
    if (masked !== segment.text) replacements.set(index, masked);
  }
  const omitted = plan.omits.size > 0 ? (parsed.omitted?.(plan.omits) ?? []) : [];
  return {
    body: yield* parsed.rewrite(replacements, plan.omits),
    isTouched: replacements.size > 0 || omitted.length > 0,
    replacements,
    counts: tally.list(),
    sealedFindings,
    omitted,
  };
}
