import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { describe, expect, test } from 'vitest';
import { refusalToStatus, requestIdReused } from '../../../src/api/approval-status.ts';
import { tooManyCalls } from '../../../src/api/too-many-calls.ts';
import type { DecisionMade } from '../../../src/approval/approval.ts';
import type { StoreRefusal } from '../../../src/approval/store.ts';
import { Fault } from '../../../src/lib/fault.ts';
import { apiError } from '../../../src/main/api-client.ts';
import { exitCodes } from '../../../src/main/output.ts';
import { faultToStatus, type RpcStatus } from '../../../src/rpc/status.ts';
import { person, startMs } from '../../support/approvals.ts';

const first: DecisionMade = { by: person('bob'), groups: ['g'], verdict: 'approve', reason: 'a secret', atMs: startMs };
const { no, usage, unreachable, conflict, again } = exitCodes;

/** All reasons for which the service refuses, with what a script sees of them. */
const refusals: readonly { readonly refusal: StoreRefusal; readonly exit: number; readonly says: string }[] = [
  { refusal: { kind: 'not_found' }, exit: no, says: 'not_found' },
  {
    refusal: { kind: 'already_resolved', state: 'approved', first },
    exit: conflict,
    says: 'already_resolved: approved: approve by bob at 2026-01-01T00:00:00.000Z',
  },
  {
    refusal: { kind: 'already_resolved', state: 'expired', first: null },
    exit: conflict,
    says: 'already_resolved: expired by time',
  },
  {
    refusal: { kind: 'already_decided', first },
    exit: conflict,
    says: 'already_decided: approve by bob at 2026-01-01T00:00:00.000Z',
  },
  { refusal: { kind: 'not_approved' }, exit: conflict, says: 'not_approved: there is no grant to take back' },
  { refusal: { kind: 'seat_filled', groups: ['b'] }, exit: conflict, says: 'seat_filled: it waits for members of b' },
  { refusal: { kind: 'own_request' }, exit: no, says: 'own_request: nobody decides about their own request' },
  { refusal: { kind: 'not_approver', groups: ['g'] }, exit: no, says: 'not_approver: members of g may decide' },
  {
    refusal: { kind: 'not_break_glass', groups: [] },
    exit: no,
    says: 'not_break_glass: nobody may approve this in an emergency',
  },
  {
    refusal: { kind: 'not_human' },
    exit: no,
    says: 'not_human: a person has to decide, not a service account',
  },
  { refusal: { kind: 'not_requester' }, exit: no, says: 'not_requester: only the requester may withdraw' },
  { refusal: { kind: 'reason_required' }, exit: usage, says: 'reason_required: this approval needs a reason' },
  {
    refusal: { kind: 'reason_too_long', charsMax: 9 },
    exit: usage,
    says: 'reason_too_long: a reason has at most 9 characters',
  },
  {
    refusal: { kind: 'lost_race' },
    exit: again,
    says: 'Try again: lost_race: it changed in the meantime, try again',
  },
];

describe('what a script sees', () => {
  test.each(refusals)('$says', ({ refusal, exit, says }) => {
    expect(seen(refusalToStatus(refusal))).toEqual([exit, says]);
  });

  test.each([
    { name: 'a nonce that came with something else', given: requestIdReused('approve a'), exit: conflict },
    { name: 'too many calls', given: tooManyCalls(1_500), exit: again },
    { name: 'the store is away', given: faultToStatus(new Fault('approval_unavailable', 'x')), exit: unreachable },
    { name: 'the record is away', given: faultToStatus(new Fault('audit_unavailable', 'x')), exit: unreachable },
    { name: 'the keys are away', given: faultToStatus(new Fault('identity_unavailable', 'x')), exit: unreachable },
    { name: 'a bug', given: faultToStatus(new Fault('internal', 'x')), exit: no },
    { name: 'no token', given: { code: status.UNAUTHENTICATED, details: 'missing_token' }, exit: no },
    { name: 'too late', given: { code: status.DEADLINE_EXCEEDED, details: 'late' }, exit: unreachable },
    { name: 'wrong input', given: { code: status.INVALID_ARGUMENT, details: 'id' }, exit: usage },
  ])('$name', ({ given, exit }) => {
    expect(seen(given)[0]).toBe(exit);
  });

  test('never why somebody decided as they did', () => {
    for (const { refusal } of refusals) expect(seen(refusalToStatus(refusal))[1]).not.toContain('a secret');
  });
});

function seen({ code, details }: RpcStatus): readonly [number, string] {
  const error: ServiceError = Object.assign(new Error(details), { code, details, metadata: new Metadata() });
  const { exitCode, message } = apiError(error);
  return [exitCode, message];
}
