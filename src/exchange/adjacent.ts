import type { Detector, Finding, Scan } from '../detect/finding.ts';
import type { Sliced } from '../lib/slices.ts';
import type { Segment } from '../llm/conversation.ts';

/** How far from the border between two parts a value may begin and end. */
export const acrossCharsMax = 128;
/** Parts of one content that are read together; what further parts hold is read by itself only. */
const partsMax = 256;
/** Parts that are looked at between two turns. */
const turnParts = 64;

/**
 * Finds values that are cut in two by the border between parts of one content: a model reads the parts of a message as one text.
 * The parts are read once more near their borders, joined without and with a space; what lies on both sides of a border is a
 * finding in each of the parts, for its piece of the value.
 *
 * Parts are texts of one role whose pointers differ in one position of a list, and are objects there (`/content/0/text`,
 * `/content/1/text`), or messages that follow each other: items of a list of plain texts are texts of their own.
 */
export function* scanAcross(
  detector: Detector,
  segments: readonly Segment[],
  scans: readonly Scan[],
): Sliced<readonly Scan[]> {
  let joined: Scan[] | null = null;
  let work = 0;
  for (let first = 0; first < segments.length; ) {
    const end = groupEnd(segments, first);
    work += end - first;
    if (end - first > 1) {
      joined ??= [...scans];
      if (work > turnParts) yield;
      yield* addAcross(detector, segments, first, end, joined);
    } else if (work > turnParts) yield;
    if (work > turnParts) work = 0;
    first = end;
  }
  return joined ?? scans;
}

function groupEnd(segments: readonly Segment[], first: number): number {
  const head = segments[first];
  const place = head ? placeOf(head) : null;
  if (!head || place === null) return first + 1;
  let end = first + 1;
  while (end < segments.length && end - first < partsMax) {
    const next = segments[end];
    if (!next || next.role !== head.role || placeOf(next) !== place) break;
    end++;
  }
  return end;
}

/** The pointer without the part's number; null for what is no part of a content. */
function placeOf({ pointer, kind }: Segment): string | null {
  if (kind !== 'text') return null;
  const match = /^(.*)\/\d+\/([A-Za-z_]+)$/.exec(pointer);
  return match ? `${match[1]}/*/${match[2]}` : null;
}

/** A stretch of joined text and where its pieces come from. */
interface Stretch {
  readonly text: string;
  readonly pieces: readonly {
    readonly segment: number;
    readonly at: number;
    readonly from: number;
    readonly length: number;
  }[];
}

function* addAcross(
  detector: Detector,
  segments: readonly Segment[],
  first: number,
  end: number,
  scans: Scan[],
): Sliced<void> {
  for (const glue of ['', ' ']) {
    if (glue !== '' && end - first > turnParts / 2) yield;
    const { text, pieces } = joinedNear(segments, first, end, glue);
    for (const { entity, detector: rule, start, end: to, score } of detector.scan(text).findings) {
      const parts = pieces.flatMap(({ segment, at, from, length }) => {
        const [begin, stop] = [Math.max(start, at), Math.min(to, at + length)];
        if (begin >= stop) return [];
        return [
          { segment, finding: { entity, detector: rule, start: from + begin - at, end: from + stop - at, score } },
        ];
      });
      if (new Set(parts.map(({ segment }) => segment)).size < 2) continue;
      for (const { segment, finding } of parts)
        scans[segment] = { findings: withFinding(scans[segment]?.findings ?? [], finding) };
    }
  }
}

/** The ends of all parts of a group; where the middle of a long one is left out, a line break keeps its ends apart. */
function joinedNear(segments: readonly Segment[], first: number, end: number, glue: string): Stretch {
  let text = '';
  const pieces: { segment: number; at: number; from: number; length: number }[] = [];
  const add = (segment: number, from: number, piece: string): void => {
    pieces.push({ segment, at: text.length, from, length: piece.length });
    text += piece;
  };
  for (let segment = first; segment < end; segment++) {
    const part = segments[segment]?.text ?? '';
    if (segment > first) text += glue;
    if (part.length <= 2 * acrossCharsMax) add(segment, 0, part);
    else {
      add(segment, 0, part.slice(0, acrossCharsMax));
      text += '\n\n';
      add(segment, part.length - acrossCharsMax, part.slice(-acrossCharsMax));
    }
  }
  return { text, pieces };
}

/** Findings stay sorted and free of overlaps: one that has a place already keeps it, unless the new one holds all of it. */
function withFinding(findings: readonly Finding[], added: Finding): readonly Finding[] {
  const others = findings.filter(({ start, end }) => start < added.start || end > added.end);
  if (others.some(({ start, end }) => start < added.end && end > added.start)) return findings;
  return [...others, added].sort((a, b) => a.start - b.start);
}
