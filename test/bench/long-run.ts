// Days of a log's life at full rate: keys and segments by the hour, one log after another; then whether others find them whole.
//
//   node .dev/bench.mjs long-run --leaves 20000000 --hours 24 --logs 2 --directory /large/disk
//
// A record here takes about 1 KB on disk.
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { longRun, type Usage } from '../support/long-run.ts';

const { values } = parseArgs({
  options: {
    leaves: { type: 'string', default: '20000000' },
    hours: { type: 'string', default: '24' },
    logs: { type: 'string', default: '2' },
    directory: { type: 'string', default: '.cache' },
  },
});
const leaves = Number(values.leaves);
const folder = mkdtempSync(join(values.directory, 'bench-long-run-'));
try {
  const startedMs = performance.now();
  let seen = 0;
  const { usage, logs } = await longRun({
    folder,
    leaves,
    hours: Number(values.hours),
    logs: Number(values.logs),
    onHour: ({ openFiles, rssBytes }) => {
      seen += 1;
      const s = ((performance.now() - startedMs) / 1000).toFixed(0);
      process.stderr.write(`hour ${seen}: ${s} s, ${openFiles} files, ${mb(rssBytes)} MB\n`);
    },
  });
  const verifyMs = logs.reduce((sum, log) => sum + log.verifyMs, 0);
  console.log(`records              ${logs.map(({ records }) => records).join(' + ')}`);
  console.log(`segments             ${logs.map(({ segments }) => segments).join(' + ')}`);
  console.log(`open files, fifths   ${fifths(usage, ({ openFiles }) => openFiles).join(' ')}`);
  console.log(`RSS MB, fifths       ${fifths(usage, ({ rssBytes }) => mb(rssBytes)).join(' ')}`);
  console.log(`verified, records/s  ${((leaves / verifyMs) * 1000).toFixed(0)} (level 4)`);
  console.log(`problems             ${logs.map(({ problems }) => problems.length).join(' + ')}`);
  console.log(`whole by Tessera     ${logs.map(({ isWhole }) => (isWhole ? 'yes' : 'NO')).join(', ')}`);
  if (logs.some(({ problems, isWhole }) => problems.length > 0 || !isWhole)) process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true });
}

function mb(bytes: number): number {
  return Math.round(bytes / 1024 / 1024);
}

/** The most of each fifth of the run. */
function fifths(usage: readonly Usage[], of: (usage: Usage) => number): number[] {
  return Array.from({ length: 5 }, (_, i) => {
    const part = usage.slice(Math.floor((usage.length * i) / 5), Math.floor((usage.length * (i + 1)) / 5));
    return Math.max(0, ...part.map(of));
  });
}
