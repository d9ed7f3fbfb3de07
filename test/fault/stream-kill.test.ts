import { once } from 'node:events';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openBodies } from '../../src/audit/read.ts';
import { verifyLog } from '../../src/audit/verify.ts';
import { createPooledRandom } from '../../src/lib/ids.ts';
import { openAuditKeys } from '../../src/main/audit-keys.ts';
import { openTestLog } from '../support/audit.ts';
import { eventually } from '../support/eventually.ts';
import { delta, eventStream, said, streamEnd } from '../support/model-stream.ts';
import { allRecords } from '../support/records.ts';
import { say } from '../support/refusals.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';

const awsKey = ['AKIA', 'Q3EGRUDEMOKEY2X7'].join('');
const pauseMs = 40;
const words = Array.from({ length: 1_000 }, (_, i) => (i === 20 ? `use ${awsKey} ` : `word${i} `));
/** Released at most so many words before the kill need not be on record: an interval of a second, and a machine that is busy. */
const wordsMissingMax = 5_000 / pauseMs;

let stack: TestStack;
beforeAll(async () => {
  stack = await startTestStack();
});
afterAll(() => stack?.stop());

test('kill -9 in mid-stream: the next start records what the caller had, but for the last moment', async () => {
  const exited = once(stack.service, 'exit');
  let seen = '';
  const stream = say(stack, 'openai', {
    script: { headers: eventStream, chunks: [...words.map(delta), ...streamEnd], pauseMs },
    onBody: (sofar) => {
      seen = sofar;
    },
  }).catch(() => undefined);
  await eventually('the stream to be under way', () => (seen.includes('word75') ? true : undefined), 30_000);
  stack.service.kill('SIGKILL');
  expect(await exited).toEqual([null, 'SIGKILL']);
  await stream;
  const released = whole(seen);

  const directory = stack.auditFolder;
  const cut = await verifyLog({ directory });
  expect([cut.problems, cut.openIntents]).toEqual([[], 1]);
  const keyFile = join(stack.dataFolder, 'audit-key.json');
  const keys = await openAuditKeys(
    { keyFile, createKeyFile: false, kek: null, previousKeyFiles: [], ageRecipients: [] },
    {},
    createPooledRandom(),
  );
  await (await openTestLog(directory, { origin: cut.origin, keys })).close();

  const [aborted, ...more] = (await allRecords(directory)).filter(({ kind }) => kind === 'aborted');
  if (aborted === undefined) throw new Error('nothing was recorded as aborted');
  expect([more, aborted.facts['cause']]).toEqual([[], 'process_ended']);
  expect(aborted.facts['answer_parts']).toBeGreaterThan(1);
  const bodies = await openBodies(directory, aborted, keys);
  const text = (name: string): string => whole(String(bodies.find((body) => body.name === name)?.content));
  const [recorded, original] = [text('output_released'), text('output')];
  // One is the beginning of the other: what was kept may be what the kill still kept from the caller.
  expect(recorded.startsWith(released) || released.startsWith(recorded)).toBe(true);
  expect(released.split(' ').length - recorded.split(' ').length).toBeLessThan(wordsMissingMax);
  expect(recorded).toContain('word30');
  expect([recorded.includes(awsKey), original.includes(awsKey), released.includes(awsKey)]).toEqual([
    false,
    true,
    false,
  ]);
  expect(await verifyLog({ directory })).toMatchObject({ problems: [], openIntents: 0 });
});

/** The words of all events that are there whole. */
function whole(stream: string): string {
  return said(stream.slice(0, stream.lastIndexOf('\n\n') + 2));
}
