import { limits } from '../lib/limits.ts';
import type { SegmentKind } from '../llm/conversation.ts';
import { canonicalValue } from './canonical.ts';
import { createPlaceholderFinder, type FoundPlaceholder, type PlaceholderFinder } from './placeholder-finder.ts';
import { matchesGlob, type Redaction } from './plan.ts';

/** One line of what policy wants back: placeholders of these entities, in the answer to the very request that they were written in. */
export interface Restoration {
  /** Glob, as in a redaction. */
  readonly entity: string;
  /** Also where a tool is called, defined or answers; else only in what is said. */
  readonly tools?: boolean;
}

/**
 * The values that one request had and for which it got placeholders; kept for its answer, in memory alone. Holds only entities that the
 * restorations name, at most `limits.restorableValuesMax` values and none longer than `limits.restorableCharsMax`: any other
 * placeholder stays in the answer as it is.
 */
export interface Restorables {
  /** A placeholder was written for the value. The first way of writing a value counts; two values of one placeholder are none. */
  add(placeholder: string, entity: string, value: string): void;
  /**
   * What may be put back in an answer of which policy says this; null: nothing. A redaction of the answer that names an entity more
   * narrowly than the restoration does stays in force: `SECRET_*` is masked for all that `*` is to be restored.
   */
  forAnswer(redactions: readonly Redaction[]): Restorer | null;
}

/** Puts values back in one answer. */
export interface Restorer {
  /** Finds what may be put back in texts of this kind; null: nothing may. */
  finder(kind: SegmentKind): PlaceholderFinder | null;
  /** The value for a placeholder, counted; null when the answer has had `limits.restoredCharsMax` characters: the rest stays masked. */
  take(found: FoundPlaceholder): string | null;
  /** Whether this very text may be put back wherever it stands in what is said. */
  knows(placeholder: string): boolean;
  /** In order of first appearance; every place counts. */
  counts(): readonly RestoredCount[];
}

export interface RestoredCount {
  readonly entity: string;
  readonly count: number;
}

/** A value as it stood in the request. */
export interface Restorable {
  readonly placeholder: string;
  readonly entity: string;
  readonly value: string;
}

const toolKinds: ReadonlySet<SegmentKind> = new Set(['tool_arguments', 'tool_result', 'tool_definition']);

export function createRestorables(restorations: readonly Restoration[]): Restorables {
  /** Null: the placeholder stands for more than one value. */
  const values = new Map<string, Restorable | null>();

  return {
    add: (placeholder, entity, value) => {
      if (Math.max(value.length, placeholder.length) > limits.restorableCharsMax) return;
      if (!restorations.some((line) => matchesGlob(line.entity, entity))) return;
      const known = values.get(placeholder);
      if (known === undefined) {
        if (values.size < limits.restorableValuesMax) values.set(placeholder, { placeholder, entity, value });
      } else if (known !== null && canonicalValue(entity, known.value) !== canonicalValue(entity, value)) {
        values.set(placeholder, null);
      }
    },
    forAnswer: (redactions) => {
      const known = [...values.values()].filter((value) => value !== null);
      const wanted = (lines: readonly Restoration[]): readonly Restorable[] =>
        known.filter(({ entity }) => lines.some((line) => isRestored(entity, line, redactions)));
      const said = wanted(restorations);
      return said.length === 0
        ? null
        : createRestorer(said, wanted(restorations.filter((line) => line.tools === true)));
    },
  };
}

function isRestored(entity: string, { entity: glob }: Restoration, redactions: readonly Redaction[]): boolean {
  if (!matchesGlob(glob, entity)) return false;
  return redactions.every((line) => !matchesGlob(line.entity, entity) || matchesGlob(line.entity, glob));
}

function createRestorer(said: readonly Restorable[], inTools: readonly Restorable[]): Restorer {
  const saidFinder = createPlaceholderFinder(said);
  const toolFinder = inTools.length === 0 ? null : createPlaceholderFinder(inTools);
  const counts = new Map<string, number>();
  const known = new Set(said.map(({ placeholder }) => placeholder));
  let charactersLeft: number = limits.restoredCharsMax;
  return {
    finder: (kind) => (toolKinds.has(kind) ? toolFinder : saidFinder),
    take: ({ entity, value }) => {
      if (value.length > charactersLeft) return null;
      charactersLeft -= value.length;
      counts.set(entity, (counts.get(entity) ?? 0) + 1);
      return value;
    },
    knows: (placeholder) => known.has(placeholder),
    counts: () => [...counts].map(([entity, count]) => ({ entity, count })),
  };
}
