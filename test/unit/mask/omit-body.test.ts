import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createDetector } from '../../../src/detect/detector.ts';
import { rules } from '../../../src/detect/rules/catalogue.ts';
import { atOnce } from '../../../src/lib/slices.ts';
import { createAnthropicMessages } from '../../../src/llm/anthropic-messages.ts';
import { createBedrock } from '../../../src/llm/bedrock.ts';
import type { OmittedCount, SealedKind } from '../../../src/llm/conversation.ts';
import type { Dialect, ParsedBody, RouteFacts } from '../../../src/llm/dialect.ts';
import { createGoogleGenerate } from '../../../src/llm/google-generate.ts';
import { createOpenAiChat } from '../../../src/llm/openai-chat.ts';
import { createOpenAiResponses } from '../../../src/llm/openai-responses.ts';
import { type MaskedBody, maskBody } from '../../../src/mask/mask-body.ts';
import { createMinter } from '../../../src/mask/placeholder.ts';
import { compilePlan } from '../../../src/mask/plan.ts';
import { createRestorables } from '../../../src/mask/restorables.ts';
import { restoreBody } from '../../../src/mask/restore-body.ts';
import { bodyCases, bodyOf, caseFile } from '../../support/llm-cases.ts';

const detector = createDetector({ tier: 'core' });
const minter = createMinter({
  key: Buffer.alloc(32, 1),
  scope: 's',
  entities: new Set(rules.map(({ entity }) => entity)),
});
const both: readonly SealedKind[] = ['signed', 'encrypted'];

function read(dialect: Dialect, body: Buffer, path: string | null): ParsedBody {
  const route: RouteFacts = { method: 'POST', path: path ?? '', header: () => null };
  const parsed = atOnce(path === null ? dialect.readResponse(body) : dialect.readRequest(body, route));
  if (!parsed.ok) throw new Error(parsed.error.message);
  return parsed.value;
}

function omitting(parsed: ParsedBody, kinds: readonly SealedKind[], redact: 'label' | null = null): MaskedBody {
  const plan = compilePlan(
    redact === null ? [] : [{ entity: '*', method: redact }],
    kinds.map((blocks) => ({ blocks })),
  );
  const scans = parsed.conversation.segments.map(({ text }) => detector.scan(text));
  return atOnce(maskBody(parsed, scans, 'output', plan, minter));
}

interface Case {
  readonly name: string;
  readonly dialect: Dialect;
  /** Of a request; absent: the body is an answer. */
  readonly path?: string;
  readonly kinds?: readonly SealedKind[];
  readonly given: string;
  readonly want: string;
  readonly counts: readonly OmittedCount[];
}

const thinking = '{"type":"thinking","thinking":"hm","signature":"EqQB"}';
const redacted = '{"type":"redacted_thinking","data":"EmwK"}';
const said = (blocks: string): string => `{ "content": [${blocks}], "n": 1.0 }`;
const anthropic = createAnthropicMessages();
const bedrock = createBedrock();
const google = createGoogleGenerate();
const chat = createOpenAiChat();
const responses = createOpenAiResponses();
const signed = (count: number): OmittedCount => ({ kind: 'signed', count });
const encrypted = (count: number): OmittedCount => ({ kind: 'encrypted', count });

describe('of a body', () => {
  test.each<Case>([
    {
      name: 'the first block goes, with the comma and the space behind it',
      dialect: anthropic,
      given: said(` ${thinking} ,\n  {"type":"text","text":"a"} `),
      want: said(` {"type":"text","text":"a"} `),
      counts: [signed(1)],
    },
    {
      name: 'the last block goes, with the comma and the space before it',
      dialect: anthropic,
      given: said(` {"type":"text","text":"a"} ,\n ${thinking} `),
      want: said(` {"type":"text","text":"a"} `),
      counts: [signed(1)],
    },
    {
      name: 'one in between goes with the comma before it',
      dialect: anthropic,
      given: said(`{"text":"a"} , ${thinking} ,\t{"text":"b"}`),
      want: said('{"text":"a"} ,\t{"text":"b"}'),
      counts: [signed(1)],
    },
    {
      name: 'several in a row go, first, in between and last',
      dialect: anthropic,
      given: said([thinking, redacted, '1', redacted, thinking, '2', thinking, redacted].join(' , ')),
      want: said('1 , 2'),
      counts: [encrypted(3), signed(3)],
    },
    {
      name: 'the only one leaves an empty list of an answer, and its space',
      dialect: anthropic,
      given: said(` ${thinking} `),
      want: said('  '),
      counts: [signed(1)],
    },
    {
      name: 'a kind that is not asked for stays',
      dialect: anthropic,
      kinds: ['encrypted'],
      given: said(`${thinking},${redacted}`),
      want: said(thinking),
      counts: [encrypted(1)],
    },
    {
      name: 'results of a search and citations with ciphertexts go one by one; a result that is one as a whole',
      dialect: anthropic,
      given: said(
        '{"type":"web_search_tool_result","content":[{"type":"web_search_result","encrypted_content":"Eqg"},{"type":"x"}]},' +
          '{"type":"text","text":"a","citations":[{"type":"web_search_result_location","encrypted_index":"Eo8"}]},' +
          '{"type":"code_execution_tool_result","content":{"type":"encrypted_code_execution_result","encrypted_stdout":"Eo8"}}',
      ),
      want: said(
        '{"type":"web_search_tool_result","content":[{"type":"x"}]},{"type":"text","text":"a","citations":[]}',
      ),
      counts: [encrypted(3)],
    },
    {
      name: 'a message of a request goes with its last block, and what is signed in it does not matter',
      dialect: anthropic,
      path: '/v1/messages',
      given: `{"messages":[{"role":"user","content":"a"}, {"role":"assistant","content":[${thinking}]}, {"role":"user","content":"b"}]}`,
      want: '{"messages":[{"role":"user","content":"a"}, {"role":"user","content":"b"}]}',
      counts: [signed(1)],
    },
    {
      name: 'a message with a call keeps it',
      dialect: anthropic,
      path: '/v1/messages',
      given: `{"messages":[{"role":"assistant","content":[${thinking},{"type":"tool_use","id":"t","name":"n","input":{}}]}]}`,
      want: '{"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"n","input":{}}]}]}',
      counts: [signed(1)],
    },
    {
      name: 'a list of blocks inside of a message does not take the message along',
      dialect: anthropic,
      path: '/v1/messages',
      given:
        '{"messages":[{"role":"user","content":[{"type":"web_search_tool_result","content":[{"type":"web_search_result"}]}]}]}',
      want: '{"messages":[{"role":"user","content":[{"type":"web_search_tool_result","content":[]}]}]}',
      counts: [encrypted(1)],
    },
    {
      name: 'requests of a batch',
      dialect: anthropic,
      path: '/v1/messages/batches',
      given: `{"requests":[{"custom_id":"1","params":{"messages":[{"role":"assistant","content":[${thinking},{"type":"text","text":"a"}]}]}}]}`,
      want: '{"requests":[{"custom_id":"1","params":{"messages":[{"role":"assistant","content":[{"type":"text","text":"a"}]}]}}]}',
      counts: [signed(1)],
    },
    {
      name: 'reasoning of Converse, by what it holds',
      dialect: bedrock,
      given:
        '{"output":{"message":{"role":"assistant","content":[{"reasoningContent":{"reasoningText":{"text":"hm","signature":"Eq"}}},{"reasoningContent":{"redactedContent":"Em"}},{"text":"a"}]}}}',
      want: '{"output":{"message":{"role":"assistant","content":[{"text":"a"}]}}}',
      counts: [encrypted(1), signed(1)],
    },
    {
      name: 'a message of Converse that has nothing else',
      dialect: bedrock,
      path: '/model/m/converse',
      given:
        '{"messages":[{"role":"assistant","content":[{"reasoningContent":{"redactedContent":"Em"}}]},{"role":"user","content":[{"text":"a"}]}]}',
      want: '{"messages":[{"role":"user","content":[{"text":"a"}]}]}',
      counts: [encrypted(1)],
    },
    {
      name: 'a signature of Gemini goes alone, with its comma, wherever it stands',
      dialect: google,
      given:
        '{"candidates":[{"content":{"parts":[{"thoughtSignature":"CiQD", "text":"a"},{"functionCall":{"name":"f","args":{}} , "thought_signature":"CiQD"}]}}]}',
      want: '{"candidates":[{"content":{"parts":[{"text":"a"},{"functionCall":{"name":"f","args":{}}}]}}]}',
      counts: [signed(2)],
    },
    {
      name: 'a part of Gemini that is a signed thought or nothing but a signature goes whole; what tells its text again is emptied',
      dialect: google,
      given:
        '{"candidates":[{"content":{"parts":[{"text":"hm","thought":true,"thoughtSignature":"CiQD"},{"text":"hm","thought":true},{"text":"","thoughtSignature":"CiQD"}]},"logprobsResult":{"chosenCandidates":[{"token":"hm"}]},"citationMetadata":{"citations":[{"startIndex":3}]}}]}',
      want: '{"candidates":[{"content":{"parts":[{"text":"hm","thought":true}]},"logprobsResult":null,"citationMetadata":{"citations":[{"startIndex":3}]}}]}',
      counts: [signed(2)],
    },
    {
      name: 'contents of Gemini that have nothing else',
      dialect: google,
      path: '/v1beta/models/g:generateContent',
      given:
        '{"contents":[{"role":"model","parts":[{"thoughtSignature":"CiQD"}]},{"role":"user","parts":[{"text":"a"}]}]}',
      want: '{"contents":[{"role":"user","parts":[{"text":"a"}]}]}',
      counts: [signed(1)],
    },
    {
      name: 'items of Responses that may hold a ciphertext',
      dialect: responses,
      path: '/v1/responses',
      given:
        '{"input":[{"type":"reasoning","summary":[],"encrypted_content":"gAAA"},{"role":"user","content":"a"},{"type":"compaction","encrypted_content":"gAAA"},{"type":"program","code":"x","fingerprint":"ab"},{"type":"reasoning","summary":[]}]}',
      want: '{"input":[{"role":"user","content":"a"}]}',
      counts: [encrypted(4)],
    },
    {
      name: 'details of reasoning of OpenRouter',
      dialect: chat,
      given:
        '{"choices":[{"message":{"content":"a","reasoning_details":[{"type":"reasoning.text","text":"hm","signature":"Eq"},{"type":"reasoning.summary","summary":"b"},{"type":"reasoning.encrypted","data":"Em"}]}}]}',
      want: '{"choices":[{"message":{"content":"a","reasoning_details":[{"type":"reasoning.summary","summary":"b"}]}}]}',
      counts: [encrypted(1), signed(1)],
    },
  ])('$name', ({ dialect, path = null, kinds = both, given, want, counts }) => {
    const masked = omitting(read(dialect, Buffer.from(given), path), kinds);
    expect(masked.body.toString()).toBe(want);
    expect(masked.omitted).toEqual(counts);
    expect(masked.isTouched).toBe(true);
    // What has gone does not come back, and is not asked for twice.
    const again = omitting(read(dialect, masked.body, path), kinds);
    expect([again.body, again.isTouched, again.omitted]).toEqual([masked.body, false, []]);
  });

  test('signed text that is to be masked does not stand in the way when it goes, and is not counted', () => {
    const body = Buffer.from(
      '{"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"to jane@example.com","signature":"EqQB"},{"type":"text","text":"to joe@example.com"}]}]}',
    );
    const parsed = read(anthropic, body, '/v1/messages');
    expect(omitting(parsed, [], 'label').sealedFindings).toBe(1);
    const masked = omitting(parsed, ['signed'], 'label');
    expect(masked.sealedFindings).toBe(0);
    expect(masked.counts).toEqual([{ entity: 'EMAIL_ADDRESS', method: 'label', count: 1 }]);
    expect(masked.body.toString()).toBe(
      '{"messages":[{"role":"assistant","content":[{"type":"text","text":"to EMAIL_ADDRESS_REDACTED"}]}]}',
    );
  });

  test('what is left out stays out where values are put back', () => {
    const restorables = createRestorables([{ entity: '*' }]);
    const placeholder = 'EMAIL_ADDRESS_0123456789';
    restorables.add(placeholder, 'EMAIL_ADDRESS', 'jane@example.com');
    const restorer = restorables.forAnswer([]);
    if (restorer === null) throw new Error('nothing to restore');
    const text = `{"type":"text","text":"to ${placeholder}"}`;
    const parsed = read(anthropic, Buffer.from(said(`${thinking.replace('hm', placeholder)},${text}`)), null);
    const masked = omitting(parsed, both);
    const restored = atOnce(restoreBody(parsed, masked, restorer, new Set(both)));
    expect(restored.toString()).toBe(said(text.replace(placeholder, 'jane@example.com')));
    expect(restorer.counts()).toEqual([{ entity: 'EMAIL_ADDRESS', count: 1 }]);
  });

  test('any list loses what is sealed and keeps the rest byte for byte', () => {
    const space = fc.constantFrom('', ' ', '\n', '\r\n\t ');
    const block = fc.constantFrom(
      thinking,
      redacted,
      '{"type":"text","text":"a"}',
      '[]',
      '7',
      '"s"',
      `{"content":[${redacted},1]}`,
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(space, block, space), { maxLength: 8 }), (elements) => {
        const list = elements.map(([before, element, after]) => before + element + after).join(',');
        const { body, omitted } = omitting(read(anthropic, Buffer.from(said(list)), null), both);
        const left = elements
          .map(([, element]) => element)
          .filter((element) => element !== thinking && element !== redacted);
        const want = left.map((element) => (element.startsWith('{"content"') ? '{"content":[1]}' : element));
        expect(JSON.parse(body.toString())).toEqual(JSON.parse(said(want.join(','))));
        const gone = elements.length - left.length + left.filter((element) => element.startsWith('{"content"')).length;
        expect(omitted.reduce((sum, { count }) => sum + count, 0)).toBe(gone);
        // Nothing but white space and commas went with them.
        expect(body.toString().replace(/[\s,]/g, '')).toBe(said(want.join('')).replace(/[\s,]/g, ''));
      }),
    );
  });
});

describe.each(bodyCases)('$name', (given) => {
  const { name, create, path, extension = 'json' } = given;
  const body = bodyOf(given);
  const route: RouteFacts = { method: 'POST', path: path ?? '', header: (header) => given.headers?.[header] ?? null };
  const parsed = atOnce(path === null ? create().readResponse(body) : create().readRequest(body, route));
  if (!parsed.ok) throw new Error(parsed.error.message);
  const masked = omitting(parsed.value, both);

  test('without what is sealed', async () => {
    if (masked.omitted.length === 0) expect(masked.body).toBe(body);
    else await expect(masked.body.toString()).toMatchFileSnapshot(caseFile(name, 'omitted', extension));
  });
});
