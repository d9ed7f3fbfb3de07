import { expect, test } from 'vitest';
import { allowUnrecorded } from '../../../src/audit/allow-unrecorded.ts';
import type { AuditEntry, AuditLog } from '../../../src/audit/entry.ts';
import { Fault } from '../../../src/lib/fault.ts';
import { limits } from '../../../src/lib/limits.ts';
import { silentLog } from '../../../src/telemetry/telemetry.ts';
import { bareEntry, intentEntry, outcomeEntry } from '../../support/audit.ts';

function logOf(): { log: AuditLog; state: { isDown: boolean }; taken: AuditEntry[] } {
  const state = { isDown: false };
  const taken: AuditEntry[] = [];
  const inner: AuditLog = {
    append: async (entry) => {
      if (state.isDown) throw new Fault('audit_unavailable', 'the disk is full');
      taken.push(entry);
      return { id: `r-${taken.length}`, sequence: BigInt(taken.length) };
    },
  };
  return { log: allowUnrecorded(inner, silentLog, () => Date.UTC(2026, 10, 22, 12)), state, taken };
}

test('exchanges pass while the log is away, and what is missing is put on record when it is back', async () => {
  const { log, state, taken } = logOf();
  await log.append(intentEntry('x-1'));
  state.isDown = true;
  await log.append(outcomeEntry('x-1'));
  await log.append(intentEntry('x-2'));
  state.isDown = false;
  // Its intent is not there: an outcome alone would be a sign of tampering.
  await log.append(outcomeEntry('x-2'));
  await log.append(intentEntry('x-3'));
  await log.append(outcomeEntry('x-3'));
  expect(taken.map(({ kind, exchange, facts }) => [kind, exchange, facts['entries']])).toEqual([
    ['intent', 'x-1', undefined],
    ['intent', 'x-3', undefined],
    ['config', '', '3'],
    ['outcome', 'x-3', undefined],
  ]);
  expect(taken[2]?.facts).toMatchObject({ event: 'unrecorded', from: '2026-11-22T12:00:00.000Z' });
});

test('what must be on record before it happens does not pass', async () => {
  const { log, state } = logOf();
  state.isDown = true;
  for (const kind of ['approval', 'access', 'erase', 'expire', 'policy'] as const) {
    await expect(log.append(bareEntry(kind))).rejects.toMatchObject({ code: 'audit_unavailable' });
  }
});

test('so many at once, and no more', async () => {
  const { log, state } = logOf();
  state.isDown = true;
  for (let i = 0; i < limits.auditUnrecordedMax; i += 1)
    await log.append({ ...bareEntry('intent'), exchange: `x-${i}` });
  await expect(log.append({ ...bareEntry('intent'), exchange: 'one more' })).rejects.toMatchObject({
    code: 'audit_unavailable',
  });
  await log.append({ ...bareEntry('outcome'), exchange: 'x-0' });
  await log.append({ ...bareEntry('intent'), exchange: 'one more' });
});

test('an intent that may stay the only record takes no place from others, and what follows it still goes unrecorded', async () => {
  const { log, state, taken } = logOf();
  state.isDown = true;
  const checked = (i: number): AuditEntry => ({ ...bareEntry('intent'), exchange: `x-${i}`, facts: { final: true } });
  for (let i = 0; i <= limits.auditUnrecordedMax; i += 1) await log.append(checked(i));
  await log.append(intentEntry('followed'));
  state.isDown = false;
  await log.append(outcomeEntry(`x-${limits.auditUnrecordedMax}`));
  expect(taken).toEqual([]);
});
