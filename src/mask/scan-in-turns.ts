import type { Detector, Finding, Scan } from '../detect/finding.ts';
import type { Sliced } from '../lib/slices.ts';

/** Characters of one text that are scanned before others get a turn: a fraction of a millisecond of prose, some of the worst text. */
export const turnChars = 16_384;

/** What a scan of the whole text finds, a turn after every `turnChars` of it. */
export function* scanningInTurns(detector: Detector, text: string): Sliced<Scan> {
  const scanner = detector.openStream();
  const findings: Finding[] = [];
  const take = (found: ReturnType<typeof scanner.push>): void => {
    for (const { continuation, ...finding } of found.findings) {
      const last = findings.at(-1);
      if (continuation && last) findings[findings.length - 1] = { ...last, end: finding.end };
      else findings.push(finding);
    }
  };
  for (let at = 0; at < text.length; at += turnChars) {
    take(scanner.push(text.slice(at, at + turnChars)));
    yield;
  }
  take(scanner.close());
  return { findings };
}
