import type { ClientReadableStream, ServiceError } from '@grpc/grpc-js';
import type { Command } from 'commander';
import {
  type Approval,
  type GetResponse,
  ListRequest,
  type ListResponse,
  State,
  type WatchResponse,
} from '../gen/countersign/approval/v1/approval.ts';
import { type ApiOptions, apiError, openApprovals, unary, withApiOptions } from './api-client.ts';
import { approvalJson, stateName } from './approval-json.ts';
import { CliError, exitCodes, printable, printJson, printLine, table } from './output.ts';

interface Shown extends ApiOptions {
  readonly json?: boolean;
}

/** `countersign approvals …`: what waits for a human, and the human's word. */
export function addApprovalsCommands(program: Command): void {
  const approvals = program.command('approvals').description('See what is held, and decide');

  withApiOptions(approvals.command('list'))
    .description('approvals that you may see, newest first')
    .option('--state <state>', 'pending, approved, rejected, expired, cancelled, consumed or revoked')
    .option('--group <group>', 'only those that this group may decide')
    .option('--limit <n>', 'at most this many', '50')
    .option('--json', 'one JSON document a line')
    .action(async (options: Shown & { state?: string; group?: string; limit: string }) => {
      const { client, metadata } = openApprovals(options);
      const wanted = Number(options.limit);
      if (!Number.isInteger(wanted) || wanted < 1)
        throw new CliError('--limit takes a whole number from 1.', exitCodes.usage);
      const found: Approval[] = [];
      let pageToken = '';
      do {
        const request = ListRequest.fromPartial({
          state: stateFrom(options.state),
          group: options.group ?? '',
          pageSize: Math.min(wanted - found.length, 100),
          pageToken,
        });
        const page = await unary<ListResponse>((done) => client.list(request, metadata, done));
        found.push(...page.approvals);
        pageToken = page.nextPageToken;
      } while (pageToken !== '' && found.length < wanted);
      client.close();
      if (options.json) for (const approval of found) printJson(approvalJson(approval));
      else printLine(found.length === 0 ? 'nothing is held' : approvalTable(found));
    });

  withApiOptions(approvals.command('get'))
    .description('one approval, with the masked text')
    .argument('<id>')
    .option('--json', 'as JSON')
    .action(async (id: string, options: Shown) => {
      const { client, metadata } = openApprovals(options);
      const { approval } = await unary<GetResponse>((done) => client.get({ id }, metadata, done));
      client.close();
      show(approval, options);
    });

  for (const verdict of ['approve', 'reject', 'cancel', 'revoke'] as const) {
    const meaning = {
      approve: 'let the identical request through',
      reject: 'refuse it',
      cancel: 'withdraw your own pending request',
      revoke: 'take back a grant that is not used up',
    };
    withApiOptions(approvals.command(verdict))
      .description(meaning[verdict])
      .argument('<id>')
      .option('--reason <text>', 'why; goes on record', '')
      .option('--json', 'as JSON')
      .action(async (id: string, options: Shown & { reason: string }) => {
        const { client, metadata } = openApprovals(options);
        const { approval } = await unary<{ approval: Approval | undefined }>((done) =>
          client[verdict]({ id, reason: options.reason, requestId: '' }, metadata, done),
        );
        client.close();
        if (options.json) show(approval, options);
        else if (approval) printLine(`${approval.id} is ${stateName(approval.state)}`);
      });
  }

  withApiOptions(approvals.command('watch'))
    .description('what is held now, then every change, until interrupted')
    .option('--group <group>', 'only those that this group may decide')
    .option('--json', 'one JSON document a line')
    .action((options: Shown & { group?: string }) => watch(options));
}

function watch(options: Shown & { group?: string }): Promise<void> {
  const { client, metadata } = openApprovals(options);
  return new Promise((resolve, reject) => {
    let stream: ClientReadableStream<WatchResponse>;
    let isInterrupted = false;
    const follow = (): void => {
      stream = client.watch({ id: '', group: options.group ?? '', resumeToken: '' }, metadata);
      stream.on('data', ({ approval }: WatchResponse) => {
        if (!approval) return;
        if (options.json) printJson(approvalJson(approval));
        else printLine(rowOf(approval).join('  '));
      });
      // The server ends a watch in good order after a while: ask again.
      stream.on('end', () => {
        if (!isInterrupted) follow();
      });
      stream.on('error', (error: ServiceError) => {
        client.close();
        if (isInterrupted) resolve();
        else reject(apiError(error));
      });
    };
    process.once('SIGINT', () => {
      isInterrupted = true;
      stream.cancel();
    });
    follow();
  });
}

function show(approval: Approval | undefined, options: Shown): void {
  if (!approval) throw new CliError('The service answered without an approval.');
  if (options.json) {
    printJson(approvalJson(approval));
    return;
  }
  const rows: [string, string][] = [
    ['id', approval.id],
    ['state', stateName(approval.state)],
    ['asked by', person(approval.requester)],
    ['for', `${approval.resource?.model ?? ''} at ${approval.resource?.host ?? ''}${approval.resource?.path ?? ''}`],
    ['rules', approval.rules.join(', ')],
    ['because', approval.reasons.join('; ')],
    ['their reason', approval.requesterReason],
    ['found', approval.findings.map(({ entity, count }) => `${entity} x${count}`).join(', ')],
    ['may decide', `${approval.terms?.quorum ?? 1} of ${approval.terms?.approverGroups.join(', ') ?? ''}`],
    ['created', approval.createTime?.toISOString() ?? ''],
    ['pending until', approval.pendingUntil?.toISOString() ?? ''],
    ['grant until', approval.grantUntil?.toISOString() ?? ''],
    ['uses left', String(approval.usesLeft)],
    ['digest', approval.digest],
    ['exchange', approval.exchange],
  ];
  for (const [name, value] of rows) if (value !== '') printLine(`${name.padEnd(14)}${printable(value)}`);
  for (const decision of approval.decisions) {
    printLine(
      `${'decision'.padEnd(14)}${printable(`${person(decision.by)} ${verdictName(decision.verdict)} ${decision.reason}`)}`,
    );
  }
  printLine(`\n${printable(approval.maskedView)}`);
}

function approvalTable(found: readonly Approval[]): string {
  return table(['ID', 'STATE', 'AGE', 'REQUESTER', 'MODEL', 'RULES'], found.map(rowOf));
}

function rowOf(approval: Approval): string[] {
  return [
    approval.id,
    stateName(approval.state),
    `${approval.age?.seconds ?? 0}s`,
    printable(person(approval.requester)),
    printable(approval.resource?.model ?? ''),
    approval.rules.join(','),
  ];
}

function person(who: { readonly id: string; readonly displayName: string } | undefined): string {
  return who ? who.displayName || who.id : 'unknown';
}

function verdictName(verdict: number): string {
  return ['', 'approved', 'rejected', 'revoked', 'cancelled'][verdict] ?? '';
}

function stateFrom(name: string | undefined): State {
  if (name === undefined) return State.STATE_UNSPECIFIED;
  const found = Object.entries(State).find(([key]) => key === `STATE_${name.toUpperCase()}`);
  if (!found)
    throw new CliError(
      `There is no state ${name}. Use pending, approved, rejected, expired, cancelled, consumed or revoked.`,
      exitCodes.usage,
    );
  return found[1];
}
