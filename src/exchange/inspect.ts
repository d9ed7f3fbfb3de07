import type { Detector, Scan } from '../detect/finding.ts';
import { atOnce, inSlices } from '../lib/slices.ts';
import type { Segment } from '../llm/conversation.ts';
import { scanningInTurns, turnChars } from '../mask/scan-in-turns.ts';
import { scanAcross } from './adjacent.ts';

/** A body of so many characters is scanned at once. */
const atOnceChars = 32 * 1024;

/** A text is as much work as so many characters, however short it is. */
const textCharsMin = 128;

const nothing: Scan = { findings: [] };

/**
 * Scans every segment, `scans[i]` for segment `i`. Synchronous for ordinary bodies; a large one gives way to other exchanges every
 * 16 Ki characters, also inside one long text, where the stream scanner yields the very findings that a whole scan would. A value that is cut by the
 * border of two parts of one content is found as well (`scanAcross`).
 */
export function inspect(detector: Detector, segments: readonly Segment[]): readonly Scan[] | Promise<readonly Scan[]> {
  let characters = 0;
  for (const { text } of segments) characters += Math.max(text.length, textCharsMin);
  if (characters <= atOnceChars) {
    const scans = segments.map((segment) => scanShort(detector, segment.text));
    return atOnce(scanAcross(detector, segments, scans));
  }
  return inspectInTurns(detector, segments);
}

async function inspectInTurns(detector: Detector, segments: readonly Segment[]): Promise<readonly Scan[]> {
  const scans: Scan[] = [];
  let sinceTurn = 0;
  for (const { text } of segments) {
    sinceTurn += Math.max(text.length, textCharsMin);
    if (text.length <= turnChars) {
      scans.push(scanShort(detector, text));
    } else {
      scans.push(await inSlices(scanningInTurns(detector, text)));
      sinceTurn = turnChars;
    }
    if (sinceTurn >= turnChars) {
      sinceTurn = 0;
      await nextTurn();
    }
  }
  return inSlices(scanAcross(detector, segments, scans));
}

function scanShort(detector: Detector, text: string): Scan {
  return text.length === 0 ? nothing : detector.scan(text);
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
