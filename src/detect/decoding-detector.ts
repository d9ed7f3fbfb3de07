import { Fault } from '../lib/fault.ts';
import { limits } from '../lib/limits.ts';
import type { Decoding } from './escapes.ts';
import type { Detector, Finding, StreamFinding, StreamScanner } from './finding.ts';
import { contextCharsMax } from './rule.ts';
import { lookBehindEscapes, lookIntoBase64, type SecondLook } from './second-look.ts';

/**
 * A detector that reads a text a second time where it is written in percent-encoding, in HTML references or in base64, one
 * level deep. A finding in what was decoded covers what it was decoded from (of base64, whole groups of four characters), so
 * that masking replaces the encoded value. Text without encodings is not read twice.
 *
 * Bounds: base64 below 20 and above `limits.decodedRunCharsMax` characters is not decoded; what stands more than 64 characters
 * left of the first escape is not read with it. In a stream, what was released before an escape came is not called back: the
 * finding then begins behind it.
 */
export function createDecodingDetector(inner: Detector, decoding: Decoding): Detector {
  const looks = (): readonly SecondLook[] => [
    ...(decoding.percent || decoding.html ? [lookBehindEscapes(inner, decoding)] : []),
    ...(decoding.base64 ? [lookIntoBase64(inner)] : []),
  ];
  return {
    revision: inner.revision,
    scan: (text) => {
      const { findings } = inner.scan(text);
      const more = looks().flatMap((each) => each.look(text, true).findings);
      bound(findings.length + more.length);
      return { findings: more.length === 0 ? findings : join([...findings, ...more]) };
    },
    openStream: () => openStream(inner, looks()),
  };
}

/** What lies before the first undecided character is kept this far back. */
const keepChars = contextCharsMax + 64;

function openStream(inner: Detector, looks: readonly SecondLook[]): StreamScanner {
  const scanner = inner.openStream();
  let text = '';
  let base = 0;
  let decided = 0;
  let waiting: StreamFinding[] = [];
  let reported = 0;

  function take(piece: string, last: boolean): ReturnType<StreamScanner['push']> {
    text += piece;
    const first = last ? scanner.close() : scanner.push(piece);
    waiting.push(...first.findings);
    let open = last ? base + text.length : first.decided;
    for (const each of looks) {
      const { findings, openFrom } = each.look(text, last);
      for (const found of findings) {
        const start = Math.max(decided, base + found.start);
        if (base + found.end > start) waiting.push({ ...found, start, end: base + found.end, continuation: false });
      }
      open = Math.min(open, base + openFrom);
    }
    if (waiting.length > 1) waiting = join(waiting);
    for (const { start, end } of waiting) if (start < open && end > open) open = start;
    decided = Math.max(decided, open);
    const findings = waiting.filter(({ end }) => end <= decided);
    waiting = waiting.filter(({ end }) => end > decided);
    trim();
    reported += findings.length;
    bound(reported);
    return { findings, decided };
  }

  function trim(): void {
    const drop = decided - keepChars - base;
    if (drop < 4 * keepChars) return;
    text = text.slice(drop);
    base += drop;
    for (const each of looks) each.shift(drop);
  }

  return { push: (piece) => take(piece, false), close: () => take('', true) };
}

/** By start, without overlaps: what lies in another goes, what goes on behind another begins there. */
function join<F extends Finding>(findings: F[]): F[] {
  findings.sort((a, b) => a.start - b.start || b.end - a.end);
  const joined: F[] = [];
  let end = -1;
  for (const finding of findings) {
    if (finding.end <= end) continue;
    joined.push(finding.start >= end ? finding : { ...finding, start: end });
    end = finding.end;
  }
  return joined;
}

function bound(findings: number): void {
  if (findings <= limits.findingsMax) return;
  throw new Fault('detection_failed', `a text holds more than ${limits.findingsMax} findings`);
}
