import { afterAll, beforeAll, expect, test } from 'vitest';
import { type StandIn, startPresidioStandIn } from '../support/presidio.ts';
import { outcomeOf } from '../support/records.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';

let presidio: StandIn;
let stack: TestStack;
beforeAll(async () => {
  presidio = await startPresidioStandIn();
  stack = await startTestStack({
    serviceConfig: (yaml) =>
      yaml.replace(/^detection:\n/m, `detection:\n  presidio: { url: '${presidio.url}', timeout: 5s }\n`),
  });
});
afterAll(async () => {
  await stack?.stop();
  await presidio?.close();
});

test('names and places are masked before the model sees them; a text is sent out once', async () => {
  const said = 'My name is Jane Miller and I live in Berlin.';
  const first = [
    { role: 'system', content: 'You help Jane Miller.' },
    { role: 'user', content: said },
  ];
  expect((await stack.chat(first)).status).toBe(200);
  expect((await stack.chat([...first, { role: 'user', content: 'And who am I?' }])).status).toBe(200);
  const [request] = stack.upstream.seen.slice(-1);
  const sent = String(request?.body);
  expect(sent).toMatch(/My name is PERSON_[0-9A-Z]{10} and I live in LOCATION_[0-9A-Z]{10}\./);
  expect(sent).toContain('You help Jane Miller.');
  expect(presidio.asked).toEqual([said, 'And who am I?']);
});

test('without its word nothing is sent, until it is back', async () => {
  const before = stack.upstream.seen.length;
  presidio.answerWith({ status: 503, body: '' });
  const refused = await stack.chat([{ role: 'user', content: 'I am new here' }]);
  expect([refused.status, await refused.json()]).toMatchObject([503, { error: { code: 'recogniser_unavailable' } }]);
  expect([refused.headers.get('x-should-retry'), refused.headers.get('retry-after')]).toEqual(['true', '1']);
  expect(stack.upstream.seen.length).toBe(before);
  const exchange = refused.headers.get('x-countersign-exchange') ?? '';
  const { facts } = await outcomeOf(stack.auditFolder, exchange);
  expect(facts).toMatchObject({ ended: 'refused', code: 'recogniser_unavailable', status: 503 });
  const metrics = await (await fetch(`${stack.http}/metrics`)).text();
  expect(metrics).toContain('countersign_faults_total{code="recogniser_unavailable"} 1');
  presidio.answerWith(null);
  expect((await stack.chat([{ role: 'user', content: 'I am new here' }])).status).toBe(200);
});
