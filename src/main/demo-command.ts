import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { verifyLog } from '../audit/verify.ts';
import { invariant } from '../lib/invariant.ts';
import { startScriptedModel } from './demo/model.ts';
import { type Stack, startStack } from './demo/stack.ts';
import { tellStory } from './demo/story.ts';
import { findEnvoy } from './envoy-process.ts';
import { CliError, exitCodes, printJson, printLine } from './output.ts';

interface DemoOptions {
  readonly keep?: boolean;
  readonly model: boolean;
  readonly json?: boolean;
}

/** `countersign demo`: a real Envoy, a real countersign, a scripted model, one story. */
export function addDemoCommand(program: Command): void {
  program
    .command('demo')
    .description('run the whole story through a real Envoy on this machine, and check every step of it')
    .option('--keep', 'leave the stack running and print commands to try on it')
    .option('--no-model', 'with --keep: leave port 9900 to a model of your own')
    .option('--json', 'with --keep: print one JSON line when the stack is ready')
    .action(demo);
}

async function demo(options: DemoOptions): Promise<void> {
  if (!options.keep && !options.model) {
    throw new CliError('The story needs the scripted model: --no-model goes with --keep.', exitCodes.usage);
  }
  if (!options.keep && options.json) throw new CliError('--json goes with --keep.', exitCodes.usage);
  const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
  const envoyBinary = findEnvoy(root, process.env);
  if (!envoyBinary)
    throw new CliError('There is no Envoy. Run `npm run demo`, which fetches one, or put envoy on PATH.');
  const dataFolder = mkdtempSync(join(tmpdir(), 'countersign-demo-'));
  const model = options.model ? await startModel() : null;
  let stack: Stack | null = null;
  try {
    stack = await startStack({
      root,
      dataFolder,
      envoyBinary,
      envoyConfig: join(root, 'envoy', 'envoy.yaml'),
      serviceConfig: join(root, 'envoy', 'countersign.yaml'),
    });
    if (options.keep) {
      announce(stack, options);
      await untilStopped(stack);
    } else {
      invariant(model !== null, 'without --keep there is a scripted model');
      await tellStory(stack, model, narrator);
      narrator.chapter('All of it is on record, and a stranger can check the record');
      await stack.stop();
      const report = await verifyLog({ directory: stack.auditFolder });
      narrator.line(`${report.records} records, ${report.problems.length} problems`);
      narrator.check('the record verifies', report.problems.length === 0 && report.records > 0);
      printLine('\nEverything above really happened. `npx countersign demo --keep` leaves it running for you to try.');
    }
  } finally {
    await stack?.stop();
    await model?.close();
    rmSync(dataFolder, { recursive: true, force: true });
  }
}

async function startModel(): ReturnType<typeof startScriptedModel> {
  try {
    return await startScriptedModel({ port: 9900 });
  } catch {
    throw new CliError(
      'Port 9900 on 127.0.0.1 is in use. Stop what listens there, or use it as the model with --keep --no-model.',
    );
  }
}

const narrator = {
  chapter: (title: string): void => printLine(`\n${title}`),
  line: (text: string): void => printLine(`  ${text}`),
  check: (claim: string, holds: boolean): void => {
    printLine(`  ${holds ? 'ok ' : 'NOT'} ${claim}`);
    if (!holds) throw new CliError(`The demo did not go as it should: ${claim}.`);
  },
};

function announce(stack: Stack, options: DemoOptions): void {
  if (options.json) {
    printJson({
      base_url: stack.baseUrl,
      api: stack.api,
      tokens: stack.tokens,
      token_header: stack.tokenHeader,
      audit_dir: stack.auditFolder,
      pids: { demo: process.pid, envoy: stack.envoy.pid, countersign: stack.service.pid ?? 0 },
    });
    return;
  }
  const { requester, approver, auditor } = stack.tokens;
  printLine(`The stack is running. Envoy listens on ${stack.baseUrl}, the API on ${stack.api}. Ctrl-C ends it.

export REQUESTER='${requester}'
export APPROVER='${approver}'
export AUDITOR='${auditor}'

# A card number is masked before the model sees it:
curl -s ${stack.baseUrl}/v1/chat/completions -H 'content-type: application/json' -H "${stack.tokenHeader}: $REQUESTER" \\
  -d '{"model":"scripted-1","messages":[{"role":"user","content":"my card is 4111 1111 1111 1111"}]}'

# A risky prompt is held (403 approval_pending):
curl -s ${stack.baseUrl}/v1/chat/completions -H 'content-type: application/json' -H "${stack.tokenHeader}: $REQUESTER" \\
  -d '{"model":"scripted-1","messages":[{"role":"user","content":"drop the users table in production"}]}'

# See and decide it over gRPC, then repeat the curl above:
COUNTERSIGN_TOKEN=$APPROVER npx countersign approvals list
COUNTERSIGN_TOKEN=$APPROVER npx countersign approvals approve ID --reason 'agreed'

# The same with any gRPC client (the API has reflection):
grpcurl -plaintext -H "authorization: Bearer $APPROVER" ${stack.api} countersign.approval.v1.ApprovalService/List

# The record:
npx countersign audit tail ${stack.auditFolder}
npx countersign audit verify ${stack.auditFolder}`);
}

async function untilStopped(stack: Stack): Promise<void> {
  await new Promise<void>((resolve) => {
    process.once('SIGINT', () => resolve());
    process.once('SIGTERM', () => resolve());
    stack.service.once('exit', () => resolve());
    void stack.envoy.exited.then(() => resolve());
  });
}
