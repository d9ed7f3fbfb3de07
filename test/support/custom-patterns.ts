import type { CustomPattern } from '../../src/detect/custom-pattern.ts';

/** As many patterns as asked for, of the kinds that people write: ids with a prefix, ids without one, words, addresses. */
export function customPatterns(count: number): readonly CustomPattern[] {
  return Array.from({ length: count }, (_, index) => ({
    id: `pattern-${index}`,
    entity: `OWN_KIND_${index % 20}`,
    pattern: patternOf(index),
    score: 0.8,
    context: index % 3 === 0 ? ['employee', 'project', 'badge'] : [],
  }));
}

function patternOf(index: number): string {
  const code = String.fromCharCode(65 + (index % 26), 65 + ((index * 7) % 26), 65 + ((index * 11) % 26));
  switch (index % 8) {
    case 0:
      return `\\b${code}-\\d{6}\\b`;
    case 1:
      return `(?i)project[ -]${code}\\w+`;
    case 2:
      return `\\b[A-Z]{2}\\d{${4 + (index % 5)}}[A-Z]\\b`;
    case 3:
      return `\\b\\d{3}-\\d{${2 + (index % 3)}}-${index}\\b`;
    case 4:
      return `[a-z0-9._]+@${code.toLowerCase()}\\.example\\.com`;
    case 5:
      return `(?:${code}|${code.toLowerCase()})_[0-9a-f]{8,16}`;
    case 6:
      return `\\bcost ?center:? ?\\d{4}${index}\\b`;
    default:
      return `host-${index}[a-z]?\\.(?:corp|internal)`;
  }
}

/** Names such as projects have: two words, the first of them made up. */
export function projectNames(count: number): readonly string[] {
  const syllables = ['ba', 'ri', 'to', 'ne', 'ku', 'lo', 'sa', 'mi', 'ver', 'dan', 'el', 'or'];
  const seconds = ['Harbour', 'Falcon', 'Meadow', 'Summit', 'Delta', 'Orchid', 'Basalt', 'Comet', 'Lantern', 'Cedar'];
  return Array.from({ length: count }, (_, index) => {
    const first = [0, 1, 2, 3].map((place) => syllables[Math.floor(index / 12 ** place) % 12]).join('');
    return `${first} ${seconds[index % 10]}`;
  });
}
