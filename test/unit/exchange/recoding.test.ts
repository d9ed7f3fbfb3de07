import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { createDetector } from '../../../src/detect/detector.ts';
import { type AnswerBody, createAnswerBody } from '../../../src/exchange/answer-body.ts';
import type { ExchangeSettings, Recoding } from '../../../src/exchange/deps.ts';
import { upstreamHeaders } from '../../../src/exchange/upstream-headers.ts';
import { createBodyDecoder } from '../../../src/llm/content-encoding.ts';
import { createDialects } from '../../../src/llm/dialects.ts';
import { createMinter } from '../../../src/mask/placeholder.ts';
import { compilePlan, type Redaction } from '../../../src/mask/plan.ts';
import { exchangeSettings } from '../../support/exchange-deps.ts';

const detector = createDetector({ tier: 'core' });
const labelAll: readonly Redaction[] = [{ entity: '*', method: 'label' }];

function open(contentType: string, recoding: Recoding, redact = labelAll): AnswerBody {
  const route = { method: 'POST', path: '/v1/chat/completions', header: () => null };
  return createAnswerBody({
    route,
    head: {
      status: 200,
      headers: new Map([
        ['content-type', contentType],
        ['content-encoding', 'gzip'],
      ]),
    },
    dialect: createDialects()(route, 'application/json'),
    detector,
    plan: compilePlan(redact),
    minter: createMinter({ key: Buffer.alloc(32, 1), scope: 's', entities: new Set() }),
    restorer: null,
    recoding,
    bodyBytesMax: 1_000_000,
    exchangeId: 'x-1',
    onHeldBack: () => {},
  });
}

/** All that goes out for a body in pieces of 50 bytes. */
async function sent(body: AnswerBody, bytes: Buffer): Promise<Buffer> {
  const out: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += 50) out.push(body.push(bytes.subarray(at, at + 50)).wire);
  const last = await body.finish();
  if (!last.ok) throw new Error(last.error.code);
  return Buffer.concat([...out, last.value.wire]);
}

const event = (content: string): string =>
  `data: ${JSON.stringify({ choices: [{ index: 0, delta: { content } }] })}\n\n`;
const stream = `${event('Write to jane')}${event('@example.com.')}data: [DONE]\n\n`;
const masked = `${event('Write to EMAIL_ADDRESS_REDACTED')}${event('.')}data: [DONE]\n\n`;

describe('a stream in gzip', () => {
  test('goes out without it by default, also where nothing is to be masked', async () => {
    for (const [redact, want] of [
      [labelAll, masked],
      [[], stream],
    ] as const) {
      const body = open('text/event-stream', 'identity', redact);
      expect(body.headers.remove).toContain('content-encoding');
      expect((await sent(body, gzipSync(stream))).toString()).toBe(want);
    }
  });

  test('goes out in gzip when it is to stay the same', async () => {
    const body = open('text/event-stream', 'same');
    expect(body.headers.remove).not.toContain('content-encoding');
    expect(gunzipSync(await sent(body, gzipSync(stream))).toString()).toBe(masked);
  });

  test('ends in gzip, too, when it breaks off', () => {
    const body = open('text/event-stream', 'same');
    const whole = gzipSync(event('Hello.').repeat(50));
    const first = body.push(whole.subarray(0, whole.length - 9)).wire;
    const out = gunzipSync(Buffer.concat([first, body.breakOff(Buffer.from('event: error\n\n'))])).toString();
    expect(out.startsWith(event('Hello.'))).toBe(true);
    expect(out.endsWith('event: error\n\n')).toBe(true);
    const decoder = createBodyDecoder('gzip');
    expect(decoder.push(first).ok).toBe(true);
  });

  test('says before it breaks off what was good in the piece that could not be read', () => {
    const body = open('text/event-stream', 'same');
    expect(() => body.push(gzipSync(`${stream}data: {\n\n`))).toThrow('the stream cannot be read');
    const proven = body.proven();
    expect(proven.masked.toString()).toBe(masked);
    const out = gunzipSync(Buffer.concat([proven.wire, body.breakOff(Buffer.from('event: error\n\n'))])).toString();
    expect(out).toBe(`${masked}event: error\n\n`);
  });
});

describe('an answer in gzip', () => {
  const answer = (content: string): string => JSON.stringify({ choices: [{ index: 0, message: { content } }] });

  test('goes out without it by default', async () => {
    const body = open('application/json', 'identity');
    expect(body.headers.remove).toContain('content-encoding');
    expect((await sent(body, gzipSync(answer('Hello.')))).toString()).toBe(answer('Hello.'));
  });

  test('goes out in gzip when it is to stay the same, and byte for byte when nothing was masked', async () => {
    const clean = gzipSync(answer('Hello.'), { level: 9 });
    expect(await sent(open('application/json', 'same'), clean)).toEqual(clean);
    const body = open('application/json', 'same');
    expect(body.headers.remove).not.toContain('content-encoding');
    const out = gunzipSync(await sent(body, gzipSync(answer('Write to jane@example.com.')))).toString();
    expect(out).toBe(answer('Write to EMAIL_ADDRESS_REDACTED.'));
  });
});

describe('what goes upstream', () => {
  const settings = (requests: Recoding, answers: Recoding): ExchangeSettings => ({
    ...exchangeSettings,
    encoding: { requests, answers },
  });
  const headers = (accepted: string): Map<string, string> =>
    new Map([
      ['accept-encoding', accepted],
      ['content-encoding', 'br'],
      ['digest', 'x'],
      ['x-token', 't'],
    ]);

  test.each([
    { name: 'nothing is asked for', answers: 'identity', accepted: 'gzip, br', want: [] },
    { name: 'what flows', answers: 'same', accepted: 'br, gzip;q=0.8, zstd, deflate', want: ['gzip;q=0.8, deflate'] },
    { name: 'what is not refused', answers: 'same', accepted: 'GZIP;q=0, deflate;q=0.5', want: ['deflate;q=0.5'] },
    { name: 'nothing that flows', answers: 'same', accepted: 'br, *;q=0.1', want: [] },
  ] as const)('accept-encoding: $name', ({ answers, accepted, want }) => {
    const { set, remove } = upstreamHeaders(settings('identity', answers), headers(accepted), false);
    expect([...set.values()]).toEqual(want);
    expect(remove).toEqual(want.length === 0 ? ['accept-encoding', 'x-token'] : ['x-token']);
  });

  test.each([
    { requests: 'identity', isRewritten: true, want: ['accept-encoding', 'x-token', 'digest', 'content-encoding'] },
    { requests: 'same', isRewritten: true, want: ['accept-encoding', 'x-token', 'digest'] },
    { requests: 'same', isRewritten: false, want: ['accept-encoding', 'x-token'] },
  ] as const)('$requests, rewritten $isRewritten', ({ requests, isRewritten, want }) => {
    expect(upstreamHeaders(settings(requests, 'identity'), headers('gzip'), isRewritten).remove).toEqual(want);
  });
});
