/** Speed of detection: `npx tsx test/bench/detect.ts`. Medians of many short slices of
 * processor time; a busy machine still wobbles by a third. */
import { createDetector } from '../../src/detect/detector.ts';
import { promptText } from '../support/prompt-text.ts';

const started = performance.now();
const detector = createDetector({ tier: 'core' });
console.log(`compile: ${(performance.now() - started).toFixed(0)} ms`);

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? 0;
}

/** Microseconds of processor time: other processes on the machine do not count. */
function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** Median microseconds of one call, over slices of at least some milliseconds. */
function time(run: () => void, slices = 25): number {
  let calls = 1;
  for (;;) {
    const begin = cpuUs();
    for (let i = 0; i < calls; i++) run();
    if (cpuUs() - begin > 10_000) break;
    calls *= 2;
  }
  return median(
    Array.from({ length: slices }, () => {
      const begin = cpuUs();
      for (let i = 0; i < calls; i++) run();
      return (cpuUs() - begin) / calls;
    }),
  );
}

// The first calls run in the interpreter; a service has left them behind after a second.
const warmUp = Array.from({ length: 16 }, (_, i) => promptText(16 * 1024, i, i % 2 === 0));
for (const until = cpuUs() + 1_500_000; cpuUs() < until; ) for (const text of warmUp) detector.scan(text);

const kinds = [
  { name: 'prompt-like (prose, code, JSON, numbers)', secrets: false },
  { name: 'the same with 8 values to find a KB', secrets: true },
];
for (const { name, secrets } of kinds) {
  console.log(name);
  for (const kilobytes of [1, 4, 16, 1024]) {
    const texts = Array.from({ length: kilobytes > 100 ? 1 : 32 }, (_, i) => promptText(kilobytes * 1024, i, secrets));
    let turn = 0;
    const us = time(() => {
      detector.scan(texts[turn++ % texts.length] ?? '');
    });
    const rate = (kilobytes * 1024) / us;
    console.log(
      `  ${String(kilobytes).padStart(4)} KB: ${rate.toFixed(1).padStart(6)} MB/s  ${us.toFixed(1).padStart(9)} us`,
    );
  }
}

for (const { name, secrets } of kinds) {
  const text = promptText(64 * 1024, 1, secrets);
  const deltas = text.match(/[\s\S]{1,40}/g) ?? [];
  const us = time(() => {
    const scanner = detector.openStream();
    for (const delta of deltas) scanner.push(delta);
    scanner.close();
  });
  console.log(`stream of 40-character deltas, ${name}: ${(us / deltas.length).toFixed(2)} us a delta`);
}
