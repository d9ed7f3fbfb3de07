import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Fingerprinted, fingerprint } from '../../../src/approval/fingerprint.ts';
import type { Segment } from '../../../src/llm/conversation.ts';
import { emptyConversation } from '../../../src/llm/conversation.ts';
import { held, person, terms } from '../../support/approvals.ts';

const body = Buffer.from('{"model":"gpt","messages":[{"role":"user","content":"deploy"}],"max_tokens":5}');
const base: Fingerprinted = {
  held: held({ onBehalfOf: 'paul' }),
  method: 'POST',
  query: 'api-version=1',
  terms: terms(),
  redactions: [{ entity: 'CREDIT_CARD', method: 'token', minScore: 0.5 }],
  conversation: { ...emptyConversation, dialect: 'openai.chat', segments: [segment('/messages/0/content', 'deploy')] },
  body,
};

describe('fingerprint', () => {
  test('stays what it is: grants outlive a deployment', () => {
    expect(fingerprint(base)).toBe('41e81ff65759fb686654e5bc7dfdd8131b4e19f5e8872dd24812ceaac7fb2d45');
  });

  test.each<{ name: string; given: Fingerprinted }>([
    { name: 'tenant', given: withHeld({ tenant: 'other' }) },
    { name: 'requester', given: withHeld({ requester: person('bob') }) },
    { name: 'issuer', given: withHeld({ requester: person('rita', 'https://elsewhere.example') }) },
    { name: 'kind of requester', given: withHeld({ requesterKind: 'service' }) },
    { name: 'on behalf of another', given: withHeld({ onBehalfOf: 'peter' }) },
    { name: 'on behalf of nobody', given: withHeld({ onBehalfOf: null }) },
    { name: 'host', given: withResource({ host: 'other.example' }) },
    { name: 'path', given: withResource({ path: '/v1/completions' }) },
    { name: 'dialect', given: withResource({ dialect: 'json' }) },
    { name: 'model', given: withResource({ model: 'gpt-2' }) },
    { name: 'no model', given: withResource({ model: null }) },
    { name: 'direction', given: withHeld({ direction: 'response' }) },
    { name: 'rules', given: withHeld({ rules: [] }) },
    { name: 'policy', given: withHeld({ policyRevision: 'sha256:01' }) },
    { name: 'method', given: { ...base, method: 'PUT' } },
    { name: 'query', given: { ...base, query: 'api-version=2' } },
    { name: 'quorum', given: { ...base, terms: terms({ quorum: 2 }) } },
    { name: 'approvers', given: { ...base, terms: terms({ approverGroups: ['security'] }) } },
    { name: 'grant', given: { ...base, terms: terms({ grant: { uses: 2, ttlS: 300 } }) } },
    { name: 'groups that all have to be there', given: { ...base, terms: terms({ groupMatch: 'all' }) } },
    { name: 'who may force it', given: { ...base, terms: terms({ breakGlassGroups: ['oncall'] }) } },
    { name: 'self-approval', given: { ...base, terms: terms({ allowSelf: true }) } },
    { name: 'a reason of the requester', given: { ...base, terms: terms({ requireRequesterReason: true }) } },
    { name: 'a reason kept from the requester', given: { ...base, terms: terms({ returnReason: false }) } },
    { name: 'no redaction', given: { ...base, redactions: [] } },
    {
      name: 'redaction method',
      given: { ...base, redactions: [{ entity: 'CREDIT_CARD', method: 'label', minScore: 0.5 }] },
    },
    {
      name: 'redaction roles',
      given: { ...base, redactions: [{ entity: 'CREDIT_CARD', method: 'token', minScore: 0.5, roles: [] }] },
    },
    { name: 'text', given: withSegments([segment('/messages/0/content', 'destroy')]) },
    { name: 'pointer', given: withSegments([segment('/messages/1/content', 'deploy')]) },
    { name: 'one more text', given: withSegments([segment('/messages/0/content', 'deploy'), segment('/x', '')]) },
    {
      name: 'uninspected part',
      given: { ...base, conversation: { ...base.conversation, uninspected: [{ pointer: '/x', kind: 'image' }] } },
    },
    { name: 'a number in the body', given: { ...base, body: Buffer.from(body.toString().replace('5', '6')) } },
  ])('changes with $name', ({ given }) => {
    expect(fingerprint(given)).not.toBe(fingerprint(base));
  });

  test.each<{ name: string; given: Fingerprinted }>([
    { name: 'exchange', given: withHeld({ exchange: 'exchange-2' }) },
    { name: 'session', given: withHeld({ session: 'session-2' }) },
    { name: 'what the reviewer reads', given: withHeld({ maskedView: 'x', reasons: ['x'], findings: [] }) },
    { name: 'name to show', given: withHeld({ requester: { ...person('rita'), displayName: 'Rita' } }) },
    { name: 'how long a request waits in-band', given: { ...base, terms: terms({ waitS: 0 }) } },
    { name: 'order of rules', given: withHeld({ rules: [...base.held.rules].reverse() }) },
  ])('does not change with $name', ({ given }) => {
    expect(fingerprint(given)).toBe(fingerprint(base));
  });

  test('no two lists of texts encode alike, lone surrogates included', () => {
    const texts = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', '\ud800', '\udc00', '\ufffd', '') }), {
      maxLength: 4,
    });
    fc.assert(
      fc.property(texts, texts, (one, two) => {
        const same = JSON.stringify(one) === JSON.stringify(two);
        expect(ofTexts(one) === ofTexts(two)).toBe(same);
      }),
      { seed: 3 },
    );
  });
});

function ofTexts(texts: readonly string[]): string {
  return fingerprint(withSegments(texts.map((text) => segment('/x', text))));
}

function withHeld(changes: Parameters<typeof held>[0]): Fingerprinted {
  return { ...base, held: { ...base.held, ...changes } };
}

function withResource(changes: Partial<Fingerprinted['held']['resource']>): Fingerprinted {
  return { ...base, held: { ...base.held, resource: { ...base.held.resource, ...changes } } };
}

function withSegments(segments: readonly Segment[]): Fingerprinted {
  return { ...base, conversation: { ...base.conversation, segments } };
}

function segment(pointer: string, text: string): Segment {
  return { pointer, role: 'user', kind: 'text', text };
}
