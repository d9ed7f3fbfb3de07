import { expect, test } from 'vitest';
import type { Subject } from '../../../src/identity/subject.ts';
import type { Conversation } from '../../../src/llm/conversation.ts';
import { buildPolicyInput, type PolicyFacts } from '../../../src/policy/input.ts';

const subject: Subject = {
  authenticated: true,
  kind: 'service',
  id: 'svc-1',
  issuer: 'https://idp.example',
  tenant: 'acme',
  displayName: 'Never shown to policy',
  groups: ['a', 'b'],
  roles: ['writer'],
  claims: { department: 'x' },
  workload: 'spiffe://example/ns/a/sa/b',
  onBehalfOf: 'alice',
  owners: ['bob'],
};

const conversation: Conversation = {
  dialect: 'openai.chat',
  operation: 'chat',
  model: 'gpt-4o',
  stream: true,
  segments: [
    { pointer: '/messages/0/content', role: 'system', kind: 'text', text: 'be kind' },
    { pointer: '/messages/1/content', role: 'user', kind: 'text', text: 'a@example.com and b@example.com' },
  ],
  tools: ['search'],
  uninspected: [{ pointer: '/messages/2/content/0', kind: 'image' }],
  sessionHint: null,
};

const facts: PolicyFacts = {
  phase: 'request',
  exchange: { id: 'e-1', session: 's-1', receivedNs: 1_748_779_200_000_000_007n },
  subject,
  head: {
    method: 'POST',
    path: '/v1/chat/completions?key=a-secret',
    host: 'api.example',
    headers: new Map([
      ['x-team', 'blue'],
      ['authorization', 'Bearer a-secret'],
    ]),
    source: { address: '10.0.0.1:4711', principal: 'spiffe://example/ns/a/sa/b' },
    destination: '10.0.0.2:443',
    contextExtensions: { route: 'chat' },
    metadata: { 'envoy.x': { y: 1 } },
  },
  policyHeaders: ['x-team', 'x-absent'],
  conversation,
  scans: [
    { findings: [] },
    {
      findings: [
        { entity: 'EMAIL_ADDRESS', detector: 'email', start: 0, end: 13, score: 0.6 },
        { entity: 'EMAIL_ADDRESS', detector: 'email', start: 18, end: 31, score: 0.9 },
        { entity: 'EMAIL_ADDRESS', detector: 'email-strict', start: 18, end: 31, score: 0.5 },
      ],
    },
  ],
  status: null,
};

test('a request', () => {
  expect(buildPolicyInput(facts)).toEqual({
    version: 1,
    phase: 'request',
    exchange: { id: 'e-1', session: 's-1', received_at: '2025-06-01T12:00:00.000000007Z' },
    subject: {
      authenticated: true,
      kind: 'service',
      id: 'svc-1',
      issuer: 'https://idp.example',
      tenant: 'acme',
      groups: ['a', 'b'],
      roles: ['writer'],
      claims: { department: 'x' },
      workload: 'spiffe://example/ns/a/sa/b',
    },
    resource: {
      host: 'api.example',
      path: '/v1/chat/completions',
      method: 'POST',
      dialect: 'openai.chat',
      operation: 'chat',
      model: 'gpt-4o',
      stream: true,
    },
    conversation: {
      segments: conversation.segments,
      tools: ['search'],
      uninspected: [{ pointer: '/messages/2/content/0', kind: 'image' }],
    },
    findings: [
      {
        entity: 'EMAIL_ADDRESS',
        detector: 'email',
        score: 0.9,
        pointer: '/messages/1/content',
        role: 'user',
        count: 2,
      },
      {
        entity: 'EMAIL_ADDRESS',
        detector: 'email-strict',
        score: 0.5,
        pointer: '/messages/1/content',
        role: 'user',
        count: 1,
      },
    ],
    approval: null,
    http: { headers: { 'x-team': 'blue' } },
    envoy: {
      source: '10.0.0.1:4711',
      destination: '10.0.0.2:443',
      context_extensions: { route: 'chat' },
      metadata: { 'envoy.x': { y: 1 } },
    },
  });
});

test('a response adds its status, an approval its state', () => {
  const input = buildPolicyInput({
    ...facts,
    phase: 'response',
    status: 502,
    approval: { state: 'approved', grant: 'g' },
  });
  expect([input.phase, input.resource.status, input.approval]).toEqual([
    'response',
    502,
    { state: 'approved', grant: 'g' },
  ]);
});
