import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { createAnthropicMessages } from '../../../src/llm/anthropic-messages.ts';
import type { Conversation } from '../../../src/llm/conversation.ts';
import type { Dialect, ParsedBody, RouteFacts } from '../../../src/llm/dialect.ts';
import { createGenericJson } from '../../../src/llm/generic-json.ts';
import { applyEdits, type Edit, jsonString } from '../../../src/llm/json-edit.ts';
import { createOpenAiChat } from '../../../src/llm/openai-chat.ts';
import { createSseFramer } from '../../../src/llm/sse.ts';

/**
 * Provider bodies and transcripts in test/cases/llm: how each is read, and what it is after every value of the kind below was
 * replaced. `vitest -u` writes the golden files anew; the diff is to be reviewed.
 */
const cases = new URL('../../cases/llm/', import.meta.url);
const sensitive = /alice@example\.test|4111 ?1111 ?1111 ?1111|123456789/g;
const replacement = 'MASKED_1';

const dialects: Readonly<Record<string, () => Dialect>> = {
  'openai-chat': createOpenAiChat,
  'anthropic-messages': createAnthropicMessages,
  'generic-json': createGenericJson,
};
const bodies = [
  { name: 'openai-chat.request', path: '/v1/chat/completions' },
  { name: 'openai-chat.response', path: '' },
  { name: 'anthropic-messages.request', path: '/v1/messages?beta=true' },
  { name: 'anthropic-messages.response', path: '' },
  { name: 'generic-json.request', path: '/anything' },
];
const streams = ['openai-chat', 'anthropic-messages', 'generic-json'];

describe.each(bodies)('$name', ({ name, path }) => {
  const body = readFileSync(new URL(`${name}.golden.json`, cases));
  const parsed = read(name, body, path);

  test('is read', async () => {
    await expect(listed(parsed.conversation)).toMatchFileSnapshot(golden(name, 'read.golden.txt'));
  });

  test('is the very buffer when nothing changes', () => {
    expect(parsed.rewrite(new Map())).toBe(body);
    const same = parsed.conversation.segments.map(({ text }, i) => [i, text] as const);
    expect(parsed.rewrite(new Map(same))).toBe(body);
  });

  test('is rewritten', async () => {
    const rewritten = parsed.rewrite(masks(parsed.conversation));
    await expect(rewritten.toString('utf8')).toMatchFileSnapshot(golden(name, 'masked.golden.json'));
  });

  test('no value survives but in what is signed', () => {
    const again = read(name, parsed.rewrite(masks(parsed.conversation)), path).conversation;
    const left = again.segments.filter(({ text }) => text.search(sensitive) >= 0);
    expect(left.map(({ isSealed }) => isSealed)).toEqual(left.map(() => true));
  });
});

describe.each(streams)('%s.stream', (name) => {
  const bytes = readFileSync(new URL(`${name}.stream.golden.sse`, cases));

  test('is read and written', async () => {
    const framer = createSseFramer();
    const events = framer.push(bytes);
    if (!events.ok) throw new Error(events.error.message);
    const reader = dialectOf(name).openStream();
    const readings: string[] = [];
    const written: Buffer[] = [];
    for (const event of events.value) {
      const { payload } = event;
      if (payload === null) throw new Error('an event without payload');
      const reading = reader.read(payload, event.event);
      if (!reading.ok) throw new Error(reading.error.message);
      const { deltas, wholes, closes, closesAll, dependents, uninspected } = reading.value;
      const edits: Edit[] = [...deltas, ...wholes].map(({ start, end, text }) => ({
        start,
        end,
        source: jsonString(`<${text}>`),
      }));
      written.push(framer.write(event, applyEdits(payload, [...edits, ...dependents])));
      readings.push(
        [
          payload,
          ...deltas.map(
            ({ key, role, kind, json, text }) =>
              `  delta ${key} ${role} ${kind}${json ? ' json' : ''} ${jsonString(text)}`,
          ),
          ...wholes.map(
            ({ role, kind, json, text }) => `  whole ${role} ${kind}${json ? ' json' : ''} ${jsonString(text)}`,
          ),
          ...dependents.map(
            ({ key, start, end, source }) => `  on ${key} ${payload.slice(start, end)} becomes ${source}`,
          ),
          ...uninspected.map(({ pointer, kind }) => `  uninspected ${kind} ${pointer}`),
          ...closes.map((key) => `  closes ${key}`),
          ...(closesAll ? ['  closes all'] : []),
        ].join('\n'),
      );
    }
    await expect(`${readings.join('\n')}\n`).toMatchFileSnapshot(golden(`${name}.stream`, 'read.golden.txt'));
    await expect(Buffer.concat(written).toString('utf8')).toMatchFileSnapshot(
      golden(`${name}.stream`, 'written.golden.sse'),
    );
  });
});

function dialectOf(name: string): Dialect {
  const create = dialects[name.split('.')[0] ?? ''];
  if (create === undefined) throw new Error(`no dialect for ${name}`);
  return create();
}

function read(name: string, body: Buffer, path: string): ParsedBody {
  const route: RouteFacts = { method: 'POST', path, header: () => null };
  const dialect = dialectOf(name);
  const parsed = name.endsWith('.request') ? dialect.readRequest(body, route) : dialect.readResponse(body);
  if (!parsed.ok) throw new Error(parsed.error.message);
  return parsed.value;
}

function masks({ segments }: Conversation): Map<number, string> {
  const changed = new Map<number, string>();
  for (const [i, { text }] of segments.entries()) {
    const masked = text.replace(sensitive, replacement);
    if (masked !== text) changed.set(i, masked);
  }
  return changed;
}

function listed({ segments, uninspected, ...summary }: Conversation): string {
  const lines = [
    JSON.stringify(summary),
    ...segments.map(
      ({ pointer, role, kind, text, isSealed }) =>
        `${pointer} ${role} ${kind}${isSealed ? ' sealed' : ''} ${jsonString(text)}`,
    ),
    ...uninspected.map(({ pointer, kind }) => `${pointer} uninspected ${kind}`),
  ];
  return `${lines.join('\n')}\n`;
}

function golden(name: string, suffix: string): string {
  return new URL(`${name}.${suffix}`, cases).pathname;
}
