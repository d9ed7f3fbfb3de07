import type { Detector, Finding, StreamScan } from '../../detect/finding.ts';
import { limits } from '../../lib/limits.ts';

/**
 * All findings of a text of any length, in order. A scanner stops at `limits.findingsMax`, which protects a service; a file may well
 * hold more, so a long text is read by one scanner after the other. Each takes over where everything before is decided, and reads
 * what stands to the left of that place again.
 */
export function scanText(detector: Detector, text: string): readonly Finding[] {
  if (text.length <= shortChars) return detector.scan(text).findings;
  const findings: Finding[] = [];
  let scanner = detector.openStream();
  /** Where in the text the scanner began to read, and from where on its findings are news. */
  let base = 0;
  let newsFrom = 0;
  let reported = 0;

  /** Returns up to where all is decided. */
  function accept({ findings: found, decided }: StreamScan): number {
    for (const { continuation, ...finding } of found) {
      const [start, end] = [finding.start + base, finding.end + base];
      const last = findings.at(-1);
      if (continuation && last?.end === start) findings[findings.length - 1] = { ...last, end };
      else if (start >= newsFrom) findings.push({ ...finding, start, end });
    }
    reported += found.length;
    return decided + base;
  }

  for (let at = 0; at < text.length; at += pieceChars) {
    const end = Math.min(text.length, at + pieceChars);
    const decided = accept(scanner.push(text.slice(at, end)));
    // A value that ends right where all is decided may go on.
    if (reported < handOverAt || findings.at(-1)?.end === decided) continue;
    newsFrom = decided;
    base = Math.max(0, decided - contextChars);
    reported = 0;
    scanner = detector.openStream();
    accept(scanner.push(text.slice(base, end)));
  }
  accept(scanner.close());
  return findings;
}

/** So short a text cannot hold `limits.findingsMax` values. */
const shortChars = limits.findingsMax * 4;
const pieceChars = 8_192;
const handOverAt = limits.findingsMax / 2;
/** More than rules look to the left. */
const contextChars = 256;
