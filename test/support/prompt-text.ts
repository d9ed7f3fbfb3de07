/** Text such as people send to models, the same for the same seed: prose, code, JSON, tables, log lines. */
export function promptText(length: number, seed: number, withValues = false): string {
  const next = generator(seed + 1);
  const pick = <T>(from: readonly T[]): T => from[next() % from.length] as T;
  const parts: string[] = [];
  let size = 0;
  while (size < length) {
    const block = pick(blocks)(next, pick);
    const part = withValues && next() % 2 === 0 ? `${block} ${pick(values)}\n` : `${block}\n`;
    parts.push(part);
    size += part.length;
  }
  return parts.join('').slice(0, length);
}

type Next = () => number;
type Pick = <T>(from: readonly T[]) => T;

const words =
  `the of and to in is that it was for on are as with his they at be this from have or by one had not but what all were when
  we there can an your which their said if do will each about how up out them then she many some so these would other into has
  more her two like him see time could no make than first been its who now people my made over did down only way find use may
  water long little very after words called just where most know service request model token key account password policy
  customer invoice deploy cluster function return value error please summarise following document meeting contract`.split(
    /\s+/,
  );

const blocks: readonly ((next: Next, pick: Pick) => string)[] = [
  (next, pick) => sentence(next, pick, 12 + (next() % 18)),
  (next, pick) =>
    `${sentence(next, pick, 10)} In ${1990 + (next() % 35)}, ${next() % 100} % of ${sentence(next, pick, 8)}`,
  (next, pick) =>
    `export function ${pick(words)}${next() % 90}(${pick(words)}: string): number {\n  const ${pick(words)} = ${pick(words)}.length + ${next() % 4096};\n  return ${pick(words)}['${pick(words)}'] ?? 0;\n}`,
  (next, pick) =>
    `{"id": ${next() % 1_000_000}, "${pick(words)}": "${sentence(next, pick, 5)}", "created_at": "2024-0${1 + (next() % 9)}-1${next() % 10}T12:3${next() % 10}:05Z", "ok": true}`,
  (next, pick) =>
    `2024-06-1${next() % 10} 08:1${next() % 10}:2${next() % 10},${next() % 1000} INFO [worker-${next() % 16}] ${pick(words)}.${pick(words)}: took ${next() % 900} ms, ${next() % 64} rows`,
  (next, pick) => `| ${pick(words)} | ${next() % 10_000} | ${(next() % 10_000) / 100} | ${pick(words)} |`,
  (next, pick) =>
    `- [ ] ${sentence(next, pick, 7)} (see https://docs.example.com/${pick(words)}/${pick(words)}#section-${next() % 20})`,
];

function sentence(next: Next, pick: Pick, count: number): string {
  const text = Array.from({ length: count }, () => pick(words)).join(' ');
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${next() % 7 === 0 ? ', and so on.' : '.'}`;
}

const values = [
  'card 4111 1111 1111 1111',
  'SSN 536-22-8726',
  'mail jane.doe@example.com',
  'IBAN DE89 3704 0044 0532 0130 00',
  'call +49 30 123456',
  'from 203.0.113.7',
];

/** Deterministic numbers (a linear congruence); quality hardly matters here. */
function generator(seed: number): Next {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return state >> 8;
  };
}
