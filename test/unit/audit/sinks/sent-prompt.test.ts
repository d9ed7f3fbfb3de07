import { cpSync, mkdtempSync, readFileSync, rmSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AuditEntry } from '../../../../src/audit/entry.ts';
import { nodeFs } from '../../../../src/audit/fs-port.ts';
import { layout } from '../../../../src/audit/layout.ts';
import { readRecords, type StoredRecord } from '../../../../src/audit/read.ts';
import { createRenderer, type Format, formats } from '../../../../src/audit/sinks/format.ts';
import {
  answerUnwrap,
  createKeysAcross,
  type KeysAcross,
  type UnwrapQuestion,
} from '../../../../src/audit/sinks/keys-across.ts';
import { defaultProjection } from '../../../../src/audit/sinks/projection.ts';
import { createSentPromptReader, latest } from '../../../../src/audit/sinks/sent-prompt.ts';
import { documentOf, type SinkEvent } from '../../../../src/audit/sinks/sink.ts';
import { startSinks } from '../../../../src/audit/sinks/sinks-host.ts';
import { Fault } from '../../../../src/lib/fault.ts';
import type { Segment } from '../../../../src/llm/conversation.ts';
import { noMetrics, silentLog } from '../../../../src/telemetry/telemetry.ts';
import { openTestLog, testKeys, testOrigin } from '../../../support/audit.ts';
import { inlineWriter } from '../../../support/audit-fs.ts';
import { eventually } from '../../../support/eventually.ts';
import { maskedIntent, startTestShipper, testProduct } from '../../../support/sink-log.ts';

const root = mkdtempSync(join(tmpdir(), 'prompts-'));
afterAll(() => rmSync(root, { recursive: true }));
const directory = join(root, 'log');
const card = ['4111', '1111', '1111', '1111'].join(' ');

function chat(...texts: readonly string[]): Buffer {
  const roles = ['system', 'user', 'assistant', 'user'];
  const messages = texts.map((content, index) => ({ role: roles[index % 4], content }));
  return Buffer.from(JSON.stringify({ model: 'scripted-1', messages, metadata: { ticket: 'T-1' } }));
}

function asked(exchange: string, original: Buffer, sent: Buffer | null): AuditEntry {
  const mediaType = 'application/json';
  return {
    ...maskedIntent(exchange),
    bodies: {
      prompt_original: { mediaType, bytes: original },
      ...(sent === null ? {} : { prompt_sent: { mediaType, bytes: sent } }),
    },
  };
}

let records: StoredRecord[];
let masked: StoredRecord;
let untouched: StoredRecord;
beforeAll(async () => {
  const log = await openTestLog(directory, { startWriter: inlineWriter(nodeFs) });
  await log.append(asked('masked', chat('Be brief.', `my card is ${card}`), chat('Be brief.', 'my card is CARD_1')));
  await log.append(asked('untouched', chat('Be brief.', 'hello'), null));
  await log.close();
  records = [];
  for await (const record of readRecords(directory)) records.push(record);
  const of = (exchange: string): StoredRecord => {
    const found = records.find((record) => record.exchange === exchange);
    if (found === undefined) throw new Error(exchange);
    return found;
  };
  [masked, untouched] = [of('masked'), of('untouched')];
});

describe('the prompt that was sent', () => {
  const read = createSentPromptReader(directory, 8_192, testKeys());

  test('is what masking left, by role, and never the original', async () => {
    expect(await read(masked)).toEqual({
      messages: [
        { role: 'system', texts: ['Be brief.'] },
        { role: 'user', texts: ['my card is CARD_1'] },
      ],
      isTruncated: false,
    });
    // What was sent unchanged is on record as the original alone.
    expect(await read(untouched)).toBeNull();
    for (const record of records.filter(({ bodies }) => bodies.length === 0)) expect(await read(record)).toBeNull();
  });

  test('of a long one the end is kept', async () => {
    expect(await createSentPromptReader(directory, 10, testKeys())(masked)).toEqual({
      messages: [{ role: 'user', texts: [' is CARD_1'] }],
      isTruncated: true,
    });
  });

  test('within its bound whatever the texts are, in whole characters', () => {
    const text = fc.string({ unit: 'grapheme', maxLength: 12 });
    const role = fc.constantFrom('system' as const, 'user' as const, 'assistant' as const);
    const segment = fc.record({ text, role }).map((given): Segment => ({ ...given, pointer: '/x', kind: 'text' }));
    fc.assert(
      fc.property(fc.array(segment, { maxLength: 8 }), fc.integer({ min: 0, max: 60 }), (segments, bytesMax) => {
        const { messages, isTruncated } = latest(segments, bytesMax);
        const kept = messages.flatMap(({ texts }) => texts).join('');
        const all = segments.map((each) => each.text).join('');
        expect(Buffer.byteLength(kept)).toBeLessThanOrEqual(bytesMax);
        expect(all.endsWith(kept)).toBe(true);
        expect(isTruncated).toBe(kept !== all);
        expect(kept).not.toContain('\ufffd');
      }),
    );
  });

  test('is gone with its key, and waited for while its key cannot be asked for', async () => {
    const away = createSentPromptReader(directory, 100, {
      unwrap: () => Promise.reject(new Fault('key_unavailable', 'the key service is away')),
    });
    await expect(away(masked)).rejects.toThrow('the key service is away');
    const wrong = createSentPromptReader(directory, 100, { unwrap: async () => Buffer.alloc(32, 7) });
    expect(await wrong(masked)).toBeNull();

    const copy = join(root, 'copy');
    cpSync(directory, copy, { recursive: true });
    unlinkSync(layout.epoch(copy, String(masked.manifest['epoch'])));
    expect(await createSentPromptReader(copy, 100, testKeys())(masked)).toBeNull();
  });
});

describe('a sink that is given it', () => {
  const published: { classes: Record<string, object>; $defs: object } = JSON.parse(
    readFileSync('test/cases/audit/ocsf-1.8.0.json', 'utf8'),
  );
  const prompt = {
    messages: [
      { role: 'system' as const, texts: ['Be brief.'] },
      { role: 'user' as const, texts: ['my card is', 'CARD_1'] },
    ],
    isTruncated: true,
  };
  const messages = [
    { role: 'system', parts: [{ type: 'text', content: 'Be brief.' }] },
    {
      role: 'user',
      parts: [
        { type: 'text', content: 'my card is' },
        { type: 'text', content: 'CARD_1' },
      ],
    },
  ];
  const eventsOf = (format: Format): readonly SinkEvent[] =>
    createRenderer(format, defaultProjection, testProduct, testOrigin).record(masked, prompt);

  test.each([
    [
      'ocsf',
      {
        unmapped: {
          prompt_sent: {
            messages: [
              { role: 'system', text: 'Be brief.' },
              { role: 'user', text: 'my card is\nCARD_1' },
            ],
            truncated: true,
          },
        },
      },
    ],
    ['ecs', { countersign: { audit: { prompt: messages, prompt_truncated: true } } }],
    ['otel', { attributes: { 'gen_ai.input.messages': messages, 'countersign.audit.prompt_truncated': true } }],
    ['record', { prompt_sent: { messages, truncated: true } }],
  ] as const)('%s has it where the schema wants it', (format, want) => {
    const [event, ...others] = eventsOf(format);
    expect(event && documentOf(event)).toMatchObject(want);
    // The finding beside an activity does not say it again.
    for (const { json } of others) expect(json).not.toContain('CARD_1');
  });

  test('as OCSF it is valid by the published schema', () => {
    const { classes, $defs } = published;
    const validate = new Ajv2020({ strict: false }).compile({ ...classes['6003'], $id: 'ocsf:6003', $defs });
    const [event] = eventsOf('ocsf');
    expect([validate(event && documentOf(event)), validate.errors]).toEqual([true, null]);
  });

  test('without asking no format has it', () => {
    for (const format of formats) {
      const renderer = createRenderer(format, defaultProjection, testProduct, testOrigin);
      for (const { json } of renderer.record(masked)) expect(json).not.toMatch(/CARD_1|prompt_truncated|Be brief/);
    }
  });

  test('waits for a key that cannot be asked for, and loses nothing', async () => {
    const taken: SinkEvent[] = [];
    let attempts = 0;
    const shipper = await startTestShipper(
      directory,
      join(root, 'waiting'),
      {
        deliver: async (events) => {
          taken.push(...events);
          return { kind: 'settled', rejected: [], retry: [], afterMs: null };
        },
        close: async () => {},
      },
      {
        random: (size) => Buffer.alloc(size),
        readPrompt: async (record) => {
          if (record.exchange !== 'masked') return null;
          attempts += 1;
          if (attempts < 4) throw new Fault('key_unavailable', 'the key service is away');
          return prompt;
        },
      },
    );
    await eventually('all events', () =>
      taken.filter(({ kind }) => kind !== 'checkpoint').length === records.length ? true : undefined,
    );
    await shipper.stop(1_000);
    const sent = taken.find(({ sequence }) => sequence === masked.sequence);
    expect([attempts, sent && documentOf(sent)['prompt_sent']]).toEqual([4, { messages, truncated: true }]);
    expect(taken.filter(({ kind }) => kind !== 'checkpoint').map(({ sequence }) => sequence)).toEqual(
      records.map(({ sequence }) => sequence),
    );
  });
});

describe('keys across threads', () => {
  function across(unwrap: (name: string) => Promise<Buffer>): { keys: KeysAcross; asked: UnwrapQuestion[] } {
    const asked: UnwrapQuestion[] = [];
    const keys: KeysAcross = createKeysAcross((question) => {
      asked.push(question);
      void answerUnwrap({ unwrap: (_, name) => unwrap(name) }, question).then((answer) => keys.onAnswer(answer));
    });
    return { keys, asked };
  }

  test('a key is asked for once, and again after many others', async () => {
    const { keys, asked } = across(async (name) => Buffer.from(name));
    const one = Buffer.from('wrapped');
    expect((await keys.unwrap(one, 'hour-0')).toString()).toBe('hour-0');
    expect((await keys.unwrap(one, 'hour-0')).toString()).toBe('hour-0');
    expect(asked.length).toBe(1);
    for (let hour = 1; hour <= 8; hour++) await keys.unwrap(one, `hour-${hour}`);
    await keys.unwrap(one, 'hour-0');
    expect(asked.length).toBe(10);
    expect(asked[0]?.wrapped.buffer.byteLength).toBe(one.length);
  });

  test('one that cannot be had is asked for each time', async () => {
    const { keys, asked } = across(() => Promise.reject(new Fault('key_unavailable', 'away')));
    for (let i = 0; i < 2; i++) await expect(keys.unwrap(Buffer.alloc(1), 'hour')).rejects.toThrow('away');
    expect(asked.length).toBe(2);
  });
});

test('from the log to a file, through the thread of the sinks', async () => {
  const path = join(root, 'out.jsonl');
  const host = startSinks(
    {
      log: directory,
      origin: testOrigin,
      state: join(root, 'state'),
      product: testProduct,
      channel: '00000000-0000-4000-8000-000000000000',
      specs: [
        {
          name: 'file',
          format: 'otel',
          projection: defaultProjection,
          batch: { records: 10, bytes: 65_536, waitMs: 10 },
          eventBytesMax: 65_536,
          promptBytesMax: 1_024,
          deadlineMs: 5_000,
          target: { kind: 'file', path },
        },
      ],
    },
    { log: silentLog, metrics: noMetrics, keys: testKeys() },
  );
  const out = await eventually('the events', () => {
    const text = nodeFs.read(path)?.toString() ?? '';
    return text.includes('CARD_1') ? text : undefined;
  });
  await host.stop(1_000);
  expect(out).toContain('"gen_ai.input.messages":[{"role":"system","parts":[{"type":"text","content":"Be brief."}]}');
  expect(nodeFs.read(path)?.toString()).not.toContain(card);
});
