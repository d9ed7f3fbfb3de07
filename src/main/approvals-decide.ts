import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import {
  type Approval,
  type BatchOutcome,
  type DecideBatchResponse,
  Verdict,
} from '../gen/countersign/approval/v1/approval.ts';
import { type ApiOptions, openApprovals, unary, withApiOptions } from './api-client.ts';
import { approvalJson, stateName } from './approval-json.ts';
import { CliError, exitCodes, printable, printJson, printLine } from './output.ts';

interface DecideOptions extends ApiOptions {
  readonly reason: string;
  readonly requestId: string;
  readonly json?: boolean;
}

const single = [
  { name: 'approve', method: 'approve', meaning: 'let the identical request through' },
  { name: 'reject', method: 'reject', meaning: 'refuse it' },
  { name: 'cancel', method: 'cancel', meaning: 'withdraw your own pending request' },
  { name: 'revoke', method: 'revoke', meaning: 'take back a grant that is not used up' },
  {
    name: 'break-glass',
    method: 'breakGlass',
    meaning: 'approve alone, in an emergency; needs --reason and a break-glass group, and is flagged for ever',
  },
] as const;

const batchVerdicts: Readonly<Record<string, Verdict>> = {
  approve: Verdict.VERDICT_APPROVE,
  reject: Verdict.VERDICT_REJECT,
  cancel: Verdict.VERDICT_CANCEL,
  revoke: Verdict.VERDICT_REVOKE,
};

/** How many approvals one call decides about; the service's own bound. */
const batchMax = 100;

/** `approve`, `reject`, `cancel`, `revoke`, `break-glass`, `batch`. */
export function addDecidingCommands(approvals: Command): void {
  for (const { name, method, meaning } of single) {
    withDecision(approvals.command(name))
      .description(meaning)
      .argument('<id>')
      .action(async (id: string, options: DecideOptions) => {
        const { client, metadata } = openApprovals(options);
        const { reason, requestId } = options;
        const { approval } = await unary<{ approval: Approval | undefined }>((done) =>
          client[method]({ id, reason, requestId }, metadata, done),
        );
        client.close();
        if (!approval) throw new CliError('The service answered without an approval.');
        if (options.json) printJson(approvalJson(approval));
        else printLine(`${approval.id} is ${stateName(approval.state)}${stillMissing(approval)}`);
      });
  }

  withDecision(approvals.command('batch'))
    .description('decide about several, each for itself; 1 when one of them was refused')
    .argument('<verdict>', 'approve, reject, cancel or revoke')
    .argument('<id...>', 'which; - reads them from standard input, one a line')
    .action(async (word: string, given: readonly string[], options: DecideOptions) => {
      const verdict = batchVerdicts[word];
      if (verdict === undefined)
        throw new CliError('The verdict is approve, reject, cancel or revoke.', exitCodes.usage);
      const ids = [...new Set(given.length === 1 && given[0] === '-' ? idsFromInput() : given)];
      if (ids.length === 0) return;
      const { client, metadata } = openApprovals(options);
      for (let at = 0; at < ids.length; at += batchMax) {
        const some = ids.slice(at, at + batchMax);
        // Each call is a decision of its own, so each has a request id of its own.
        const requestId = options.requestId === '' || at === 0 ? options.requestId : `${options.requestId}#${at}`;
        const request = { ids: some, verdict, reason: options.reason, requestId };
        const { outcomes } = await unary<DecideBatchResponse>((done) => client.decideBatch(request, metadata, done));
        for (const outcome of outcomes) printOutcome(outcome, options);
      }
      client.close();
    });
}

function withDecision(command: Command): Command {
  return withApiOptions(command)
    .option('--reason <text>', 'why; goes on record', '')
    .option('--request-id <text>', 'makes a repetition of this command safe: the same id decides once', '')
    .option('--json', 'as JSON');
}

function stillMissing({ approvalsMissing }: Approval): string {
  return approvalsMissing > 0 ? `: ${approvalsMissing} more must approve` : '';
}

function printOutcome({ id, outcome }: BatchOutcome, { json }: DecideOptions): void {
  if (outcome?.$case === 'approval') {
    if (json) printJson({ id, ok: true, approval: approvalJson(outcome.value) });
    else printLine(`${id} is ${stateName(outcome.value.state)}${stillMissing(outcome.value)}`);
    return;
  }
  process.exitCode = exitCodes.no;
  const { status = 0, details = '' } = outcome?.value ?? {};
  if (json) printJson({ id, ok: false, status, error: details });
  else printLine(`${id} is as it was: ${printable(details)}`);
}

function idsFromInput(): readonly string[] {
  return readFileSync(0, 'utf8')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}
