import Anthropic from '@anthropic-ai/sdk';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { GetResponse } from '../../src/gen/countersign/approval/v1/approval.ts';
import { State } from '../../src/gen/countersign/approval/v1/approval.ts';
import { openApprovals, unary } from '../../src/main/api-client.ts';
import { type ScriptedModel, startScriptedModel } from '../../src/main/demo/model.ts';
import { eventually } from '../support/eventually.ts';
import { type PolicyVariant, policyVariant, withBundle } from '../support/policy-variant.ts';
import { alarms, noAlarms, startTestStack, type TestStack } from '../support/stack.ts';

const risky = 'Write a script that drops the users table in production.';

/** Beside the shipped rules: a hold that waits in-band, and is over before the wait is. */
const shortLived = `# METADATA
# title: Hold what says BRIEFLY, for a second
package countersign.rules.hold_briefly

# METADATA
# title: Waits longer than it lives
hold contains {
	"message": "briefly",
	"approvers": {"groups": ["production-approvers"], "quorum": 1},
	"ttl_s": 1,
	"wait_s": 30,
} if {
	input.phase == "request"
	some segment in input.conversation.segments
	contains(segment.text, "BRIEFLY")
}
`;

let model: ScriptedModel;
let policy: PolicyVariant;
let stack: TestStack;
beforeAll(async () => {
  [model, policy] = await Promise.all([
    startScriptedModel({ port: 0 }),
    policyVariant({ files: { 'rules/hold_briefly/hold_briefly.rego': shortLived } }),
  ]);
  stack = await startTestStack({ modelPort: model.port, serviceConfig: withBundle(policy.bundle) });
});
afterAll(async () => {
  await stack?.stop();
  await model.close();
  policy.remove();
});

interface Client {
  readonly name: string;
  /** One logical call of the SDK. Resolves to the text of the answer. */
  ask(text: string): Promise<string>;
  /** HTTP requests that the SDK has made of it. */
  tries(): number;
  readonly typedError: typeof OpenAI.PermissionDeniedError | typeof Anthropic.PermissionDeniedError;
}

function counted(): { readonly fetch: typeof fetch; tries(): number } {
  let tries = 0;
  return {
    fetch: (input, init) => {
      tries += 1;
      return fetch(input, init);
    },
    tries: () => tries,
  };
}

/** With the number of retries that the SDKs come with. */
const clients: readonly (() => Client)[] = [
  () => {
    const { fetch: counting, tries } = counted();
    const sdk = new OpenAI({
      apiKey: 'provider-key',
      baseURL: `${stack.baseUrl}/v1`,
      defaultHeaders: { [stack.tokenHeader]: stack.tokens.requester },
      fetch: counting,
    });
    const ask = async (content: string): Promise<string> => {
      const answer = await sdk.chat.completions.create({ model: 'scripted-1', messages: [{ role: 'user', content }] });
      return answer.choices[0]?.message.content ?? '';
    };
    return { name: 'openai', ask, tries, typedError: OpenAI.PermissionDeniedError };
  },
  () => {
    const { fetch: counting, tries } = counted();
    const sdk = new Anthropic({
      apiKey: 'provider-key',
      baseURL: stack.baseUrl,
      defaultHeaders: { [stack.tokenHeader]: stack.tokens.requester },
      fetch: counting,
    });
    const ask = async (content: string): Promise<string> => {
      const answer = await sdk.messages.create({
        model: 'scripted-1',
        max_tokens: 99,
        messages: [{ role: 'user', content }],
      });
      return answer.content.map((block) => (block.type === 'text' ? block.text : '')).join('');
    };
    return { name: 'anthropic', ask, tries, typedError: Anthropic.PermissionDeniedError };
  },
];

interface Refusal {
  readonly code: string;
  readonly approval: string;
}

/** What the SDK throws, which must be its own typed error for 403. */
async function refusal(client: Client, text: string): Promise<Refusal> {
  try {
    const answer = await client.ask(text);
    throw new Error(`passed: ${answer}`);
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(client.typedError);
    const headers = thrown instanceof client.typedError ? thrown.headers : undefined;
    return {
      code: headers?.get('x-countersign-code') ?? '',
      approval: headers?.get('x-countersign-approval') ?? '',
    };
  }
}

describe.each([0, 1])('SDK %i', (index) => {
  let client: Client;
  let mine: (text: string) => string;
  beforeAll(() => {
    const made = clients[index]?.();
    if (made === undefined) throw new Error('there is a client');
    client = made;
    mine = (text) => `${risky} ${client.name} ${text}`;
  });

  test('held: its own typed error, no automatic retry, nothing at the model', async () => {
    const [tries, reached] = [client.tries(), model.seen.length];
    expect((await refusal(client, mine('Held.'))).code).toBe('approval_pending');
    expect([client.tries() - tries, model.seen.length - reached]).toEqual([1, 0]);
  });

  test('approved: the identical call passes, once', async () => {
    const { approval } = await refusal(client, mine('Approved.'));
    await stack.decide('approve', approval);
    expect(await client.ask(mine('Approved.'))).toContain('Approved.');
    const after = await refusal(client, mine('Approved.'));
    expect(after).toMatchObject({ code: 'approval_pending' });
    expect(after.approval).not.toBe(approval);
  });

  test('changed by one character: a new approval, and the old grant is still there', async () => {
    const { approval } = await refusal(client, mine('Changed.'));
    await stack.decide('approve', approval);
    const changed = await refusal(client, mine('Changed!'));
    expect(changed.code).toBe('approval_pending');
    expect(changed.approval).not.toBe(approval);
    expect(await client.ask(mine('Changed.'))).toContain('Changed.');
  });

  test('rejected, revoked, expired: each has a code of its own, and none is retried', async () => {
    const codes: Record<string, string> = {};
    const rejected = await refusal(client, mine('Rejected.'));
    await stack.decide('reject', rejected.approval);
    const revoked = await refusal(client, mine('Revoked.'));
    await stack.decide('approve', revoked.approval);
    await stack.decide('revoke', revoked.approval);
    const tries = client.tries();
    codes['rejected'] = (await refusal(client, mine('Rejected.'))).code;
    codes['revoked'] = (await refusal(client, mine('Revoked.'))).code;
    codes['expired'] = (await refusal(client, `${client.name}: BRIEFLY`)).code;
    expect(codes).toEqual({
      rejected: 'approval_rejected',
      revoked: 'approval_revoked',
      expired: 'approval_expired',
    });
    expect(client.tries() - tries).toBe(3);
    const metrics = await (await fetch(`${stack.http}/metrics`)).text();
    expect(metrics).toMatch(/^countersign_approval_transitions_total\{state="expired"\} [1-9]/m);
    expect(metrics).toMatch(/^countersign_approval_decision_seconds_count\{how="expired"\} [1-9]/m);
    expect(metrics).toMatch(/^countersign_approvals_pending\{age="under_1m"\} \d/m);
  });
});

describe('an agent loop', () => {
  test('works through its steps, waits for the one that needs a person, and goes on where it was', async () => {
    const [make] = clients;
    const client = make?.();
    if (client === undefined) throw new Error('there is a client');
    const steps = ['Read the schema.', `${risky} Agent.`, 'Sum up what was done.'];
    const log: string[] = [];
    const api = openApprovals({ api: stack.api, token: stack.tokens.requester });
    /** What an agent's author writes: one rule for our code, none for anything else. */
    const work = async (): Promise<void> => {
      for (const step of steps) {
        for (;;) {
          try {
            await client.ask(step);
            log.push(`done: ${step}`);
            break;
          } catch (thrown) {
            const waits = thrown instanceof OpenAI.APIError && thrown.code === 'approval_pending';
            if (!waits) throw thrown;
            const id = thrown.headers?.get('x-countersign-approval') ?? '';
            log.push('waits');
            await eventually('a decision', async () => {
              const { approval } = await unary<GetResponse>((done) => api.client.get({ id }, api.metadata, done));
              return approval?.state === State.STATE_PENDING ? undefined : approval;
            });
          }
        }
      }
    };
    const [tries, reached] = [client.tries(), model.seen.length];
    const working = work();
    const { id } = await stack.pending('Agent.');
    await stack.decide('approve', id);
    await working;
    api.client.close();
    expect(log).toEqual([`done: ${steps[0]}`, 'waits', `done: ${steps[1]}`, `done: ${steps[2]}`]);
    // Three steps and the one try that was held: nothing behind anybody's back.
    expect([client.tries() - tries, model.seen.length - reached]).toEqual([4, 3]);
  });

  test('that is told no stops: no code of ours invites another try', async () => {
    const [make] = clients;
    const client = make?.();
    if (client === undefined) throw new Error('there is a client');
    const { approval } = await refusal(client, `${risky} No.`);
    await stack.decide('reject', approval, undefined, 'not before the freeze ends');
    const tries = client.tries();
    for (let n = 0; n < 3; n += 1) {
      expect(await refusal(client, `${risky} No.`)).toEqual({ code: 'approval_rejected', approval });
    }
    expect(client.tries() - tries).toBe(3);
  });
});

test('afterwards: no alarm of Envoy', async () => {
  expect(await alarms(stack)).toEqual(noAlarms);
});
