import type { Clock } from '../../lib/clock.ts';
import { emailText, webhookBody } from './bodies.ts';
import type { Letter } from './letter.ts';
import type { EmailChannel, NoticeRoute, WebhookChannel } from './route.ts';
import { signedHeaders } from './standard-webhook.ts';

/** What became of one attempt. `reason` is for operators: a status, a code of the network; nothing that a receiver wrote. */
export type Delivery =
  | { readonly kind: 'sent' }
  | { readonly kind: 'failed'; readonly reason: string; readonly retryAfterMs: number | null }
  /** It would fail again: the receiver says that it is gone for good. */
  | { readonly kind: 'refused'; readonly reason: string };

/** Sends a letter once. Never throws. */
export type Deliver = (route: NoticeRoute, letter: Letter, signal: AbortSignal) => Promise<Delivery>;

/** A request, made ready: `notices dry-run` prints it, `http-post.ts` sends it. */
export interface Post {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly ca: string | null;
}

export interface Mail {
  readonly channel: EmailChannel;
  /** RFC 5322 Message-ID, the same over all attempts. */
  readonly messageId: string;
  readonly to: readonly string[];
  readonly subject: string;
  readonly text: string;
}

export interface Transports {
  readonly clock: Clock;
  post(post: Post, signal: AbortSignal): Promise<Delivery>;
  mail(mail: Mail, signal: AbortSignal): Promise<Delivery>;
}

export function createDeliver({ clock, post, mail }: Transports): Deliver {
  return async (route, letter, signal) => {
    const { channel } = route;
    if (channel.kind === 'webhook') return post(postOf(route, channel, letter, clock.nowMs()), signal);
    const made = mailOf(route, channel, letter);
    // The route wrote to somebody else when the letter was kept.
    if (made.to.length === 0) return { kind: 'refused', reason: 'it names nobody to write to' };
    return mail(made, signal);
  };
}

export function postOf(route: NoticeRoute, channel: WebhookChannel, letter: Letter, nowMs: number): Post {
  const body = JSON.stringify(webhookBody(route, channel.format, letter.told, letter.atMs));
  const signed = channel.key === null ? {} : signedHeaders(channel.key, letter.notice, nowMs, body);
  const headers = { 'content-type': 'application/json', 'user-agent': 'countersign', ...signed };
  return { url: channel.url, headers, body, ca: channel.ca };
}

export function mailOf(route: NoticeRoute, channel: EmailChannel, letter: Letter): Mail {
  const domain = channel.from.replace(/^.*@|>.*$/g, '') || 'countersign.invalid';
  const { subject, text } = emailText(route, letter.told.fields);
  const to = channel.to !== 'requester' ? channel.to : letter.to === undefined ? [] : [letter.to];
  return { channel, messageId: `<${letter.notice}.${route.name}@${domain}>`, to, subject, text };
}
