import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import {
  type EraseResponse,
  EraseState,
  type ExpireResponse,
  Filter,
  type HoldResponse,
  type ReleaseResponse,
  RevealRequest,
  type RevealResponse,
} from '../gen/countersign/audit/v1/audit.ts';
import { type ApiOptions, openAudit, unary, withApiOptions } from './api-client.ts';
import { CliError, exitCodes, printable, printJson, printLine } from './output.ts';

interface OrderOptions extends ApiOptions {
  readonly reason: string;
  readonly json?: boolean;
}

/** `countersign audit reveal|hold|release|erase|expire`: orders to a running service, which alone writes to the log. */
export function addAuditOrderCommands(audit: Command): void {
  order(audit.command('reveal').argument('<id>', 'id of the record'))
    .description('open what is sealed in a record; for auditors, and on record before anything is opened')
    .option('--body <name...>', 'only these: prompt_original, prompt_sent, output, output_released, caller')
    .option('--placeholder <word>', 'instead: only the value that this placeholder stands for')
    .option('--out <file>', 'write the one text that was asked for into a new file, byte for byte')
    .action(async (id: string, options: RevealOptions) => {
      const request = RevealRequest.fromPartial({
        id,
        bodies: options.body ?? [],
        placeholder: options.placeholder ?? '',
        reason: options.reason,
      });
      const answer = await ask<RevealResponse>(options, (client, metadata, done) =>
        client.reveal(request, metadata, done),
      );
      printRevealed(answer, options);
    });

  order(scoped(audit.command('hold')))
    .description('keep what fits from being expired or erased; for officers. No scope: everything of your tenant')
    .action(async (options: OrderOptions & ScopeOptions) => {
      const request = { filter: filterOf(options), reason: options.reason };
      const { id } = await ask<HoldResponse>(options, (client, metadata, done) => client.hold(request, metadata, done));
      if (options.json) printJson({ hold: id });
      else printLine(`held until \`countersign audit release ${id}\``);
    });

  order(audit.command('release').argument('<hold>', 'id of the hold'))
    .description('end a hold, and do what had to wait for it; for officers')
    .action(async (id: string, options: OrderOptions) => {
      const request = { id, reason: options.reason };
      const answer = await ask<ReleaseResponse>(options, (client, metadata, done) =>
        client.release(request, metadata, done),
      );
      if (options.json) printJson({ record: answer.record, erased: answer.erased });
      else printLine(`released; ${answer.erased} erasures that had waited are done`);
    });

  order(audit.command('erase'))
    .description('make everything sealed for one person unreadable, for good; for officers')
    .option('--subject <pseudonym>', 'whose, as records show it')
    .option('--issuer <url>', 'or the person: issuer of their identity token')
    .option('--person <id>', 'and their subject id there')
    .action(async (options: EraseOptions) => {
      const request = { ...whose(options), reason: options.reason };
      const answer = await ask<EraseResponse>(options, (client, metadata, done) =>
        client.erase(request, metadata, done),
      );
      const isErased = answer.state === EraseState.ERASE_STATE_ERASED;
      if (options.json) {
        const state = isErased ? 'erased' : 'deferred';
        printJson({ state, record: answer.record, holds: answer.holds, elsewhere: answer.elsewhere });
      } else {
        printLine(isErased ? 'erased' : `deferred: it is held by ${answer.holds.join(', ')}, and done on release`);
        for (const log of answer.elsewhere) printLine(`also on record in ${log}: ask its writer as well`);
      }
    });

  withApiOptions(audit.command('expire'))
    .description('destroy what is past its time now; for officers')
    .option('--json', 'as JSON')
    .action(async (options: ApiOptions & { readonly json?: boolean }) => {
      const answer = await ask<ExpireResponse>(options, (client, metadata, done) => client.expire({}, metadata, done));
      if (options.json) printJson({ epochs: answer.epochs, segments: answer.segments });
      else printLine(`${answer.epochs} hours of texts and ${answer.segments} files of records have expired`);
    });
}

type Open = ReturnType<typeof openAudit>;

async function ask<Answer>(
  options: ApiOptions,
  start: (
    client: Open['client'],
    metadata: Open['metadata'],
    done: Parameters<Parameters<typeof unary<Answer>>[0]>[0],
  ) => unknown,
): Promise<Answer> {
  const { client, metadata } = openAudit(options);
  try {
    return await unary<Answer>((done) => start(client, metadata, done));
  } finally {
    client.close();
  }
}

function order(command: Command): Command {
  return withApiOptions(command).requiredOption('--reason <text>', 'why; goes on record').option('--json', 'as JSON');
}

interface RevealOptions extends OrderOptions {
  readonly body?: string[];
  readonly placeholder?: string;
  readonly out?: string;
}

function printRevealed({ bodies, value, accessRecord }: RevealResponse, options: RevealOptions): void {
  if (options.out !== undefined) {
    const [only] = bodies;
    if (only === undefined || bodies.length > 1) {
      throw new CliError('--out takes one text: name it with --body.', exitCodes.usage);
    }
    writeFileSync(options.out, only.content, { flag: 'wx', mode: 0o600 });
    return;
  }
  if (options.json) {
    const texts = bodies.map(({ name, mediaType, content, salt }) => ({
      name,
      media_type: mediaType,
      content: Buffer.from(content).toString('base64'),
      salt: Buffer.from(salt).toString('base64'),
    }));
    printJson({ access: accessRecord, ...(options.placeholder === undefined ? { bodies: texts } : { value }) });
    return;
  }
  if (options.placeholder !== undefined) printLine(printable(value));
  for (const { name, mediaType, content } of bodies) {
    printLine(`${name} (${printable(mediaType)})\n${printable(Buffer.from(content).toString())}`);
  }
}

interface ScopeOptions {
  readonly subject?: string;
  readonly session?: string;
  readonly exchange?: string;
  readonly from?: string;
  readonly until?: string;
}

function scoped(command: Command): Command {
  return command
    .option('--subject <pseudonym>', 'of this caller')
    .option('--session <id>', 'of this session')
    .option('--exchange <id>', 'of this exchange')
    .option('--from <time>', 'recorded at or after, ISO 8601')
    .option('--until <time>', 'recorded before, ISO 8601');
}

function filterOf({ subject = '', session = '', exchange = '', from, until }: ScopeOptions): Filter {
  return Filter.fromPartial({
    subject,
    session,
    exchange,
    ...(from === undefined ? {} : { from: timeOf(from, '--from') }),
    ...(until === undefined ? {} : { until: timeOf(until, '--until') }),
  });
}

/** A time of the command line. */
export function timeOf(text: string, option: string): Date {
  const time = new Date(text);
  if (Number.isNaN(time.getTime()))
    throw new CliError(`${option} takes a time such as 2026-11-21T19:00:00Z.`, exitCodes.usage);
  return time;
}

interface EraseOptions extends OrderOptions {
  readonly subject?: string;
  readonly issuer?: string;
  readonly person?: string;
}

function whose({ subject, issuer, person }: EraseOptions): {
  subject: string;
  person: { issuer: string; id: string } | undefined;
} {
  if (subject !== undefined && issuer === undefined && person === undefined) return { subject, person: undefined };
  if (subject === undefined && issuer !== undefined && person !== undefined) {
    return { subject: '', person: { issuer, id: person } };
  }
  throw new CliError('Name the person: --subject, or --issuer and --person.', exitCodes.usage);
}
