/**
 * Looks for texts that cost detection more than those known: `node .dev/bench.mjs detect-attacks [--seconds N]`. From the rules' examples
 * and anchors it climbs: a change that makes a text dearer is kept. What it finds below the goal of `npm run bench:detect` is written down in
 * `test/support/attack-texts.ts`. Processor time; a busy machine makes it find other texts, not false ones: the last table is measured anew.
 */
import { parseArgs } from 'node:util';
import { createDetector } from '../../src/detect/detector.ts';
import { rules as catalogue } from '../../src/detect/rules/catalogue.ts';
import { Fault } from '../../src/lib/fault.ts';
import { attacksOn, knownAttacks } from '../support/attack-texts.ts';
import { promptText } from '../support/prompt-text.ts';

const { values: options } = parseArgs({
  options: { seconds: { type: 'string', default: '120' }, seed: { type: 'string', default: '1' } },
});
const detector = createDetector({ tier: 'core' });
const rules = catalogue.filter(({ tier }) => tier === 'core');
const chars = 4_096;

function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

function scan(text: string): void {
  try {
    detector.scan(text);
  } catch (error) {
    if (Fault.from(error).code !== 'detection_failed') throw error;
  }
}

/** Microseconds a thousand characters of the text over and over, the least of several times. */
function costOf(attack: string, times: number, length = chars): number {
  const text = attack.repeat(Math.ceil(length / attack.length));
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < times; i++) {
    const begin = cpuUs();
    scan(text);
    least = Math.min(least, cpuUs() - begin);
    // Most texts are cheap, and seen to be at once.
    if (i === 0 && (1_000 * least) / text.length < 40) break;
  }
  return (1_000 * least) / text.length;
}

let state = Number(options.seed) + 1;
function random(below: number): number {
  state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
  return (state >> 8) % below;
}
function pick<T>(from: readonly T[], otherwise: T): T {
  return from[random(from.length)] ?? otherwise;
}

const pieces = [
  ...[...' \n.:-_/@"=+(),;\'#*|<>{}[]%&$!?~`\\'],
  ...['0', '1', '4', '12', '00', '999', 'a', 'f', 'Z', 'x', 'X', 'é', '中', ': ', '= ', ' - ', '://', '": "'],
  ...rules.flatMap(({ anchors }) => (anchors ?? []).flatMap((anchor) => (typeof anchor === 'string' ? [anchor] : []))),
];

function changed(text: string, others: readonly string[]): string {
  const at = random(text.length + 1);
  const to = Math.min(text.length, at + 1 + random(4));
  switch (random(7)) {
    case 0:
      return text.slice(0, at) + pick(pieces, ' ') + text.slice(at);
    case 1:
      return text.slice(0, at) + text.slice(to);
    case 2:
      return text.slice(0, at) + pick(pieces, ' ') + text.slice(to);
    case 3:
      return text.slice(0, to) + text.slice(at);
    case 4:
      return text.slice(at) + text.slice(0, at);
    case 5:
      return text.slice(0, at) + pick(others, ' ');
    default:
      return text.slice(0, Math.max(2, at));
  }
}

interface Attack {
  readonly text: string;
  readonly cost: number;
}
const dearest = (a: Attack, b: Attack): number => b.cost - a.cost;

const examples = rules.flatMap((rule) => [
  ...attacksOn(rule),
  ...[...rule.examples.positive, ...rule.examples.negative].map((each) =>
    typeof each === 'string' ? each : each.text,
  ),
]);
const starts = [...new Set([...knownAttacks, ...examples.flatMap((text) => [text, `${text} `, `${text}\n`])])].filter(
  (text) => text.trim() !== '' && text.length < 400,
);
for (let i = 0; i < 40; i++) scan(promptText(16_384, i, true));
const begun = cpuUs();
const until = begun + 1_000_000 * Number(options.seconds);
let best: Attack[] = starts.map((text) => ({ text, cost: costOf(text, 3) })).sort(dearest);
console.log(`${starts.length} beginnings in ${((cpuUs() - begun) / 1e6).toFixed(0)} s; the dearest:`);
console.table(
  best.slice(0, 10).map(({ text, cost }) => ({ text: text.slice(0, 60), 'MB/s': (1_000 / cost).toFixed(1) })),
);

best = best.slice(0, 60);
let tries = 0;
while (cpuUs() < until) {
  // The dearest most often.
  const index = Math.min(random(best.length), random(best.length));
  const from = best[index];
  if (!from) break;
  const text = changed(from.text, examples).slice(0, 300);
  if (text.trim().length < 1 || best.some((each) => each.text === text)) continue;
  tries++;
  const cost = costOf(text, 2);
  if (cost <= from.cost * 1.03) continue;
  const sure = costOf(text, 5);
  if (sure > from.cost * 1.03) best[index] = { text, cost: sure };
  else best[index] = { text: from.text, cost: Math.min(from.cost, costOf(from.text, 5)) };
  best.sort(dearest);
}
best = best.map(({ text }) => ({ text, cost: costOf(text, 9, 65_536) })).sort(dearest);
console.log(`${tries} changes tried; 64 KB each, the least of nine:`);
for (const { text, cost } of best.slice(0, 30)) console.log((1_000 / cost).toFixed(1), 'MB/s', JSON.stringify(text));
