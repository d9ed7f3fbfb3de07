import { type ExternalRecogniser, withoutOverlaps } from '../detect/external-recogniser.ts';
import type { Finding, Scan } from '../detect/finding.ts';
import { Fault } from '../lib/fault.ts';
import type { Conversation, Segment } from '../llm/conversation.ts';

/** A recogniser outside of this process, and what it is asked about. */
export interface ExternalRecognition {
  readonly recogniser: ExternalRecogniser;
  /** Only texts of these roles are sent to it. */
  readonly roles: ReadonlySet<string>;
  /** `deny`: without its word the exchange is refused. `ignore`: it goes on, and policy is told. */
  readonly onFailure: 'deny' | 'ignore';
}

/** What is known of a conversation once the recogniser was asked. */
export interface RecognisedConversation {
  readonly conversation: Conversation;
  readonly scans: readonly Scan[];
  /** Why the recogniser's word is missing although it was asked; null: it is not. */
  readonly failure: Fault | null;
}

/**
 * Adds what the recogniser finds to what the detector found; where the two overlap, the detector's word counts. When it fails, the
 * exchange is refused by a Fault (`recogniser_unavailable`; `detection_failed` for more text than it may be asked about), or
 * `recogniser` stands among the uninspected parts: a fact for policy and the record.
 */
export async function recognise(
  external: ExternalRecognition | null,
  conversation: Conversation,
  scans: readonly Scan[],
  signal: AbortSignal,
): Promise<RecognisedConversation> {
  if (external === null) return { conversation, scans, failure: null };
  const chosen = conversation.segments.flatMap((segment, index) => (isAskedAbout(external, segment) ? [index] : []));
  if (chosen.length === 0) return { conversation, scans, failure: null };
  const texts = chosen.map((index) => conversation.segments[index]?.text ?? '');
  const recognised = await external.recogniser.recognise(texts, signal);
  if (recognised.kind !== 'found') {
    const code = recognised.kind === 'failed' ? 'recogniser_unavailable' : 'detection_failed';
    const failure = new Fault(code, `the external recogniser failed: ${recognised.reason}`);
    if (external.onFailure === 'deny') throw failure;
    const uninspected = [...conversation.uninspected, { pointer: '', kind: 'recogniser' as const }];
    return { conversation: { ...conversation, uninspected }, scans, failure };
  }
  const merged = [...scans];
  for (const [at, index] of chosen.entries()) {
    merged[index] = { findings: merge(scans[index]?.findings ?? [], recognised.findings[at] ?? []) };
  }
  return { conversation, scans: merged, failure: null };
}

/** Identifiers of the protocol and numbers are nobody's name: a text needs two letters in a row. */
function isAskedAbout({ roles }: ExternalRecognition, { role, text }: Segment): boolean {
  return roles.has(role) && /\p{L}\p{L}/u.test(text);
}

function merge(own: readonly Finding[], others: readonly Finding[]): readonly Finding[] {
  if (others.length === 0) return own;
  const free = withoutOverlaps(others).filter(
    (other) => !own.some((finding) => finding.start < other.end && other.start < finding.end),
  );
  return [...own, ...free].sort((a, b) => a.start - b.start);
}
