import { status } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { Fault, type FaultCode, faultStatus } from '../../../src/lib/fault.ts';
import { faultToStatus } from '../../../src/rpc/status.ts';

test.each<{ code: FaultCode; want: status }>([
  { code: 'audit_unavailable', want: status.UNAVAILABLE },
  { code: 'approval_unavailable', want: status.UNAVAILABLE },
  { code: 'identity_unavailable', want: status.UNAVAILABLE },
  { code: 'policy_unavailable', want: status.UNAVAILABLE },
  { code: 'key_unavailable', want: status.UNAVAILABLE },
  { code: 'draining', want: status.UNAVAILABLE },
  { code: 'body_too_large', want: status.RESOURCE_EXHAUSTED },
  { code: 'protocol_violation', want: status.INVALID_ARGUMENT },
  { code: 'policy_failed', want: status.INTERNAL },
  { code: 'recogniser_unavailable', want: status.UNAVAILABLE },
  { code: 'detection_failed', want: status.INTERNAL },
  { code: 'masking_failed', want: status.INTERNAL },
  { code: 'internal', want: status.INTERNAL },
])('$code', ({ code, want }) => {
  expect(faultToStatus(new Fault(code, 'for operators only'))).toEqual({ code: want, details: code });
});

test('every fault code has a status', () => {
  for (const code of Object.keys(faultStatus) as FaultCode[]) {
    expect(faultToStatus(new Fault(code, '')).code).not.toBe(status.OK);
  }
});
