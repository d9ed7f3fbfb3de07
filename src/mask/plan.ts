import type { SealedKind } from '../llm/conversation.ts';

/** What is done to a finding. See `strictness` for their order and methods.ts for what each writes. */
export type MaskMethod = 'label' | 'token' | 'surrogate' | 'partial' | 'hash' | 'drop';

/** One line of the masking plan: entity glob (`SECRET_*`, `*`) to method. */
export interface Redaction {
  readonly entity: string;
  readonly method: MaskMethod;
  /** Only in texts of these roles; absent: all. */
  readonly roles?: readonly string[];
  /** Only findings of at least this score; absent: all. */
  readonly minScore?: number;
  /** Of `partial`: how many of the last characters stay, 1 to `partialKeepMax`; absent: `partialKeepDefault`. */
  readonly keep?: number;
}

/** Sealed blocks of this kind are left out: what can be neither read nor masked need not pass. */
export interface Omission {
  readonly blocks: SealedKind;
}

export const partialKeepDefault = 4;
export const partialKeepMax = 8;

/**
 * Strictest first, by what a reader of the masked text learns of the value: nothing at all (drop), that one stood there (label),
 * which ones are equal within the scope (token), that and the value's form (surrogate), which are equal beyond it (hash), some of its
 * characters (partial).
 * Rules of a policy only ever add redactions, so a rule can make masking stricter and never weaker.
 */
export const strictness: readonly MaskMethod[] = ['drop', 'label', 'token', 'surrogate', 'hash', 'partial'];

/** What it writes depends on the value, and on a key: the value must be at hand for it, as much of it as is keyed. */
export function isKeyedMethod(method: MaskMethod | null): boolean {
  return method === 'token' || method === 'surrogate' || method === 'hash';
}

/** A compiled plan: decided once per phase, then asked for every finding, also for those of text that has not arrived yet. */
export interface MaskPlan {
  /** True when no finding can ever be masked: nothing needs to be held back. */
  readonly isEmpty: boolean;
  /** True when some line writes keyed text (placeholders, hashes), so that forged ones in the input matter. */
  readonly isKeyed: boolean;
  /** Kinds of sealed blocks that are left out. */
  readonly omits: ReadonlySet<SealedKind>;
  /** The strictest method of all lines that match; null: leave the finding as it is. */
  methodFor(finding: PlannedFinding, role: string): MaskMethod | null;
  /** How many characters `partial` leaves of it; of several lines the least counts. */
  keepFor(finding: PlannedFinding, role: string): number;
}

/** What the plan needs to know of a finding. */
export interface PlannedFinding {
  readonly entity: string;
  /** 0 to 1. */
  readonly score: number;
}

/** Entities come from the rules of one detector, a small set; beyond this many the answer is computed anew each time. */
const cachedEntitiesMax = 1024;

/** Compiles the union of redactions, and of what is left out. In `entity`, `*` stands for any run of characters, all else for itself. */
export function compilePlan(redactions: readonly Redaction[], omissions: readonly Omission[] = []): MaskPlan {
  const strictestFirst = [...redactions].sort(
    (a, b) => strictness.indexOf(a.method) - strictness.indexOf(b.method) || keepOf(a) - keepOf(b),
  );
  const byEntity = new Map<string, readonly Redaction[]>();

  function linesFor(entity: string): readonly Redaction[] {
    const cached = byEntity.get(entity);
    if (cached) return cached;
    const lines = strictestFirst.filter((line) => matchesGlob(line.entity, entity));
    if (byEntity.size < cachedEntitiesMax) byEntity.set(entity, lines);
    return lines;
  }

  function lineFor(finding: PlannedFinding, role: string): Redaction | null {
    for (const line of linesFor(finding.entity)) {
      if (line.roles && !line.roles.includes(role)) continue;
      if (line.minScore !== undefined && finding.score < line.minScore) continue;
      return line;
    }
    return null;
  }

  return {
    isEmpty: redactions.length === 0,
    isKeyed: redactions.some((line) => isKeyedMethod(line.method)),
    omits: new Set(omissions.map(({ blocks }) => blocks)),
    methodFor: (finding, role) => lineFor(finding, role)?.method ?? null,
    keepFor: (finding, role) => keepOf(lineFor(finding, role) ?? {}),
  };
}

function keepOf({ keep }: Pick<Redaction, 'keep'>): number {
  return keep ?? partialKeepDefault;
}

/** `*` stands for any run of characters. Linear in both lengths: the parts between stars are searched left to right, each at its first place. */
export function matchesGlob(glob: string, entity: string): boolean {
  const [head = '', ...rest] = glob.split('*');
  if (!entity.startsWith(head)) return false;
  const tail = rest.pop();
  if (tail === undefined) return entity === head;
  let at = head.length;
  for (const part of rest) {
    const found = entity.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return entity.length - tail.length >= at && entity.endsWith(tail);
}
