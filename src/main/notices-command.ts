import type { Command } from 'commander';
import { type Deliver, mailOf, postOf } from '../approval/notice/delivery.ts';
import { tell } from '../approval/notice/fields.ts';
import { openSpool, type Spool } from '../approval/notice/file-spool.ts';
import { type Letter, letterKey } from '../approval/notice/letter.ts';
import { type Notice, type NoticeEvent, newsMs, noticeEvents } from '../approval/notice/notice.ts';
import { isToRequester, type NoticeRoute } from '../approval/notice/route.ts';
import type { NoticesConfig } from '../config/config.ts';
import { systemClock } from '../lib/clock.ts';
import type { JsonObject } from '../lib/json.ts';
import { sampleNotice } from './notice-sample.ts';
import { CliError, exitCodes, printable, printJson, printLine, table } from './output.ts';

interface Common {
  readonly config: string;
  readonly json?: boolean;
}

interface SampleOptions extends Common {
  readonly event: string;
  readonly route?: string;
  readonly to?: string;
}

/** `countersign notices …`: who would be told what, whether it arrives, and what did not. */
export function addNoticesCommands(program: Command): void {
  const notices = program.command('notices').description('notices about approvals: try, inspect, send again');

  withSample(notices.command('dry-run'))
    .description('print what would be sent for a sample approval; sends nothing')
    .action(async (options: SampleOptions) => {
      for (const { route, letter } of await samples(options)) {
        const shown = preview(route, letter);
        if (options.json) printJson(shown);
        else printLine(JSON.stringify(shown, null, 2));
      }
    });

  withSample(notices.command('test'))
    .description('send the sample to each route, and say what came of it; 1 when one of them failed')
    .action(async (options: SampleOptions) => {
      const { networkDelivery } = await import('./notices.ts');
      const deliver: Deliver = networkDelivery(systemClock);
      for (const { route, letter } of await samples(options)) {
        const isForNobody = letter.to !== undefined && options.to === undefined;
        const delivery = isForNobody ? toNobody : await deliver(route, letter, new AbortController().signal);
        const problem = delivery.kind === 'sent' ? null : delivery.reason;
        if (problem !== null) process.exitCode = exitCodes.no;
        if (options.json) printJson({ route: route.name, sent: problem === null, problem });
        else printLine(`${route.name}: ${problem === null ? 'sent' : `not sent: ${printable(problem)}`}`);
      }
    });

  withConfig(notices.command('dead-letters'))
    .description('what could not be delivered, and why')
    .action(async (options: Common) => {
      const spool = await spoolOf(options);
      const letters = await lettersIn(spool);
      if (options.json) for (const letter of letters) printJson(letterJson(letter));
      else printLine(letters.length === 0 ? 'there are no dead letters' : letterTable(letters));
    });

  withConfig(notices.command('replay'))
    .description('put dead letters back into the queue; a running service takes them up within seconds')
    .argument('[key...]', 'as dead-letters shows them')
    .option('--all', 'all of them')
    .action(async (keys: readonly string[], options: Common & { all?: boolean }) => {
      if (keys.length === 0 && !options.all) throw new CliError('Name letters, or say --all.', exitCodes.usage);
      const spool = await spoolOf(options);
      const wanted = options.all ? await spool.keys('dead') : keys;
      let replayed = 0;
      for (const key of wanted) {
        if (await replay(spool, key)) replayed += 1;
        else throw new CliError(`There is no dead letter ${printable(key)}.`);
      }
      if (options.json) printJson({ replayed });
      else printLine(`${replayed} back in the queue`);
    });
}

function withConfig(command: Command): Command {
  return command
    .requiredOption('-c, --config <file>', 'configuration file of the service (YAML)')
    .option('--json', 'one JSON document a line');
}

function withSample(command: Command): Command {
  return withConfig(command)
    .option('--event <event>', `what has happened: ${noticeEvents.join(', ')}`, 'created')
    .option('--route <name>', 'only this route, whatever it wants to know')
    .option('--to <address>', 'who the requester of the sample is, for routes that write to requesters');
}

/** The sample has no requester whom anybody could write to. */
const toNobody = { kind: 'refused', reason: 'it goes to the requester: say --to ADDRESS' } as const;

async function noticesConfig(file: string): Promise<NoticesConfig> {
  const [{ loadConfig }, { formatProblems }] = await Promise.all([
    import('../config/load.ts'),
    import('../config/problem.ts'),
  ]);
  const loaded = loadConfig(file, process.env);
  if (loaded.ok) return loaded.value.config.notices;
  throw new CliError(`the configuration is not usable:\n${formatProblems(file, loaded.error)}`, exitCodes.usage);
}

/** The sample, for each route that is to be told of it. */
async function samples(
  options: SampleOptions,
): Promise<readonly { readonly route: NoticeRoute; readonly letter: Letter }[]> {
  const config = await noticesConfig(options.config);
  const { noticeRoutes } = await import('./notices.ts');
  const routes = noticeRoutes(config);
  const event = noticeEvents.find((one) => one === options.event);
  if (event === undefined) {
    throw new CliError(`There is no event ${options.event}. Use ${noticeEvents.join(', ')}.`, exitCodes.usage);
  }
  const named = options.route;
  const chosen = routes.filter((route) => (named === undefined ? route.events.includes(event) : route.name === named));
  if (chosen.length === 0) {
    const what = named === undefined ? `no route is told of ${event}` : `there is no route ${named}`;
    throw new CliError(`In ${options.config} ${what}.`);
  }
  return chosen.map((route) => ({
    route,
    letter: sampleLetter(config, route, event, options.to ?? 'alice@example.com'),
  }));
}

/** As the route would be told: of an approval that one of its groups may decide, by one of its rules. */
function sampleLetter(config: NoticesConfig, route: NoticeRoute, event: NoticeEvent, requester: string): Letter {
  const nowMs = systemClock.nowMs();
  const { notice, from }: { notice: Notice; from: string | null } = sampleNotice(event, nowMs, {
    group: route.groups[0] ?? 'production-approvers',
    rule: route.rules[0] ?? 'production_change',
  });
  const toRequester = isToRequester(route.channel);
  const told = tell(notice, from, { link: config.link, maskedView: route.maskedView, toRequester });
  const { id, atMs, untilMs } = notice;
  const key = letterKey(id, route.name);
  const times = { atMs, untilMs, attempts: 0, nextAtMs: nowMs };
  return {
    key,
    route: route.name,
    ...(toRequester ? { to: requester } : {}),
    notice: id,
    told,
    ...times,
    problem: null,
  };
}

/** What goes over the wire, less what is secret: of a URL the host, of a signature nothing. */
function preview(route: NoticeRoute, letter: Letter): JsonObject {
  const { channel } = route;
  if (channel.kind === 'webhook') {
    const post = postOf(route, channel, letter, systemClock.nowMs());
    const headers = { ...post.headers, ...(channel.key === null ? {} : { 'webhook-signature': 'v1,…' }) };
    const body: JsonObject = JSON.parse(post.body);
    return { route: route.name, post: `${new URL(post.url).origin}/…`, headers, body };
  }
  const { subject, text, messageId, to } = mailOf(route, channel, letter);
  const { host, port, from } = channel;
  return { route: route.name, smtp: `${host}:${port}`, from, to, message_id: messageId, subject, text };
}

async function spoolOf(options: Common): Promise<Spool> {
  const { directory } = await noticesConfig(options.config);
  try {
    return await openSpool(directory);
  } catch {
    throw new CliError(`${directory} cannot be read and written by this user.`);
  }
}

async function lettersIn(spool: Spool): Promise<readonly Letter[]> {
  const found: Letter[] = [];
  for (const key of await spool.keys('dead')) {
    const letter = await spool.read('dead', key);
    if (letter !== null) found.push(letter);
  }
  return found;
}

async function replay(spool: Spool, key: string): Promise<boolean> {
  const letter = await spool.read('dead', key);
  if (letter === null) return false;
  const nowMs = systemClock.nowMs();
  const untilMs = Math.max(letter.untilMs, nowMs + newsMs);
  await spool.put('queue', { ...letter, attempts: 0, nextAtMs: nowMs, untilMs });
  await spool.remove('dead', key);
  return true;
}

function letterJson(letter: Letter): JsonObject {
  return {
    key: letter.key,
    route: letter.route,
    notice: letter.notice,
    event: letter.told.fields.event,
    approval: letter.told.fields.approval,
    attempts: letter.attempts,
    problem: letter.problem,
    at: new Date(letter.atMs).toISOString(),
  };
}

function letterTable(letters: readonly Letter[]): string {
  const rows = letters.map(({ key, told, atMs, attempts, problem }) => [
    key,
    told.fields.event,
    new Date(atMs).toISOString(),
    String(attempts),
    printable(problem ?? ''),
  ]);
  return table(['KEY', 'EVENT', 'AT', 'ATTEMPTS', 'PROBLEM'], rows);
}
