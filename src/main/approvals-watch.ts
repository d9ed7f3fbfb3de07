import { type ClientReadableStream, type ServiceError, type StatusObject, status } from '@grpc/grpc-js';
import type { Command } from 'commander';
import { type Approval, Change, type WatchResponse } from '../gen/countersign/approval/v1/approval.ts';
import { type ApiOptions, apiError, openApprovals, withApiOptions } from './api-client.ts';
import { approvalJson } from './approval-json.ts';
import { createLiveTable } from './approvals-live-table.ts';
import { approvalRow } from './approvals-view.ts';
import { printJson, printLine } from './output.ts';

interface WatchOptions extends ApiOptions {
  readonly group?: string;
  readonly id?: string;
  readonly json?: boolean;
}

/** `watch`: a live table on a terminal, else a line for each change. */
export function addWatchCommand(approvals: Command): void {
  withApiOptions(approvals.command('watch'))
    .description('what is held now, then every change, until interrupted; a live table on a terminal')
    .option('--group <group>', 'only those that this group may decide')
    .option('--id <id>', 'only this approval')
    .option('--json', 'one JSON document a line')
    .addHelpText('after', '\nA service that goes away is waited for, and nothing that happened meanwhile is missed.')
    .action((options: WatchOptions) => {
      const isLive = process.stdout.isTTY === true && !options.json;
      return follow(options, isLive ? liveOutput() : lineOutput(options.json === true));
    });
}

interface Output {
  approval(approval: Approval): void;
  /** A list begins anew: what is not in it is gone. */
  anew(): void;
  /** It is complete. */
  synced(): void;
  /** Says that there is no connection, or (null) that there is one again. */
  away(why: string | null): void;
  close(): void;
}

function lineOutput(isJson: boolean): Output {
  return {
    approval: (approval) => (isJson ? printJson(approvalJson(approval)) : printLine(approvalRow(approval).join('  '))),
    anew: () => {},
    synced: () => {},
    away: (why) => {
      if (why !== null) process.stderr.write(`countersign: ${why}; trying again\n`);
    },
    close: () => {},
  };
}

function liveOutput(): Output {
  const live = createLiveTable(process.stdout, Date.now);
  const timer = setInterval(live.draw, 1_000);
  process.stdout.on('resize', live.draw);
  return {
    ...live,
    close: () => {
      clearInterval(timer);
      process.stdout.off('resize', live.draw);
      live.close();
    },
  };
}

/** Watches until interrupted, over ends and losses of the stream. Rejects when the service cannot be reached at first. */
function follow(options: WatchOptions, output: Output): Promise<void> {
  const { client, metadata } = openApprovals(options);
  return new Promise((resolve, reject) => {
    let stream: ClientReadableStream<WatchResponse> | null = null;
    let resumeToken = '';
    let wasThere = false;
    let failures = 0;
    let timer: NodeJS.Timeout | undefined;

    const finish = (error: Error | null): void => {
      clearTimeout(timer);
      process.off('SIGINT', interrupt);
      process.off('SIGTERM', interrupt);
      output.close();
      client.close();
      if (error === null) resolve();
      else reject(error);
    };
    const interrupt = (): void => {
      const watched = stream;
      stream = null;
      watched?.cancel();
      finish(null);
    };
    const again = (why: string | null): void => {
      failures = why === null ? 0 : failures + 1;
      output.away(why);
      timer = setTimeout(watch, why === null ? 0 : Math.min(250 * 2 ** Math.min(failures, 5), 5_000));
    };
    const watch = (): void => {
      if (resumeToken === '') output.anew();
      const request = { id: options.id ?? '', group: options.group ?? '', resumeToken };
      const own = client.watch(request, metadata);
      stream = own;
      own.on('data', ({ approval, change, resumeToken: token }: WatchResponse) => {
        if (!wasThere || failures > 0) output.away(null);
        wasThere = true;
        failures = 0;
        if (token !== '') resumeToken = token;
        if (approval) output.approval(approval);
        if (change === Change.CHANGE_SYNCED) output.synced();
      });
      // The server ends a watch in good order after a while, and when it restarts. Not `end`: that comes before an error, too.
      own.on('status', ({ code }: StatusObject) => {
        if (stream === own && code === status.OK) again(null);
      });
      own.on('error', (error: ServiceError) => {
        if (stream !== own) return;
        stream = null;
        if (wasThere && error.code === status.UNAVAILABLE) again('the service is away');
        else finish(apiError(error));
      });
    };
    process.once('SIGINT', interrupt);
    process.once('SIGTERM', interrupt);
    watch();
  });
}
