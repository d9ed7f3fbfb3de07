import { expect, test, vi } from 'vitest';
import { Fault } from '../../../src/lib/fault.ts';
import { type Bundle, createBundle } from '../../../src/policy/bundle.ts';
import type { Decision, PinnedPolicy } from '../../../src/policy/decision.ts';
import { createPdp, type ReloadingPdp } from '../../../src/policy/pdp.ts';
import { parseDecision } from '../../../src/policy/result.ts';
import { ordinaryRequest, regoAllow } from '../../support/policy.ts';

/** A source whose contents a test sets; null: there is nothing. */
function scriptedPdp(): {
  pdp: ReloadingPdp;
  put(contents: string | Error | null): void;
  readonly told: string[];
  readonly reads: () => number;
} {
  const told: string[] = [];
  let contents: string | Error | null = null;
  let version = 0;
  let reads = 0;
  const pdp = createPdp({
    source: {
      signature: async () => {
        if (contents === null) throw new Error('ENOENT');
        return String(version);
      },
      read: async () => {
        reads += 1;
        if (contents instanceof Error) throw contents;
        return bundleSaying(String(contents));
      },
    },
    load: async (bundle) => policyOf(bundle),
    onLoaded: (revision, previous) => told.push(`loaded ${nameOf(revision)}, before ${nameOf(previous)}`),
    onRefused: (fault) => told.push(`refused ${fault.code}: ${fault.message}`),
  });
  return {
    pdp,
    put: (next) => {
      contents = next;
      version += 1;
    },
    told,
    reads: () => reads,
  };
}

function bundleSaying(word: string): Bundle {
  return createBundle({ wasm: Buffer.from(word), data: {}, readsText: true, reads: null, sources: [] });
}

const names = new Map(['a', 'b', 'undecided'].map((word) => [bundleSaying(word).revision, word]));

function nameOf(revision: string | null): string {
  return revision === null ? 'none' : (names.get(revision) ?? revision);
}

function policyOf(bundle: Bundle): PinnedPolicy {
  const evaluate = (): Decision => {
    if (nameOf(bundle.revision) === 'undecided') throw new Fault('policy_failed', 'undefined');
    return parseDecision(JSON.parse(regoAllow));
  };
  return { revision: bundle.revision, evaluate, decide: evaluate };
}

test('without a bundle there is no policy, and one that comes later is taken', async () => {
  const { pdp, put, told } = scriptedPdp();
  await pdp.refresh();
  await pdp.refresh();
  expect(() => pdp.current()).toThrow(new Fault('policy_unavailable', 'no policy bundle has been loaded'));
  expect(pdp.revision()).toBeNull();
  put('a');
  await pdp.refresh();
  expect(nameOf(pdp.current().revision)).toBe('a');
  expect(told).toEqual(['refused policy_unavailable: ENOENT', 'loaded a, before none']);
});

test('an exchange keeps the revision that it pinned', async () => {
  const { pdp, put, told } = scriptedPdp();
  put('a');
  await pdp.refresh();
  const pinned = pdp.current();
  put('b');
  await pdp.refresh();
  expect([nameOf(pinned.revision), nameOf(pdp.revision())]).toEqual(['a', 'b']);
  expect(pinned.evaluate(ordinaryRequest).action).toBe('allow');
  expect(told).toEqual(['loaded a, before none', 'loaded b, before a']);
});

test.each([
  { name: 'that does not read', contents: new Error('not a bundle'), want: 'refused policy_unavailable: not a bundle' },
  { name: 'that does not decide', contents: 'undecided', want: 'refused policy_failed: undefined' },
  { name: 'that is gone', contents: null, want: 'refused policy_unavailable: ENOENT' },
])('a bundle $name is refused once, and the one before it serves on', async ({ contents, want }) => {
  const { pdp, put, told } = scriptedPdp();
  put('a');
  await pdp.refresh();
  put(contents);
  await pdp.refresh();
  await pdp.refresh();
  expect(nameOf(pdp.revision())).toBe('a');
  put('b');
  await pdp.refresh();
  expect(told).toEqual(['loaded a, before none', want, 'loaded b, before a']);
});

test('what has not changed is not read, and the same contents are not news', async () => {
  const { pdp, put, told, reads } = scriptedPdp();
  put('a');
  await pdp.refresh();
  await pdp.refresh();
  expect(reads()).toBe(1);
  put('a');
  await pdp.refresh();
  expect(reads()).toBe(2);
  expect(told).toEqual(['loaded a, before none']);
});

test('two refreshes at once are one', async () => {
  const { pdp, put, reads } = scriptedPdp();
  put('a');
  await Promise.all([pdp.refresh(), pdp.refresh()]);
  expect(reads()).toBe(1);
});

test('following looks again until it is told to stop', async () => {
  vi.useFakeTimers();
  try {
    const { pdp, put, reads } = scriptedPdp();
    const stop = new AbortController();
    pdp.follow(1000, stop.signal);
    put('a');
    await vi.advanceTimersByTimeAsync(1000);
    put('b');
    await vi.advanceTimersByTimeAsync(1000);
    expect(nameOf(pdp.revision())).toBe('b');
    stop.abort();
    put('a');
    await vi.advanceTimersByTimeAsync(5000);
    expect([nameOf(pdp.revision()), reads()]).toEqual(['b', 2]);
  } finally {
    vi.useRealTimers();
  }
});
