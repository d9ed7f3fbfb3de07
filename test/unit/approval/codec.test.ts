import { describe, expect, test } from 'vitest';
import type { Approval } from '../../../src/approval/approval.ts';
import { decodeApproval, encodeApproval } from '../../../src/approval/codec.ts';
import { approve, create } from '../../../src/approval/state-machine.ts';
import { actor, held, startMs, terms } from '../../support/approvals.ts';

const pending = create('a', 'digest', held({ onBehalfOf: 'paul', excluded: ['owen'] }), terms(), startMs);
const step = approve(pending, { by: actor('ada'), reason: 'fine', atMs: startMs });

describe('codec', () => {
  test.each([
    { name: 'pending', approval: pending },
    { name: 'approved', approval: step.ok ? step.value : pending },
    {
      name: 'whose requester is written to',
      approval: { ...pending, held: held({ requesterEmail: 'rita@example.com' }) },
    },
  ])('reads what it wrote: $name', ({ approval }) => {
    expect(decodeApproval(encodeApproval(approval))).toEqual(approval);
  });

  test('drops what it does not know: a later version may have written it', () => {
    expect(decodeApproval(JSON.stringify({ ...pending, later: 1 }))).toEqual(pending);
  });

  test.each([
    { name: 'not JSON', json: '{', want: 'a stored approval is not JSON' },
    { name: 'not an object', json: '[]', want: 'a stored approval is malformed at "approval"' },
    { name: 'state', json: changed({ state: 'maybe' }), want: 'a stored approval is malformed at "state"' },
    { name: 'version', json: changed({ version: '1' }), want: 'a stored approval is malformed at "version"' },
    {
      name: 'grantUntilMs',
      json: changed({ grantUntilMs: undefined }),
      want: 'a stored approval is malformed at "grantUntilMs"',
    },
    { name: 'decisions', json: changed({ decisions: {} }), want: 'a stored approval is malformed at "decisions"' },
    {
      name: 'requireReason',
      json: changed({ terms: { ...terms(), requireReason: 0 } }),
      want: 'a stored approval is malformed at "requireReason"',
    },
    {
      name: 'excluded',
      json: changed({ held: { ...held(), excluded: [1] } }),
      want: 'a stored approval is malformed at "excluded"',
    },
  ])('refuses: $name', ({ json, want }) => {
    expect(() => decodeApproval(json)).toThrow(
      expect.objectContaining({ code: 'approval_unavailable', message: want }),
    );
  });
});

function changed(changes: Partial<Record<keyof Approval, unknown>>): string {
  return JSON.stringify({ ...pending, ...changes });
}
