import type { Command } from 'commander';
import { durationMs } from '../config/values.ts';
import {
  type Approval,
  Direction,
  type GetByRequestRequest,
  type GetByRequestResponse,
  type GetResponse,
  type ListRequest,
  type ListResponse,
  State,
} from '../gen/countersign/approval/v1/approval.ts';
import { type ApiOptions, openApprovals, unary, withApiOptions } from './api-client.ts';
import { approvalJson, stateName } from './approval-json.ts';
import { approvalTable, printApproval } from './approvals-view.ts';
import { CliError, exitCodes, printJson, printLine } from './output.ts';

interface Shown extends ApiOptions {
  readonly json?: boolean;
}

interface ListOptions extends Shown {
  readonly state?: readonly string[];
  readonly group?: string;
  readonly rule?: string;
  readonly model?: string;
  readonly session?: string;
  readonly requester?: string;
  readonly direction?: string;
  readonly since?: string;
  readonly before?: string;
  readonly mine?: boolean;
  readonly counts?: boolean;
  readonly limit: string;
  readonly page?: string;
}

/** `list`, `get`, `by-request`. */
export function addReadingCommands(approvals: Command): void {
  withApiOptions(approvals.command('list'))
    .description('approvals that you may see, newest first')
    .option(
      '--state <state...>',
      'pending, approved, rejected, expired, cancelled, consumed or revoked; several: any of them',
    )
    .option('--mine', 'only those that you could approve or reject now')
    .option('--group <group>', 'only those that this group may decide')
    .option('--rule <rule>', 'only those that this rule asked for')
    .option('--model <model>', 'only those for this model')
    .option('--session <session>', 'only those of this session')
    .option('--requester <id>', 'only those of this requester')
    .option('--direction <direction>', 'request, response or reveal (of sealed texts, to an auditor)')
    .option('--since <when>', 'only those created since: 90m, 12h, 7d, or a time such as 2026-01-31T12:00:00Z')
    .option('--before <when>', 'only those created before')
    .option('--limit <n>', 'at most this many', '50')
    .option('--page <token>', 'go on where a list before has ended')
    .option('--counts', 'how many there are in each state, instead of the approvals')
    .option('--json', 'one JSON document a line')
    .action(list);

  withApiOptions(approvals.command('get'))
    .description('one approval, with the masked text')
    .argument('<id>')
    .option('--json', 'as JSON')
    .action(async (id: string, options: Shown) => {
      const { client, metadata } = openApprovals(options);
      const { approval } = await unary<GetResponse>((done) => client.get({ id }, metadata, done));
      client.close();
      if (!approval) throw new CliError('The service answered without an approval.');
      if (options.json) printJson(approvalJson(approval));
      else printApproval(approval);
    });

  withApiOptions(approvals.command('by-request'))
    .description('what your own request waits for; 1 when nothing does')
    .option('--exchange <id>', 'of the request that was held: `x-countersign-exchange` of its answer')
    .option('--digest <hex>', 'of the request')
    .option('--json', 'one JSON document a line')
    .addHelpText('after', '\nWithout either: everything of yours that is pending.')
    .action(async (options: Shown & { exchange?: string; digest?: string }) => {
      const { client, metadata } = openApprovals(options);
      const request = { by: byOf(options) };
      const found = await unary<GetByRequestResponse>((done) => client.getByRequest(request, metadata, done));
      client.close();
      printList(found.approvals, options, 'nothing of yours waits');
      if (found.approvals.length === 0) process.exitCode = exitCodes.no;
    });
}

async function list(options: ListOptions): Promise<void> {
  const wanted = Number(options.limit);
  if (!Number.isInteger(wanted) || wanted < 1)
    throw new CliError('--limit takes a whole number from 1.', exitCodes.usage);
  const filter = filterOf(options);
  const { client, metadata } = openApprovals(options);
  const ask = (request: ListRequest) => unary<ListResponse>((done) => client.list(request, metadata, done));
  if (options.counts) {
    printCounts(await ask({ ...filter, pageSize: 1, pageToken: '', withCounts: true }), options);
    client.close();
    return;
  }
  const found: Approval[] = [];
  let pageToken = options.page ?? '';
  do {
    const page = await ask({ ...filter, pageSize: Math.min(wanted - found.length, 100), pageToken, withCounts: false });
    found.push(...page.approvals);
    pageToken = page.nextPageToken;
  } while (pageToken !== '' && found.length < wanted);
  client.close();
  printList(found, options, 'nothing is held');
  // Beside the documents, not among them.
  if (pageToken !== '') process.stderr.write(`there is more: --page ${pageToken}\n`);
}

function filterOf(options: ListOptions): Omit<ListRequest, 'pageSize' | 'pageToken' | 'withCounts'> {
  return {
    state: State.STATE_UNSPECIFIED,
    states: (options.state ?? []).flatMap((names) => names.split(',')).map(stateFrom),
    group: options.group ?? '',
    requesterId: options.requester ?? '',
    rule: options.rule ?? '',
    model: options.model ?? '',
    session: options.session ?? '',
    direction: directionFrom(options.direction),
    createdAfter: timeFrom('--since', options.since),
    createdBefore: timeFrom('--before', options.before),
    mineToDecide: options.mine ?? false,
  };
}

function printList(found: readonly Approval[], { json }: Shown, nothing: string): void {
  if (json) for (const approval of found) printJson(approvalJson(approval));
  else printLine(found.length === 0 ? nothing : approvalTable(found));
}

function printCounts({ counts, countsTruncated }: ListResponse, { json }: Shown): void {
  const named = counts.map(({ state, count }) => [stateName(state), count] as const);
  if (json) printJson({ counts: Object.fromEntries(named), truncated: countsTruncated });
  else if (named.length === 0) printLine('there is none');
  else
    for (const [state, count] of named) printLine(`${state.padEnd(10)}${countsTruncated ? 'at least ' : ''}${count}`);
}

function byOf({ exchange, digest }: { exchange?: string; digest?: string }): GetByRequestRequest['by'] {
  if (exchange !== undefined && digest !== undefined) {
    throw new CliError('Name --exchange or --digest, not both.', exitCodes.usage);
  }
  if (exchange !== undefined) return { $case: 'exchange', value: exchange };
  return digest === undefined ? undefined : { $case: 'digest', value: digest };
}

function stateFrom(name: string): State {
  const found = Object.entries(State).find(([key]) => key === `STATE_${name.toUpperCase()}`);
  if (found && found[1] !== State.STATE_UNSPECIFIED) return found[1];
  throw new CliError(
    `There is no state ${name}. Use pending, approved, rejected, expired, cancelled, consumed or revoked.`,
    exitCodes.usage,
  );
}

function directionFrom(name: string | undefined): Direction {
  if (name === undefined) return Direction.DIRECTION_UNSPECIFIED;
  if (name === 'request') return Direction.DIRECTION_REQUEST;
  if (name === 'response') return Direction.DIRECTION_RESPONSE;
  if (name === 'reveal') return Direction.DIRECTION_REVEAL;
  throw new CliError('--direction is request, response or reveal.', exitCodes.usage);
}

function timeFrom(option: string, text: string | undefined): Date | undefined {
  if (text === undefined) return undefined;
  const agoMs = durationMs(text);
  const at = agoMs === null ? new Date(text) : new Date(Date.now() - agoMs);
  if (!Number.isNaN(at.getTime())) return at;
  throw new CliError(
    `${option} takes a time such as 2026-01-31T12:00:00Z, or how long ago: 90m, 12h, 7d.`,
    exitCodes.usage,
  );
}
