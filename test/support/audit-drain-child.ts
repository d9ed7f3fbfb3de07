/** A process that has thousands of entries under way when SIGTERM comes: it closes its log and says what became of each. */
import { once } from 'node:events';
import { bareEntry, openTestLog } from './audit.ts';

const [directory = '', entries = ''] = process.argv.slice(2);
const log = await openTestLog(directory);
const told = once(process, 'SIGTERM');
let waiting = Number(entries);
const outcomes = Array.from({ length: waiting }, async () => {
  try {
    const { id, sequence } = await log.append(bareEntry('policy'));
    return `${id} ${sequence}`;
  } catch {
    return 'refused';
  } finally {
    waiting--;
  }
});
process.stdout.write('queued\n');
// A listener keeps no process alive.
const alive = setInterval(() => {}, 1_000);
await told;
process.stdout.write(`waiting ${waiting}\n`);
await log.close();
for (const outcome of await Promise.all(outcomes)) process.stdout.write(`${outcome}\n`);
clearInterval(alive);
