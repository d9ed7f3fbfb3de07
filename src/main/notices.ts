import { readFileSync } from 'node:fs';
import { createDeliver, type Deliver } from '../approval/notice/delivery.ts';
import { openSpool, type Spool } from '../approval/notice/file-spool.ts';
import { postOnce } from '../approval/notice/http-post.ts';
import { type Notices, startNotices } from '../approval/notice/notices.ts';
import { isToRequester, type NoticeRoute } from '../approval/notice/route.ts';
import { mailOnce } from '../approval/notice/smtp-mailer.ts';
import { webhookKey } from '../approval/notice/standard-webhook.ts';
import type { NoticesConfig } from '../config/config.ts';
import type { Clock } from '../lib/clock.ts';
import type { RandomBytes } from '../lib/ids.ts';
import { limits } from '../lib/limits.ts';
import type { Log, Metrics } from '../telemetry/telemetry.ts';

export interface NoticesParts {
  readonly clock: Clock;
  readonly random: RandomBytes;
  readonly log: Log;
  readonly metrics: Metrics;
}

/** Notices as configured; without routes nothing is made, and nobody is told. */
export async function openNotices(
  config: NoticesConfig,
  approvalsKeptMs: number,
  parts: NoticesParts,
): Promise<Notices> {
  if (config.routes.length === 0) return { tell: async () => {}, close: async () => {} };
  const spool: Spool = await openSpool(config.directory);
  const { routes, link } = { routes: noticeRoutes(config), link: config.link };
  return startNotices({ ...parts, spool, deliver: networkDelivery(parts.clock) }, { routes, link, approvalsKeptMs });
}

/** Whether anything is ever written to a requester. */
export function tellsRequesters({ routes }: NoticesConfig): boolean {
  return routes.some(({ channel }) => isToRequester(channel));
}

export function networkDelivery(clock: Clock): Deliver {
  return createDeliver({
    clock,
    post: (post, signal) => postOnce(post, limits.noticeDeliveryMs, signal),
    mail: (mail, signal) => mailOnce(mail, limits.noticeDeliveryMs, signal),
  });
}

/** Routes with their secrets and authorities read. */
export function noticeRoutes(config: NoticesConfig): readonly NoticeRoute[] {
  return config.routes.map(({ channel, ...route }): NoticeRoute => {
    const ca = channel.caFile === null ? null : readFileSync(channel.caFile, 'utf8');
    if (channel.kind === 'webhook') {
      const { kind, format, url } = channel;
      const key = channel.secret === null ? null : webhookKey(channel.secret.reveal());
      return { ...route, channel: { kind, format, url: url.reveal(), key, ca } };
    }
    const { kind, host, port, tls, from, to } = channel;
    const login = channel.login === null ? null : { ...channel.login, password: channel.login.password.reveal() };
    return { ...route, channel: { kind, host, port, tls, ca, login, from, to } };
  });
}
