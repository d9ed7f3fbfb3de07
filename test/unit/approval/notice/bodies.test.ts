import { Webhook } from 'standardwebhooks';
import { describe, expect, test } from 'vitest';
import type { Approval } from '../../../../src/approval/approval.ts';
import { emailText, webhookBody } from '../../../../src/approval/notice/bodies.ts';
import { postOf } from '../../../../src/approval/notice/delivery.ts';
import { tell } from '../../../../src/approval/notice/fields.ts';
import { noticeEvents, noticeOf } from '../../../../src/approval/notice/notice.ts';
import { webhookKey } from '../../../../src/approval/notice/standard-webhook.ts';
import { parseTemplate } from '../../../../src/approval/notice/template.ts';
import {
  approve,
  breakGlass,
  cancel,
  consume,
  create,
  expire,
  reject,
  revoke,
} from '../../../../src/approval/state-machine.ts';
import { sampleNotice } from '../../../../src/main/notice-sample.ts';
import { actor, held, person, startMs, terms } from '../../../support/approvals.ts';
import { letter, route, template, webhookSecret } from '../../../support/notices.ts';

describe('which transitions people are told of', () => {
  const wide = terms({ quorum: 2, breakGlassGroups: ['reviewers'], grant: { uses: 2, ttlS: 300 } });
  const pending = create('a', 'digest', held(), wide, startMs);
  const says = (id: string) => ({ by: actor(id), reason: 'why', atMs: startMs });
  const made = (step: ReturnType<typeof approve>): Approval => {
    if (!step.ok) throw new Error(step.error.kind);
    return step.value;
  };
  const half = made(approve(pending, says('ada')));
  const approved = made(approve(half, says('ben')));
  test.each([
    { name: 'opened', after: pending, before: null, want: 'created' },
    { name: 'one seat of two', after: half, before: pending, want: undefined },
    { name: 'approved', after: approved, before: half, want: 'decided' },
    { name: 'rejected', after: made(reject(pending, says('ada'))), before: pending, want: 'decided' },
    { name: 'forced', after: made(breakGlass(pending, says('ada'))), before: pending, want: 'break_glass' },
    { name: 'one use of two', after: made(consume(approved, startMs)), before: approved, want: undefined },
    { name: 'expired', after: made(expire(pending, pending.pendingUntilMs)), before: pending, want: 'expired' },
    { name: 'revoked', after: made(revoke(approved, says('ada'))), before: approved, want: 'revoked' },
    { name: 'withdrawn', after: made(cancel(pending, says('rita'))), before: pending, want: 'cancelled' },
  ])('$name', ({ after, before, want }) => {
    expect(noticeOf(after, before, startMs)?.event).toBe(want);
  });

  test('the id is that of the transition: the same for whoever tells it, and never with a full stop', () => {
    expect(noticeOf(pending, null, startMs)?.id).toBe('msg_a_1');
    expect(noticeOf(pending, null, startMs + 5)?.id).toBe('msg_a_1');
    expect(noticeOf(approved, half, startMs)?.id).toBe('msg_a_3');
  });
});

describe('templates', () => {
  test.each([
    { given: 'a {model} b', want: 'a example-1 b' },
    { given: '{{{event}}}', want: '{created}' },
    { given: '', want: '' },
  ])('$given', ({ given, want }) => {
    expect(template(given).render(letter().told.fields)).toBe(want);
  });

  test.each(['{prompt}', '{', 'a}', '{held.maskedView}', '{constructor}', '{__proto__}'])('%s is refused', (given) => {
    expect(parseTemplate(given).ok).toBe(false);
  });

  test('a value that looks like a template is a value', () => {
    expect(template('{rules}').render({ ...letter().told.fields, rules: '{digest}' })).toBe('{digest}');
  });
});

describe('bodies', () => {
  const { told, atMs } = letter();

  test('JSON: all facts, and the masked view only where the route says so', () => {
    expect(webhookBody(route(), 'json', told, atMs)).toMatchSnapshot();
    expect(JSON.stringify(told)).not.toContain('This is a sample with the card');
    expect(letter({}, true).told.data['masked_view']).toContain(
      'This is a sample with the card CREDIT_CARD_0000000000',
    );
  });

  test('Slack', () => expect(webhookBody(route(), 'slack', letter({}, true).told, atMs)).toMatchSnapshot());
  test('Teams', () => expect(webhookBody(route(), 'teams', letter({}, true).told, atMs)).toMatchSnapshot());
  test('mail', () => expect(emailText(route(), letter({}, true).told.fields)).toMatchSnapshot());

  test.each(noticeEvents)('%s has a body in every format, and no button that decides', (event) => {
    const { notice, from } = sampleNotice(event, startMs, { group: 'g', rule: 'r' });
    const one = tell(notice, from, { link: 'https://console.example/{approval}', maskedView: false });
    for (const format of ['json', 'slack', 'teams'] as const) {
      const body = JSON.stringify(webhookBody(route(), format, one, startMs));
      expect(body).toContain(notice.approval.id);
      // Slack's and Teams' ways to send something back.
      expect(body).not.toMatch(/Action\.(Submit|Http|Execute)|"action_id"|"value":"(approve|reject)"/);
    }
  });

  test.each([
    { name: 'a mention of everybody', id: '<!channel> & <https://evil.example|Approve>', format: 'slack' as const },
    { name: 'a link in Markdown', id: '[Approve](https://evil.example)', format: 'teams' as const },
  ])('$name in the name of a requester is text', ({ id, format }) => {
    const notice = noticeOf(create('a', 'd', held({ requester: person(id) }), terms(), startMs), null, startMs);
    if (notice === null) throw new Error('no notice');
    const one = tell(notice, null, { link: null, maskedView: false });
    const body = JSON.stringify(webhookBody(route(), format, one, startMs));
    // Plain text of a header and a run is not read as markup; everything else is escaped.
    const marked = body.replace(/\{"type":"(plain_text|TextRun)"[^}]*\}/g, '');
    expect(marked).not.toMatch(/<!channel>|<https:|[^\\]\]\(https/);
  });

  test('line breaks, escapes and marks of direction do not reach a line; long texts are cut', () => {
    const id = `eve\r\nBcc: all@example.com\u202e\u001b[2J${'x'.repeat(5_000)}`;
    const notice = noticeOf(create('a', 'd', held({ requester: person(id) }), terms(), startMs), null, startMs);
    if (notice === null) throw new Error('no notice');
    const { fields } = tell(notice, null, { link: null, maskedView: false });
    expect(fields.requester).toMatch(/^eve Bcc: all@example.com \[2Jx+…$/);
    expect(fields.requester.length).toBe(300);
  });
});

describe('signature', () => {
  const key = webhookKey(webhookSecret);
  const signing = route({}, { key });

  test('is what the reference library verifies, and only over these bytes', () => {
    const { channel } = signing;
    if (channel.kind !== 'webhook') throw new Error('no webhook');
    const { headers, body } = postOf(signing, channel, letter(), Date.now());
    const verifier = new Webhook(webhookSecret);
    expect(verifier.verify(body, headers)).toMatchObject({ type: 'approval.created' });
    expect(() => verifier.verify(`${body} `, headers)).toThrow();
    expect(() => verifier.verify(body, { ...headers, 'webhook-id': 'msg_other' })).toThrow();
    expect(() => new Webhook(`whsec_${Buffer.alloc(32, 1).toString('base64')}`).verify(body, headers)).toThrow();
  });

  test('an attempt much later has the same id and a time of its own', () => {
    const { channel } = signing;
    if (channel.kind !== 'webhook') throw new Error('no webhook');
    const [first, second] = [startMs, startMs + 3_600_000].map((nowMs) => postOf(signing, channel, letter(), nowMs));
    expect(second?.headers['webhook-id']).toBe(first?.headers['webhook-id']);
    expect(second?.headers['webhook-timestamp']).not.toBe(first?.headers['webhook-timestamp']);
    expect(second?.body).toBe(first?.body);
  });

  test.each(['', 'whsec_', 'whsec_c2hvcnQ=', `whsec_${Buffer.alloc(65).toString('base64')}`, 'whsec_###'])(
    '%s is no key',
    (secret) => expect(webhookKey(secret)).toBeNull(),
  );
});
