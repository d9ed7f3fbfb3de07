import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type CliResult, cli, jsonLines } from '../support/cli.ts';
import { eventually } from '../support/eventually.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';

const card = '4111 1111 1111 1111';

let stack: TestStack;
beforeAll(async () => {
  stack = await startTestStack({
    serviceConfig: (yaml) =>
      yaml.replace(
        'auditor_groups: [auditors]',
        'auditor_groups: [auditors]\n  officer_groups: [auditors]\n  reveal: { approver_groups: [production-approvers] }',
      ),
  });
});
afterAll(() => stack?.stop());

function log(): string {
  return join(stack.dataFolder, 'audit');
}

/** A command of the auditor's, or of whoever `token` says. */
function audit(args: readonly string[], token = stack.tokens.auditor): Promise<CliResult> {
  return cli(['audit', ...args, '--api', stack.api], { env: { COUNTERSIGN_TOKEN: token } });
}

async function recordOf(exchange: string, kind: string): Promise<Record<string, unknown>> {
  return eventually(`the ${kind} of ${exchange}`, async () => {
    const shown = await cli(['audit', 'show', log(), exchange, '--json']);
    return jsonLines(shown.stdout).find((record) => record['kind'] === kind);
  });
}

describe('what is sealed, through the command line', () => {
  test('is opened for an auditor alone, when a second person agrees, and that is on record', async () => {
    const answered = await stack.chat(`Charge ${card}, please.`);
    const exchange = answered.headers.get('x-countersign-exchange') ?? '';
    await answered.text();
    const { id } = await recordOf(exchange, 'intent');
    const placeholder = /CREDIT_CARD_[0-9A-Z]{10}/.exec(stack.upstream.seen.at(-1)?.body.toString() ?? '')?.[0] ?? '';
    expect(placeholder).not.toBe('');

    const reveal = ['reveal', String(id), '--placeholder', placeholder, '--reason', 'ticket 7'];
    const refused = await audit(reveal, stack.tokens.requester);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('not_auditor')]);
    const first = await eventually('an answer about a record that is covered', async () => {
      const answer = await audit(reveal);
      return answer.stderr.includes('not_found') ? undefined : answer;
    });
    const approval = /approval_pending: (\S+)/.exec(first.stderr)?.[1] ?? '';
    expect(first.code).toBeGreaterThan(0);
    expect(approval).toMatch(/^[0-9a-f-]{36}$/);
    await stack.decide('approve', approval);
    const second = await audit(reveal);
    expect([second.stdout, second.code]).toEqual([`${card}\n`, 0]);
    expect(await recordOf(exchange, 'access')).toMatchObject({
      facts: { action: 'reveal', record: id, placeholder, reason: 'ticket 7', approval },
    });
  });

  test('is erased for one person, but not under a hold; the log stays sound and says all of it', async () => {
    const answered = await stack.chat('Say hello.');
    const exchange = answered.headers.get('x-countersign-exchange') ?? '';
    await answered.text();
    const intent = await recordOf(exchange, 'intent');
    const subject = /"pseudonym":"([^"]+)"/.exec(JSON.stringify(intent))?.[1] ?? '';
    const held = await audit(['hold', '--subject', subject, '--reason', 'court order', '--json']);
    const { hold } = JSON.parse(held.stdout);
    const erase = ['erase', '--subject', subject, '--reason', 'article 17', '--json'];
    const deferred = await eventually('an erasure of a subject that the index knows', async () => {
      const answer = await audit(erase);
      return answer.code === 0 ? JSON.parse(answer.stdout) : undefined;
    });
    expect(deferred).toMatchObject({ state: 'deferred', holds: [hold] });
    const released = await audit(['release', hold, '--reason', 'settled', '--json']);
    expect(JSON.parse(released.stdout)).toMatchObject({ erased: 1 });

    const reveal = ['reveal', String(intent['id']), '--reason', 'look'];
    await stack.decide('approve', /approval_pending: (\S+)/.exec((await audit(reveal)).stderr)?.[1] ?? '');
    const gone = await audit(reveal);
    expect([gone.code, gone.stderr]).toEqual([3, expect.stringContaining('key_unavailable')]);
    expect((await audit(['expire'])).stdout).toBe('0 hours of texts and 0 files of records have expired\n');

    const report = await cli(['audit', 'report', log(), '--json']);
    expect([report.code, JSON.parse(report.stdout)]).toEqual([
      0,
      expect.objectContaining({
        exchanges: 2,
        subjects: 1,
        entities: { CREDIT_CARD: 1 },
        groups: { engineering: 2 },
        retention: { 'access: reveal': 2, hold: 1, release: 1, erase: 1, erase_deferred: 1 },
        open_holds: [],
        log: expect.objectContaining({ intact: true, overdue: 0 }),
      }),
    ]);
    const text = await cli(['audit', 'report', log()]);
    expect(text.stdout).toMatch(/The log is intact: \d+ records, 0 expired/);
  });

  test('usage, and the record of processing', async () => {
    expect((await audit(['erase', '--reason', 'x'])).code).toBe(2);
    expect((await audit(['reveal', 'x'])).stderr).toContain("required option '--reason <text>'");
    const ropa = await cli(['audit', 'ropa', '-c', 'envoy/countersign.yaml', '--json'], {
      env: { COUNTERSIGN_DATA: stack.dataFolder, COUNTERSIGN_JWKS: join(stack.dataFolder, 'jwks.json') },
    });
    expect([ropa.stderr, ropa.code, JSON.parse(ropa.stdout || '{}').access?.auditors]).toEqual(['', 0, ['auditors']]);
  });
});
