import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { addApprovalsCommands } from './main/approvals-command.ts';
import { addAuditCommands } from './main/audit-command.ts';
import { addCheckConfigCommand } from './main/check-config-command.ts';
import { addDemoCommand } from './main/demo-command.ts';
import { addKeysCommands } from './main/keys-command.ts';
import { addMaskCommand } from './main/mask-command.ts';
import { addNoticesCommands } from './main/notices-command.ts';
import { CliError, exitCodes, printError } from './main/output.ts';
import { addPolicyCommands } from './main/policy-command.ts';
import { addScanCommand } from './main/scan-command.ts';
import { addServeCommand } from './main/serve-command.ts';

const overview = `
countersign decides about LLM traffic for Envoy: who asks, what is sensitive, what policy says,
who must approve, and what stays on record.

Start here:
  countersign demo                      the whole story through a real Envoy, on this machine
  countersign demo --keep               the same stack, left running to try things on
  countersign serve --config FILE       the service that Envoy's ext_proc and ext_authz talk to
  countersign check-config FILE         every mistake in a configuration, with line and fix
  countersign scan PATH...              what is sensitive in files; texts as JSON Lines on standard input
  countersign mask FILE                 the text with all of that replaced; or standard input

Commands that talk to a running service take its address from --api (default 127.0.0.1:9192) and your identity
token from COUNTERSIGN_TOKEN or --token-file. Every command has --help; most print for scripts with --json.

Exit codes: 0 done, 1 the answer is no (refused, failed, tampered), 2 wrong usage or input, 3 the service cannot be reached.`;

/** Runs one command line; resolves to the process's exit code. Never throws. */
export async function runCli(args: readonly string[]): Promise<number> {
  const program = new Command('countersign')
    .description('Policy decisions for LLM traffic behind Envoy')
    .version(version(), '-V, --version')
    .addHelpText('after', overview)
    .showHelpAfterError('(--help shows what is possible)')
    .exitOverride()
    .enablePositionalOptions();
  addServeCommand(program);
  addCheckConfigCommand(program);
  addScanCommand(program);
  addMaskCommand(program);
  addKeysCommands(program);
  addDemoCommand(program);
  addPolicyCommands(program);
  addApprovalsCommands(program);
  addNoticesCommands(program);
  addAuditCommands(program);
  try {
    await program.parseAsync([...args], { from: 'user' });
    return Number(process.exitCode ?? exitCodes.done);
  } catch (thrown) {
    if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? exitCodes.done : exitCodes.usage;
    printError(thrown);
    return thrown instanceof CliError ? thrown.exitCode : exitCodes.no;
  }
}

function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest ? String(manifest.version) : '0';
}
