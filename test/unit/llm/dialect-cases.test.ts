import { describe, expect, test } from 'vitest';
import { atOnce } from '../../../src/lib/slices.ts';
import type { Conversation } from '../../../src/llm/conversation.ts';
import type { ParsedBody, RouteFacts } from '../../../src/llm/dialect.ts';
import { createFramer } from '../../../src/llm/framers.ts';
import type { Framer, StreamEvent } from '../../../src/llm/framing.ts';
import { applyEdits, type Edit } from '../../../src/llm/json-edit.ts';
import { jsonString } from '../../../src/llm/json-string.ts';
import {
  type BodyCase,
  bodyCases,
  bodyOf,
  caseFile,
  readable,
  streamCases,
  streamOf,
} from '../../support/llm-cases.ts';

/**
 * Provider bodies and transcripts in test/cases/llm: how each is read, and what it is after every value of the kind below was
 * replaced. `vitest -u` writes the golden files anew; the diff is to be reviewed.
 */
const sensitive = /alice@example\.test|4111 ?1111 ?1111 ?1111|123456789/g;
const replacement = 'MASKED_1';

describe.each(bodyCases)('$name', (given) => {
  const { name, extension = 'json' } = given;
  const body = bodyOf(given);
  const parsed = read(given, body);

  test('is read', async () => {
    await expect(listed(parsed.conversation)).toMatchFileSnapshot(caseFile(name, 'read', 'txt'));
  });

  test('is the very buffer when nothing changes', () => {
    expect(atOnce(parsed.rewrite(new Map()))).toBe(body);
    const same = parsed.conversation.segments.map(({ text }, i) => [i, text] as const);
    expect(atOnce(parsed.rewrite(new Map(same)))).toBe(body);
  });

  test('is rewritten', async () => {
    const rewritten = atOnce(parsed.rewrite(masks(parsed.conversation)));
    await expect(rewritten.toString('utf8')).toMatchFileSnapshot(caseFile(name, 'masked', extension));
  });

  test('no value survives but in what is signed', () => {
    const again = read(given, atOnce(parsed.rewrite(masks(parsed.conversation)))).conversation;
    const left = again.segments.filter(({ text }) => text.search(sensitive) >= 0);
    expect(left.map(({ isSealed }) => isSealed)).toEqual(left.map(() => true));
  });
});

describe.each(streamCases)('$name, $framing', (given) => {
  const { name, framing, extension } = given;

  test('is read and written', async () => {
    const framer = createFramer(framing);
    const events = eventsOf(framer, streamOf(given));
    const reader = given.create().openStream();
    const readings: string[] = [];
    const written: Buffer[] = [];
    for (const event of events) {
      const { payload } = event;
      if (payload === null) {
        written.push(event.bytes);
        continue;
      }
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
            ({ key, whole, isCumulative, start, end, source }) =>
              `  on ${whole === undefined ? key : `whole ${whole}`}${isCumulative ? ' so far' : ''} ${payload.slice(start, end)} becomes ${source}`,
          ),
          ...uninspected.map(({ pointer, kind }) => `  uninspected ${kind} ${pointer}`),
          ...closes.map((key) => `  closes ${key}`),
          ...(closesAll ? ['  closes all'] : []),
        ].join('\n'),
      );
    }
    await expect(`${readings.join('\n')}\n`).toMatchFileSnapshot(
      caseFile(name, framing === 'sse' ? 'read' : `read-${framing}`, 'txt'),
    );
    const rewritten = readable(given, Buffer.concat(written));
    await expect(rewritten).toMatchFileSnapshot(caseFile(name, 'written', extension));
  });
});

function eventsOf(framer: Framer, bytes: Buffer): StreamEvent[] {
  const events = framer.push(bytes);
  const rest = framer.end();
  if (!events.ok) throw new Error(events.error.message);
  if (!rest.ok) throw new Error(rest.error.message);
  return [...events.value, ...rest.value];
}

function read({ create, path, headers }: BodyCase, body: Buffer): ParsedBody {
  const route: RouteFacts = { method: 'POST', path: path ?? '', header: (name) => headers?.[name] ?? null };
  const parsed = path === null ? atOnce(create().readResponse(body)) : atOnce(create().readRequest(body, route));
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
