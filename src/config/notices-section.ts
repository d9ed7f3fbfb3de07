import { z } from 'zod';
import { noticeEvents, requesterEvents } from '../approval/notice/notice.ts';
import { isToRequester } from '../approval/notice/route.ts';
import { webhookKey } from '../approval/notice/standard-webhook.ts';
import {
  defaultText,
  defaultTitle,
  parseTemplate,
  requesterText,
  requesterTitle,
  type Template,
} from '../approval/notice/template.ts';
import { invariant } from '../lib/invariant.ts';
import { limits } from '../lib/limits.ts';
import type { NoticeRouteConfig, NoticesConfig } from './config.ts';
import { createSecret, type Secret } from './secret.ts';
import { distinct, isLoopback, path, text } from './values.ts';

/** The `notices` section. */
export function noticesSection(base: string): z.ZodType<NoticesConfig> {
  return z
    .strictObject({
      directory: path(base).prefault('data/notices').meta({
        description: 'Where notices wait until they are delivered, and where those are that could not be.',
      }),
      link: z
        .string()
        .regex(/^https?:\/\/[^\s{}]+\{approval\}[^\s{}]*$/, 'must be a URL with {approval} for the id')
        .nullable()
        .default(null)
        .meta({
          description:
            'Where people decide, `https://console.example.com/approvals/{approval}`. Null: notices name the command line only.',
        }),
      routes: z
        .array(route(base))
        .max(limits.noticeRoutesMax, `must have at most ${limits.noticeRoutesMax} entries`)
        .refine((list) => new Set(list.map(({ name }) => name)).size === list.length, 'must not use a name twice')
        .default([])
        .meta({ description: 'Who is told of what. None: nobody is told.' }),
    })
    .transform((given): NoticesConfig => given);
}

function route(base: string) {
  return z
    .strictObject({
      name: z
        .string()
        .regex(/^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/, 'must be a name such as on-call')
        .meta({ description: 'Names the route in metrics and on the command line.' }),
      events: z
        .array(z.enum(noticeEvents))
        .min(1, 'must name at least one event')
        .optional()
        .meta({ description: `What is told. Default: all; to requesters ${requesterEvents.join(', ')}.` }),
      groups: distinct(text, 64)
        .prefault([])
        .meta({ description: 'Only approvals that one of these groups may decide; empty: all.' }),
      rules: distinct(text, 64)
        .prefault([])
        .meta({ description: 'Only approvals that one of these rules asked for; empty: all.' }),
      masked_view: z.boolean().default(false).meta({
        description: 'Whether the masked conversation goes along. The receiver then keeps what people wrote.',
      }),
      title: template()
        .optional()
        .meta({
          description: `One line; \`{field}\` stands for a fact. Default: \`${defaultTitle}\`, to requesters \`${requesterTitle}\`.`,
        }),
      text: template()
        .optional()
        .meta({
          description: `What is said below the title; \`{field}\` stands for a fact. Default: \`${defaultText}\`, to requesters that the same request passes once it is approved.`,
        }),
      webhook: webhook(base).optional().meta({ description: 'An HTTP POST.' }),
      email: email(base).optional().meta({ description: 'A mail by SMTP.' }),
    })
    .transform((given, context): NoticeRouteConfig => {
      const { masked_view: maskedView, webhook: hook, email: mail, ...rest } = given;
      const [channel, other] = [hook, mail].filter((one) => one !== undefined);
      if (channel === undefined || other !== undefined) {
        context.addIssue('must have exactly one of webhook and email');
        return z.NEVER;
      }
      for (const name of ['title', 'text'] as const) {
        if (maskedView || !rest[name]?.fields.includes('masked_view')) continue;
        context.addIssue({ code: 'custom', path: [name], message: 'has {masked_view}, but masked_view is false' });
      }
      const [title, text, events] = isToRequester(channel)
        ? [requesterTitle, requesterText, requesterEvents]
        : [defaultTitle, defaultText, noticeEvents];
      return {
        ...rest,
        events: rest.events ?? events,
        title: rest.title ?? fallback(title),
        text: rest.text ?? fallback(text),
        maskedView,
        channel,
      };
    });
}

function fallback(text: string): Template {
  const parsed = parseTemplate(text);
  invariant(parsed.ok, 'our own words are a template');
  return parsed.value;
}

function template() {
  return z
    .string()
    .max(4_096, 'is too long')
    .transform((source, context): Template => {
      const parsed = parseTemplate(source);
      if (parsed.ok) return parsed.value;
      context.addIssue(parsed.error);
      return z.NEVER;
    });
}

function webhook(base: string) {
  return z
    .strictObject({
      url: z
        .url({ protocol: /^https?$/, error: 'must be an http: or https: URL' })
        .transform(createSecret)
        .meta({
          description:
            'Where to post; a reference when the URL is a secret, as those of Slack and Teams are. Redirects are not followed.',
        }),
      format: z.enum(['json', 'slack', 'teams']).default('json').meta({
        description: '`json`: all facts. `slack`: Block Kit. `teams`: an adaptive card for a workflow.',
      }),
      secret: z
        .string()
        .max(128)
        .refine((given) => webhookKey(given) !== null, 'must be whsec_ and 24 to 64 bytes in base64')
        .transform(createSecret)
        .nullable()
        .default(null)
        .meta({ description: 'Signs each post (Standard Webhooks); a reference. `json` needs one.' }),
      ca_file: caFile(base),
      allow_plaintext: plaintext(),
    })
    .transform((given, context) => {
      const url = new URL(given.url.reveal());
      if (url.protocol === 'http:' && !given.allow_plaintext && !isLoopback(url.hostname.replace(/^\[|\]$/g, ''))) {
        const message = 'travels in plain text: use https, or set allow_plaintext where a mesh encrypts';
        context.addIssue({ code: 'custom', path: ['url'], message });
      }
      if (given.format === 'json' && given.secret === null) {
        context.addIssue({
          code: 'custom',
          path: ['secret'],
          message: 'is missing: receivers could not tell who posts',
        });
      }
      const { url: target, format, secret, ca_file: ca } = given;
      return { kind: 'webhook' as const, url: target, format, secret, caFile: ca };
    });
}

function email(base: string) {
  return z
    .strictObject({
      host: z
        .string()
        .regex(/^[A-Za-z0-9.:_-]{1,253}$/, 'must be a host')
        .meta({ description: 'The SMTP server.' }),
      port: z.int().min(1).max(65_535).default(587).meta({ description: 'Its port.' }),
      tls: z.enum(['starttls', 'implicit', 'none']).default('starttls').meta({
        description:
          '`starttls`: a server that does not offer it is refused. `implicit`: from the first byte, port 465.',
      }),
      username: text.optional().meta({ description: 'User of the server.' }),
      password: z.string().min(1).transform(createSecret).optional().meta({ description: 'Password; a reference.' }),
      ca_file: caFile(base),
      allow_plaintext: plaintext(),
      from: mailbox.meta({ description: 'Sender.' }),
      to: distinct(mailbox, 64).prefault([]).meta({ description: 'Recipients.' }),
      to_requester: z.boolean().default(false).meta({
        description:
          'Instead of `to`: writes to whoever asked, where the token names an address (`identity.issuers[].claims.email`), and to people only.',
      }),
    })
    .transform((given, context) => {
      const { host, port, tls, username, password, ca_file: ca, from, to, to_requester: toRequester } = given;
      if (tls === 'none' && !given.allow_plaintext && !isLoopback(host)) {
        const message = 'means plain text: use starttls or implicit, or set allow_plaintext where a mesh encrypts';
        context.addIssue({ code: 'custom', path: ['tls'], message });
      }
      if (to.length === 0 && !toRequester) {
        context.addIssue({ code: 'custom', path: ['to'], message: 'must name somebody, or to_requester must be true' });
      }
      if (to.length > 0 && toRequester) {
        const message = 'must not stand beside to: name people on a route of their own';
        context.addIssue({ code: 'custom', path: ['to_requester'], message });
      }
      if ((username === undefined) !== (password === undefined)) {
        context.addIssue({ code: 'custom', path: ['username'], message: 'and password go together' });
      }
      const login: { readonly user: string; readonly password: Secret } | null =
        username === undefined || password === undefined ? null : { user: username, password };
      const recipients = toRequester ? ('requester' as const) : to;
      return { kind: 'email' as const, host, port, tls, login, caFile: ca, from, to: recipients };
    });
}

function caFile(base: string) {
  return path(base)
    .nullable()
    .default(null)
    .meta({ description: 'Authority to trust instead of the usual ones, PEM.' });
}

function plaintext() {
  return z.boolean().default(false).meta({ description: 'Plain text beyond this machine: where a mesh encrypts.' });
}

const mailbox: z.ZodType<string, string> = z
  .string()
  .regex(/^[^\s@<>,;"]{1,64}@[A-Za-z0-9.-]{1,253}$/, 'must be an address such as on-call@example.com');
