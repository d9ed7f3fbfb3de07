import type { Notice, NoticeEvent } from './notice.ts';
import type { Template } from './template.ts';

/** Where notices go, which of them, and in which words. Times and secrets are as configured; nothing of it is from traffic. */
export interface NoticeRoute {
  /** Lower-case letters, digits and hyphens. */
  readonly name: string;
  readonly events: readonly NoticeEvent[];
  /** Only approvals that one of these groups may decide; empty: all. */
  readonly groups: readonly string[];
  /** Only approvals that one of these rules asked for; empty: all. */
  readonly rules: readonly string[];
  readonly maskedView: boolean;
  readonly title: Template;
  readonly text: Template;
  readonly channel: WebhookChannel | EmailChannel;
}

export interface WebhookChannel {
  readonly kind: 'webhook';
  readonly url: string;
  readonly format: 'json' | 'slack' | 'teams';
  /** Key of the signature; null: not signed, for receivers whose URL is the secret. */
  readonly key: Uint8Array | null;
  /** Authorities to trust instead of the usual ones, PEM. */
  readonly ca: string | null;
}

export interface EmailChannel {
  readonly kind: 'email';
  readonly host: string;
  readonly port: number;
  /** `starttls` refuses a server that does not offer it. */
  readonly tls: 'implicit' | 'starttls' | 'none';
  readonly ca: string | null;
  readonly login: { readonly user: string; readonly password: string } | null;
  readonly from: string;
  /** `requester`: whoever asked, where its token names an address; others hear nothing by this route. */
  readonly to: readonly string[] | 'requester';
}

/** Whether what goes by this channel is for the requester alone. */
export function isToRequester(channel: { readonly kind: 'webhook' } | Pick<EmailChannel, 'kind' | 'to'>): boolean {
  return channel.kind === 'email' && channel.to === 'requester';
}

/** Whether the route is told of it. */
export function wants(route: NoticeRoute, { event, approval }: Notice): boolean {
  const meets = (wanted: readonly string[], given: readonly string[]) =>
    wanted.length === 0 || wanted.some((one) => given.includes(one));
  return (
    route.events.includes(event) &&
    meets(route.groups, [...approval.terms.approverGroups, ...approval.terms.breakGlassGroups]) &&
    meets(route.rules, approval.held.rules)
  );
}
