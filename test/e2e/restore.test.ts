import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type PolicyVariant, policyVariant, withBundle } from '../support/policy-variant.ts';
import { outcomeOf } from '../support/records.ts';
import { alarms, noAlarms, startTestStack, type TestStack } from '../support/stack.ts';
import { scripted } from '../support/upstream.ts';

const card = '4111 1111 1111 1111';
const mail = 'jane.doe@example.com';
const session = { 'x-session-id': 'restored' };

let policy: PolicyVariant;
let stack: TestStack;
/** What stands for the two values in this session. */
let cardToken = '';
let mailToken = '';

beforeAll(async () => {
  policy = await policyVariant({ settings: { restore: [{ entity: 'CREDIT_CARD', tools: true }] } });
  stack = await startTestStack({ serviceConfig: withBundle(policy.bundle) });
  await stack.chat(`${card} ${mail}`, { headers: session });
  const sent = stack.upstream.seen.at(-1)?.body.toString() ?? '';
  cardToken = /CREDIT_CARD_[0-9A-Z]{10}/.exec(sent)?.[0] ?? '';
  mailToken = /EMAIL_ADDRESS_[0-9A-Z]{10}/.exec(sent)?.[0] ?? '';
});
afterAll(async () => {
  await stack.stop();
  policy.remove();
});

/** The text in pieces of seven characters. */
function pieces(text: string): string[] {
  return text.match(/.{1,7}/gsu) ?? [];
}

const asked = `charge ${card}, tell ${mail}`;
const said = (): string => `Charged ${cardToken}, told ${mailToken} and bob@example.org.`;
const wanted = (): string => `Charged ${card}, told ${mailToken} and EMAIL_ADDRESS_REDACTED.`;

async function restoredCounts(response: Response): Promise<unknown> {
  const outcome = await outcomeOf(stack.auditFolder, response.headers.get('x-countersign-exchange') ?? '');
  expect(outcome.manifestBytes.toString()).not.toContain('4111');
  return outcome.facts['restored'];
}

describe('values are put back for the caller who sent them', () => {
  test('in a JSON answer, text and tool arguments', async () => {
    const message = {
      role: 'assistant',
      content: said(),
      tool_calls: [
        { id: 'c', type: 'function', function: { name: 'pay', arguments: JSON.stringify({ card: cardToken }) } },
      ],
    };
    const answer = JSON.stringify({ choices: [{ index: 0, message }] });
    const response = await stack.chat(asked, { headers: { ...session, ...scripted({ chunks: [answer] }) } });
    const got = JSON.parse(await response.text()) as { choices: [{ message: typeof message }] };
    expect(got.choices[0].message.content).toBe(wanted());
    expect(JSON.parse(got.choices[0].message.tool_calls[0]?.function.arguments ?? '')).toEqual({ card });
    expect(await restoredCounts(response)).toEqual([{ entity: 'CREDIT_CARD', count: 2 }]);
  });

  test('in a stream of OpenAI, cut anywhere', async () => {
    const chunk = (delta: unknown): string => `data: ${JSON.stringify({ choices: [{ index: 0, delta }] })}\n\n`;
    const chunks = [
      ...pieces(said()).map((content) => chunk({ content })),
      ...pieces(JSON.stringify({ card: cardToken })).map((piece) =>
        chunk({ tool_calls: [{ index: 0, function: { arguments: piece } }] }),
      ),
      'data: [DONE]\n\n',
    ];
    const response = await stack.chat(asked, {
      extra: { stream: true },
      headers: { ...session, ...scripted({ headers: { 'content-type': 'text/event-stream' }, chunks }) },
    });
    const body = await response.text();
    expect(joined(body, 'content')).toBe(wanted());
    expect(JSON.parse(joined(body, 'arguments'))).toEqual({ card });
    expect(await restoredCounts(response)).toEqual([{ entity: 'CREDIT_CARD', count: 2 }]);
  });

  test('in a stream of Anthropic', async () => {
    const events = [
      { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
      ...pieces(said()).map((text) => ({
        type: 'content_block_delta',
        index: 0,
        delta: { type: 'text_delta', text },
      })),
      { type: 'content_block_stop', index: 0 },
      { type: 'message_stop' },
    ];
    const chunks = events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
    const body = { model: 'm', max_tokens: 9, stream: true, messages: [{ role: 'user', content: asked }] };
    const response = await stack.post('/v1/messages', JSON.stringify(body), {
      headers: { ...session, ...scripted({ headers: { 'content-type': 'text/event-stream' }, chunks }) },
    });
    expect(joined(await response.text(), 'text')).toBe(wanted());
  });

  test('but not what was altered, or belongs to another exchange', async () => {
    const altered = `${cardToken.slice(0, -1)}${cardToken.endsWith('0') ? '1' : '0'}`;
    const answer = JSON.stringify({ choices: [{ index: 0, message: { content: `${altered} ${cardToken}` } }] });
    const script = scripted({ chunks: [answer] });
    const same = await stack.chat('no value in here', { headers: { ...session, ...script } });
    expect(await same.text()).toBe(answer);
    const other = await stack.chat(asked, { headers: { 'x-session-id': 'another', ...script } });
    expect(await other.text()).toBe(answer);
    expect(await restoredCounts(other)).toBeUndefined();
  });

  test('afterwards: no alarm, no value in any log', async () => {
    expect(await alarms(stack)).toEqual(noAlarms);
    expect(stack.output()).not.toContain(card);
  });
});

/** All values of string members of this name, in order, joined. */
function joined(stream: string, member: string): string {
  const found = [...stream.matchAll(new RegExp(`"${member}":("(?:[^"\\\\]|\\\\.)*")`, 'g'))];
  return found.map(([, literal]) => JSON.parse(literal ?? '""') as string).join('');
}
