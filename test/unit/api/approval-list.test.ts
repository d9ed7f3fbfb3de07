import { expect, test } from 'vitest';
import { listApprovals } from '../../../src/api/approval-list.ts';
import { approvalMessage } from '../../../src/api/approval-message.ts';
import type { Approval } from '../../../src/approval/approval.ts';
import { create } from '../../../src/approval/state-machine.ts';
import type { ApprovalStore, ListQuery } from '../../../src/approval/store.ts';
import { ListRequest, State } from '../../../src/gen/countersign/approval/v1/approval.ts';
import { anonymous, type Subject } from '../../../src/identity/subject.ts';
import { handClock, held, person, startMs, terms } from '../../support/approvals.ts';

const ada: Subject = {
  ...anonymous,
  ...person('ada'),
  authenticated: true,
  kind: 'human',
  tenant: 'acme',
  groups: ['reviewers'],
};

test('counts say when there was more than is looked at', async () => {
  const approval = create('a', 'a', held(), terms(), startMs);
  const list = async (query: ListQuery) => {
    const approvals = [approval].filter(query.accepts);
    return { approvals, next: 'a' };
  };
  const store: Pick<ApprovalStore, 'list' | 'byExchange' | 'byDigest'> = {
    list,
    byExchange: async () => null,
    byDigest: async () => null,
  };
  const shown = (_subject: Subject, one: Approval) => approvalMessage(one, startMs);
  const deps = { store, clock: handClock(), auditorGroups: [], shown };
  const page = await listApprovals(deps, ada, ListRequest.fromPartial({ withCounts: true }));
  expect(page.ok && [page.value.counts, page.value.countsTruncated]).toEqual([
    [{ state: State.STATE_PENDING, count: 1 }],
    true,
  ]);
});
