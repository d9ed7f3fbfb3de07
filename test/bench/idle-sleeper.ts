// Entry of the process that idle-process.ts starts. It ends with its parent.
import { setTimeout as sleep } from 'node:timers/promises';

const late: number[] = [];
const samplesMax = 1_000_000;
let isOver = false;
process.once('message', () => {
  isOver = true;
});
process.once('disconnect', () => process.exit());
while (!isOver && late.length < samplesMax) {
  const due = performance.now() + 1;
  await sleep(1);
  // Node's timers are of whole milliseconds: one late is none.
  late.push(Math.max(0, performance.now() - due - 1));
}
process.send?.(late, () => process.exit());
