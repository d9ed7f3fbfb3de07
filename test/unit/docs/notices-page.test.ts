import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { fieldNames } from '../../../src/approval/notice/fields.ts';
import { noticeEvents } from '../../../src/approval/notice/notice.ts';
import { checkConfig } from '../../../src/config/check.ts';
import { webhookSecret } from '../../support/notices.ts';

/** Requesters have addresses only where there are tokens. */
const identity = 'identity: { issuers: [{ issuer: "https://idp.example.com", audiences: [a] }] }';
const page = readFileSync(new URL('../../../docs/notices.md', import.meta.url), 'utf8');

test('its configuration is right', () => {
  const [, yaml = ''] = /```yaml\n(.*?)```/s.exec(page) ?? [];
  const { config, problems } = checkConfig(`policy: { bundle: b }\n${identity}\n${yaml}`, '/etc/countersign.yaml', {
    env: { NOTICE_SECRET: webhookSecret, SLACK_WEBHOOK_URL: 'https://hooks.example.com/services/x' },
    readText: () => 'a password\n',
    readPem: () => null,
    kindOf: (path) => (path === '/etc/b' ? 'file' : 'missing'),
  });
  expect(problems).toEqual([]);
  expect(config?.notices.routes.map(({ name, channel }) => [name, channel.kind])).toEqual([
    ['siem', 'webhook'],
    ['on-call', 'webhook'],
    ['security', 'email'],
    ['requester', 'email'],
  ]);
});

test('it lists the fields and the events that there are', () => {
  const [, listed = ''] = /The fields are a closed list: (.*?) There is no field/s.exec(page) ?? [];
  expect([...listed.matchAll(/`(\w+)`/g)].map((match) => match[1])).toEqual(fieldNames);
  expect([...page.matchAll(/^\| `(\w+)` \|/gm)].map((match) => match[1])).toEqual(noticeEvents);
});
