import { describe, expect, test, vi } from 'vitest';
import { Fault } from '../../../src/lib/fault.ts';
import { limits } from '../../../src/lib/limits.ts';
import { createBundle } from '../../../src/policy/bundle.ts';
import type { PinnedPolicy, PolicyInput } from '../../../src/policy/decision.ts';
import { loadPolicy, type PolicyBounds } from '../../../src/policy/opa-wasm.ts';
import { bundleDeciding, bundleFrom, ordinaryRequest, policyFolder, regoAllow, saying } from '../../support/policy.ts';

const allowed = { ...JSON.parse(regoAllow), restore: [], omit: [] };

function faultOf(act: () => unknown): string {
  try {
    act();
  } catch (thrown) {
    if (thrown instanceof Fault) return `${thrown.code}: ${thrown.message}`;
    throw thrown;
  }
  return 'no fault';
}

/** 4 MiB, of which 1 MiB may stay. */
const tight: PolicyBounds = { ...limits, policyMemoryBytesMax: 4_194_304, policyMemoryKeptBytesMax: 1_048_576 };

/** A policy whose decision carries what a rule saw, as the label `seen`. */
async function seeing(expression: string, bounds?: PolicyBounds): Promise<PinnedPolicy> {
  return loadPolicy(await bundleDeciding(`object.union(${regoAllow}, {"labels": {"seen": ${expression}}})`), bounds);
}

test('both entry points are asked by phase, from one instance', async () => {
  const bundle = await bundleDeciding(`object.union(${regoAllow}, {"labels": {"phase": input.phase}})`);
  const policy = await loadPolicy(bundle);
  expect(policy.revision).toBe(bundle.revision);
  expect(policy.evaluate(ordinaryRequest)).toEqual({ ...allowed, labels: { phase: 'request' } });
  expect(policy.evaluate({ ...ordinaryRequest, phase: 'response' })).toEqual(allowed);
  expect(policy.evaluate(ordinaryRequest)).toEqual({ ...allowed, labels: { phase: 'request' } });
});

describe('a policy that does not decide is a fault, and the next question is answered', () => {
  const when = 'input.resource.model == "broken"';
  test.each([
    {
      name: 'undefined',
      expression: `${regoAllow} if not ${when}`,
      rest: '',
      want: "policy_failed: the policy's result is undefined",
    },
    {
      name: 'malformed',
      expression: `object.union(${regoAllow}, {"action": action})`,
      rest: `default action := "allow"\n\naction := "permit" if ${when}`,
      want: "policy_failed: the policy's result is malformed at action (invalid_value)",
    },
    {
      name: 'trap: a complete rule with two values',
      expression: `object.union(${regoAllow}, {"action": action})`,
      rest: `action := "allow"\n\naction := "deny" if ${when}`,
      want: 'policy_failed: the policy trapped: main.rego:9:1: var assignment conflict',
    },
    {
      name: 'trap: memory',
      expression: `${regoAllow} if count([x | some x in numbers.range(0, upto)]) > 0`,
      rest: `default upto := 1\n\nupto := 1000000 if ${when}`,
      want: /^policy_failed: the policy (trapped|needs more memory)/,
    },
    {
      name: 'trap: a host function that throws, without its words',
      expression: `object.union(${regoAllow}, {"labels": {"x": sprintf("%d", [arg])}})`,
      rest: `default arg := 1\n\narg := "a text from a prompt" if ${when}`,
      want: 'policy_failed: a built-in function of the policy failed',
    },
  ])('$name', async ({ expression, rest, want }) => {
    const policy = await loadPolicy(await bundleDeciding(expression, rest), tight);
    const broken: PolicyInput = { ...ordinaryRequest, resource: { ...ordinaryRequest.resource, model: 'broken' } };
    for (let round = 0; round < 2; round += 1) {
      expect(policy.evaluate(ordinaryRequest).action).toBe('allow');
      expect(faultOf(() => policy.evaluate(broken))).toMatch(want);
    }
    expect(policy.evaluate(ordinaryRequest).action).toBe('allow');
  });
});

describe('a bundle that cannot be asked does not load', () => {
  test('no WebAssembly', async () => {
    const bundle = createBundle({ wasm: Uint8Array.of(1, 2, 3), data: {}, readsText: true, reads: null, sources: [] });
    await expect(loadPolicy(bundle)).rejects.toMatchObject({
      code: 'policy_failed',
      message: 'the bundle holds no valid WebAssembly',
    });
  });

  test('WebAssembly of something else', async () => {
    vi.spyOn(console, 'error').mockImplementation(() => {});
    const empty = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);
    const bundle = createBundle({ wasm: empty, data: {}, readsText: true, reads: null, sources: [] });
    await expect(loadPolicy(bundle)).rejects.toMatchObject({ code: 'policy_failed' });
  });
});

describe('texts reach the policy', () => {
  test.each([
    { name: 'escapes and controls', text: 'a"b\\c\n\t\u0000\u0001d/', want: 'a"b\\c\n\t\u0000\u0001d/' },
    { name: 'all planes of Unicode', text: 'é 語 😀 \u2028', want: 'é 語 😀 \u2028' },
    { name: 'a lone surrogate, as U+FFFD', text: 'a\ud800b', want: 'a\ufffdb' },
    { name: 'the source of a lone surrogate, as it is', text: 'a\\ud800b', want: 'a\\ud800b' },
  ])('$name', async ({ text, want }) => {
    const policy = await seeing('input.conversation.segments[0].text');
    expect(policy.evaluate(saying(text)).labels).toEqual({ seen: want });
  });

  test('unless no rule reads them', async () => {
    const bundle = await bundleDeciding(
      `object.union(${regoAllow}, {"labels": {"seen": input.conversation.segments[0].role}})`,
    );
    expect(bundle.readsText).toBe(false);
    const policy = await loadPolicy(bundle, tight);
    expect(policy.evaluate(saying('x'.repeat(tight.policyMemoryBytesMax))).labels).toEqual({ seen: 'user' });
  });
});

test('a large input fits, and what it took is given back', async () => {
  const policy = await seeing('format_int(count(input.conversation.segments[0].text), 10)');
  const characters = 16 * 1024 * 1024;
  expect(policy.evaluate(saying('é'.repeat(characters / 2))).labels).toEqual({ seen: String(characters / 2) });
  expect(policy.evaluate(saying('small')).labels).toEqual({ seen: '5' });
});

test('an input beyond the bound is a fault, and the next question is answered', async () => {
  const policy = await seeing('format_int(count(input.conversation.segments[0].text), 10)', tight);
  expect(policy.evaluate(saying('x'.repeat(500_000))).labels).toEqual({ seen: '500000' });
  expect(faultOf(() => policy.evaluate(saying('x'.repeat(5_000_000))))).toBe(
    'policy_failed: the policy needs more memory than it may have',
  );
  expect(policy.evaluate(saying('small')).labels).toEqual({ seen: '5' });
});

test('memory does not grow with the number of evaluations', async () => {
  const policy = await seeing('input.exchange.id');
  const bytes = (): number => process.memoryUsage().arrayBuffers;
  const ask = (from: number, to: number): void => {
    for (let i = from; i < to; i += 1) {
      policy.evaluate({ ...saying('x'.repeat(i % 4000)), exchange: { ...ordinaryRequest.exchange, id: String(i) } });
    }
  };
  ask(0, 2000);
  const before = bytes();
  ask(2000, 12_000);
  expect(bytes() - before).toBeLessThan(1024 * 1024);
});

test('data is set once and governs', async () => {
  const root = await policyFolder({
    'main.rego': `package countersign\n\nrequest := object.union(${regoAllow}, {"labels": {"seen": data.settings.word}})\n\nresponse := request\n`,
    'data/data.json': '{"settings":{"word":"from data"}}',
  });
  const policy = await loadPolicy(await bundleFrom(root));
  expect(policy.evaluate(ordinaryRequest).labels).toEqual({ seen: 'from data' });
  expect(policy.evaluate(saying('another')).labels).toEqual({ seen: 'from data' });
});

test('questions that differ in what no rule reads are one; texts are never kept', async () => {
  const policy = await seeing('input.subject.id');
  const asked = (id: string, exchange: string): PolicyInput => ({
    ...ordinaryRequest,
    exchange: { ...ordinaryRequest.exchange, id: exchange },
    subject: { ...ordinaryRequest.subject, id },
    conversation: { ...ordinaryRequest.conversation, segments: [] },
  });
  expect(policy.evaluate(asked('alice', 'one'))).toBe(policy.evaluate(asked('alice', 'two')));
  expect(policy.evaluate(asked('alice', 'one')).labels).toEqual({ seen: 'alice' });
  expect(policy.evaluate(asked('bob', 'one')).labels).toEqual({ seen: 'bob' });
});

describe('a large question is answered by a thread', () => {
  const large = saying(`${'x'.repeat(limits.policyTurnChars)}\ud83d`);
  const length = 'format_int(count(input.conversation.segments[0].text), 10)';

  test('to the same decision, while the event loop turns; a small one at once', async () => {
    const policy = await seeing(length);
    expect(policy.decide(saying('small'))).toEqual(policy.evaluate(saying('small')));
    let turns = 0;
    const turning = setInterval(() => turns++, 1);
    const decision = policy.decide(large);
    expect(decision).toBeInstanceOf(Promise);
    expect(await decision).toEqual(policy.evaluate(large));
    clearInterval(turning);
    expect(turns).toBeGreaterThan(0);
  });

  test('one by one, each its own', async () => {
    const policy = await seeing(length);
    const asked = [1, 2, 3].map((more) => policy.decide(saying('x'.repeat(limits.policyTurnChars + more))));
    const seen = (await Promise.all(asked)).map(({ labels }) => Number(labels['seen']) - limits.policyTurnChars);
    expect(seen).toEqual([1, 2, 3]);
  });

  test('a trap and a question beyond the memory are faults, and the next one is answered', async () => {
    const policy = await seeing(length, tight);
    const before = policy.decide(saying('x'.repeat(300_000)));
    const beyond = policy.decide(saying('x'.repeat(5_000_000)));
    const after = policy.decide(saying('x'.repeat(200_000)));
    expect((await before).labels).toEqual({ seen: '300000' });
    await expect(beyond).rejects.toThrow(new Fault('policy_failed', 'the policy needs more memory than it may have'));
    expect((await after).labels).toEqual({ seen: '200000' });
  });

  test('what takes too long is a fault', async () => {
    const policy = await seeing(length, { ...limits, policyThreadMs: 1 });
    await expect(policy.decide(large)).rejects.toThrow(/^the policy took longer than it may/);
  });

  test('too many at a time is a fault', async () => {
    const policy = await seeing(length, { ...limits, policyQuestionsMax: 1 });
    const first = policy.decide(large);
    await expect(policy.decide(large)).rejects.toThrow(new Fault('policy_failed', 'too many large questions wait'));
    expect((await first).action).toBe('allow');
  });
});
