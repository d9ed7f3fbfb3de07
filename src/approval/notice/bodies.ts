import { unreachable } from '../../lib/invariant.ts';
import type { JsonObject } from '../../lib/json.ts';
import type { Fields, Told } from './fields.ts';
import type { NoticeRoute, WebhookChannel } from './route.ts';

/** The body of a webhook. Cards link to where one decides with one's own identity; no button of theirs decides anything. */
export function webhookBody(
  route: NoticeRoute,
  format: WebhookChannel['format'],
  told: Told,
  atMs: number,
): JsonObject {
  switch (format) {
    case 'json':
      return { type: `approval.${told.fields.event}`, timestamp: new Date(atMs).toISOString(), data: told.data };
    case 'slack':
      return slack(route, told.fields);
    case 'teams':
      return teams(route, told.fields);
    default:
      return unreachable(format);
  }
}

/** Subject and plain text; no HTML, so that nothing in it can be markup. */
export function emailText(route: NoticeRoute, fields: Fields): { readonly subject: string; readonly text: string } {
  const facts = factsOf(fields).map(([name, value]) => `${`${name}:`.padEnd(14)}${value}`);
  const where = fields.link === '' ? fields.command : `${fields.link}\n${fields.command}`;
  const view = fields.masked_view === '' ? [] : ['', fields.masked_view];
  return {
    subject: route.title.render(fields),
    text: [route.text.render(fields), '', ...facts, '', where, ...view, ''].join('\n'),
  };
}

function factsOf(fields: Fields): readonly (readonly [string, string])[] {
  const all: readonly (readonly [string, string])[] = [
    ['State', fields.state],
    ['Asked by', fields.requester],
    ['For', `${fields.model} at ${fields.host}${fields.path}`],
    ['Rules', fields.rules],
    ['Because', fields.reasons],
    ['Found', fields.findings],
    ['May decide', `${fields.quorum} of ${fields.groups}`],
    ['Decided by', fields.decided_by],
    ['Their reason', fields.decision_reason],
    ['Pending until', fields.event === 'created' ? fields.pending_until : ''],
    ['Grant until', fields.grant_until],
    ['Approval', fields.approval],
  ];
  return all.filter(([, value]) => value !== '');
}

/** Slack's bounds: 150 characters of a header, 3,000 of a section, 2,000 of a field, ten fields a section. */
function slack(route: NoticeRoute, fields: Fields): JsonObject {
  const title = route.title.render(fields);
  const text = { type: 'mrkdwn', text: cut(slackEscape(route.text.render(fields)), 3_000) };
  const facts = factsOf(fields).map(([name, value]) => ({
    type: 'mrkdwn',
    text: cut(`*${name}*\n${slackEscape(value)}`, 2_000),
  }));
  const sections: JsonObject[] = [];
  for (let at = 0; at < facts.length; at += 10) sections.push({ type: 'section', fields: facts.slice(at, at + 10) });
  return {
    // Shown in the notification; not markup.
    text: slackEscape(cut(title, 300)),
    blocks: [
      { type: 'header', text: { type: 'plain_text', text: cut(title, 150), emoji: false } },
      { type: 'section', text },
      ...sections,
      ...(fields.masked_view === ''
        ? []
        : [{ type: 'section', text: { type: 'plain_text', text: cut(fields.masked_view, 3_000), emoji: false } }]),
      ...(fields.link === ''
        ? []
        : [
            {
              type: 'actions',
              elements: [{ type: 'button', text: { type: 'plain_text', text: 'Review and decide' }, url: fields.link }],
            },
          ]),
      { type: 'context', elements: [{ type: 'mrkdwn', text: cut(`\`${slackEscape(fields.command)}\``, 2_000) }] },
    ],
  };
}

/** `<` begins a link, a mention or `@channel`; these three are all that Slack reads as control characters. */
function slackEscape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** An adaptive card as Teams' workflow webhooks take it. */
function teams(route: NoticeRoute, fields: Fields): JsonObject {
  const plain = (text: string, more: JsonObject = {}): JsonObject => ({
    // Not a TextBlock: that one reads Markdown, links among it.
    type: 'RichTextBlock',
    inlines: [{ type: 'TextRun', text: cut(text, 4_000), ...more }],
  });
  return {
    type: 'message',
    attachments: [
      {
        contentType: 'application/vnd.microsoft.card.adaptive',
        contentUrl: null,
        content: {
          $schema: 'http://adaptivecards.io/schemas/adaptive-card.json',
          type: 'AdaptiveCard',
          version: '1.4',
          body: [
            plain(route.title.render(fields), { size: 'Large', weight: 'Bolder' }),
            plain(route.text.render(fields)),
            {
              type: 'FactSet',
              facts: factsOf(fields).map(([title, value]) => ({ title, value: markdownEscape(cut(value, 1_000)) })),
            },
            ...(fields.masked_view === '' ? [] : [plain(fields.masked_view, { fontType: 'Monospace' })]),
            plain(fields.command, { fontType: 'Monospace' }),
          ],
          actions: fields.link === '' ? [] : [{ type: 'Action.OpenUrl', title: 'Review and decide', url: fields.link }],
        },
      },
    ],
  };
}

/** What the small Markdown of a fact reads: links, emphasis, lists. */
function markdownEscape(text: string): string {
  return text.replace(/[\\[\]()*_`~#<>|]/g, '\\$&');
}

function cut(text: string, charsMax: number): string {
  return text.length <= charsMax ? text : `${text.slice(0, charsMax - 1).toWellFormed()}…`;
}
