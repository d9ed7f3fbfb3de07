import { describe, expect, test } from 'vitest';
import { createDetector } from '../../../src/detect/detector.ts';
import { createAnswerBody } from '../../../src/exchange/answer-body.ts';
import { createDialects } from '../../../src/llm/dialects.ts';
import { createMinter } from '../../../src/mask/placeholder.ts';
import { compilePlan } from '../../../src/mask/plan.ts';

const select = createDialects();
const detector = createDetector({ tier: 'core' });

function open(path: string, contentType: string) {
  const route = { method: 'POST', path, header: () => null };
  return createAnswerBody({
    route,
    head: { status: 200, headers: new Map([['content-type', contentType]]) },
    dialect: select(route, 'application/json'),
    detector,
    plan: compilePlan([{ entity: '*', method: 'label' }]),
    minter: createMinter({ key: Buffer.alloc(32, 1), scope: 's', entities: new Set() }),
    restorer: null,
    recoding: 'identity',
    bodyBytesMax: 1_000_000,
    exchangeId: 'x-1',
    onHeldBack: () => {},
  });
}

describe('an answer is a stream or a whole', () => {
  test.each([
    { path: '/v1/chat/completions', contentType: 'text/event-stream; charset=utf-8', mode: 'stream', framing: 'sse' },
    { path: '/v1/chat/completions', contentType: 'application/json', mode: 'whole', framing: null },
    {
      path: '/v1beta/models/g:streamGenerateContent',
      contentType: 'application/json; charset=UTF-8',
      mode: 'stream',
      framing: 'json-array',
    },
    { path: '/v1beta/models/g:generateContent', contentType: 'application/json', mode: 'whole', framing: null },
    { path: '/api/chat', contentType: 'application/x-ndjson', mode: 'stream', framing: 'ndjson' },
    { path: '/v1/messages/batches/b/results', contentType: 'application/x-jsonl', mode: 'stream', framing: 'ndjson' },
    { path: '/v1/files/f/content', contentType: 'application/jsonl', mode: 'stream', framing: 'ndjson' },
    {
      path: '/model/m/converse-stream',
      contentType: 'application/vnd.amazon.eventstream',
      mode: 'stream',
      framing: 'eventstream',
    },
    { path: '/v1/audio/transcriptions', contentType: 'text/plain', mode: 'stream', framing: 'text' },
    { path: '/v1/audio/speech', contentType: 'audio/mpeg', mode: 'pass', framing: null },
  ])('$path, $contentType: $mode $framing', ({ path, contentType, mode, framing }) => {
    const body = open(path, contentType);
    expect({ mode: body.mode, framing: body.framing }).toEqual({ mode, framing });
  });

  test('an array is masked element by element', async () => {
    const body = open('/v1beta/models/g:streamGenerateContent', 'application/json');
    const chunk = (text: string) => JSON.stringify({ candidates: [{ content: { parts: [{ text }] } }] });
    const first = body.push(Buffer.from(`[${chunk('Hello, this is ')}`)).bytes.toString();
    body.push(Buffer.from(`,\r\n${chunk('jane.doe@exam')}`));
    body.push(Buffer.from(`,\r\n${chunk('ple.com indeed.')}\n]`));
    const rest = await body.finish();
    expect(first).toBe(`[${chunk('Hello, this is ')}`);
    expect(rest.ok && body.counts()).toEqual([{ entity: 'EMAIL_ADDRESS', method: 'label', count: 1 }]);
  });
});
