/** A process that writes to a log without end and says each acknowledged record: it is there to be killed. */
import { nodeFs } from '../../src/audit/fs-port.ts';
import { intentEntry, openTestLog, outcomeEntry } from './audit.ts';
import { inlineWriter } from './audit-fs.ts';

const [directory = '', shardRecords = ''] = process.argv.slice(2);
const log = await openTestLog(directory, {
  limits: { segmentBytesMax: 200_000, checkpointIntervalMs: 5 },
  // Each shard has a writer of its own, whose thread would take most of the time.
  ...(shardRecords === ''
    ? {}
    : { shard: { byMonth: false, recordsMax: Number(shardRecords) }, startWriter: inlineWriter(nodeFs) }),
});

async function exchanges(lane: number): Promise<never> {
  for (let i = 0; ; i++) {
    const exchange = `x-${process.pid}-${lane}-${i}`;
    for (const entry of [intentEntry(exchange), outcomeEntry(exchange)]) {
      const { id, sequence } = await log.append(entry);
      process.stdout.write(`${id} ${sequence}\n`);
    }
  }
}

await Promise.all(Array.from({ length: 16 }, (_, lane) => exchanges(lane)));
