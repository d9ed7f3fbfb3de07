import type { Detector, Finding, StreamFinding } from '../../src/detect/finding.ts';

/** Entities that the fake reports. */
export const fakeEntities: ReadonlySet<string> = new Set(['CREDIT_CARD', 'US_SSN', 'SECRET_KEY', 'PASSWORD']);

const patterns: readonly (readonly [entity: string, pattern: RegExp])[] = [
  ['CREDIT_CARD', /(?<![0-9])4[0-9]{3}([ -]?)[0-9]{4}\1[0-9]{4}\1[0-9]{4}(?![0-9])/g],
  ['US_SSN', /(?<![0-9-])[0-9]{3}-[0-9]{2}-[0-9]{4}(?![0-9-])/g],
  ['SECRET_KEY', /(?<![A-Za-z0-9])key-[A-Za-z0-9]{12}(?![A-Za-z0-9])/g],
  ['PASSWORD', /(?<=password=)[!-~]{6,20}/g],
];
/** No match is longer, look-around included. */
const reachMax = 32;

/** A detector of four plain patterns with a fixed hold-back: slow, obviously exact, free of the real one's rules. */
export function createFakeDetector(): Detector {
  return {
    revision: 'fake',
    scan: (text) => ({ findings: find(text) }),
    openStream: () => {
      let text = '';
      let decided = 0;
      function report(certain: number): {
        findings: StreamFinding[];
        decided: number;
      } {
        const findings = find(text)
          .filter((finding) => finding.start >= decided && finding.start < certain)
          .map((finding) => ({ ...finding, continuation: false }));
        decided = Math.max(decided, certain, ...findings.map((finding) => finding.end));
        return { findings, decided };
      }
      return {
        push: (piece) => {
          text += piece;
          return report(text.length - reachMax);
        },
        close: () => report(text.length),
      };
    },
  };
}

function find(text: string): Finding[] {
  const all = patterns.flatMap(([entity, pattern]) =>
    [...text.matchAll(pattern)].map((match) => ({
      entity,
      detector: `fake.${entity}`,
      start: match.index,
      end: match.index + match[0].length,
      score: entity === 'US_SSN' ? 0.5 : 1,
    })),
  );
  let end = 0;
  return all
    .sort((a, b) => a.start - b.start || b.end - a.end)
    .filter((finding) => {
      if (finding.start < end) return false;
      end = finding.end;
      return true;
    });
}
