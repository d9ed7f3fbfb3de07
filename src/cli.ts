import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { cliErrorOf, exitCodes, printError } from './main/output.ts';

type AddCommands = (program: Command) => void;

/** The commands in the order of the help, each with the module that has it: none waits for what only others need. */
const commands: ReadonlyMap<string, () => Promise<AddCommands>> = new Map([
  ['serve', async () => (await import('./main/serve-command.ts')).addServeCommand],
  ['check-config', async () => (await import('./main/check-config-command.ts')).addCheckConfigCommand],
  ['scan', async () => (await import('./main/scan-command.ts')).addScanCommand],
  ['mask', async () => (await import('./main/mask-command.ts')).addMaskCommand],
  ['keys', async () => (await import('./main/keys-command.ts')).addKeysCommands],
  ['demo', async () => (await import('./main/demo-command.ts')).addDemoCommand],
  ['policy', async () => (await import('./main/policy-command.ts')).addPolicyCommands],
  ['approvals', async () => (await import('./main/approvals-command.ts')).addApprovalsCommands],
  ['notices', async () => (await import('./main/notices-command.ts')).addNoticesCommands],
  ['audit', async () => (await import('./main/audit-command.ts')).addAuditCommands],
]);

const versionFlags = ['-V', '--version'];

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
    .version(version(), versionFlags.join(', '))
    .addHelpText('after', overview)
    .showHelpAfterError('(--help shows what is possible)')
    .exitOverride()
    .enablePositionalOptions();
  const [first = ''] = args;
  const named = commands.get(first);
  const needed = named === undefined ? (versionFlags.includes(first) ? [] : commands.values()) : [named];
  for (const load of needed) (await load())(program);
  try {
    await program.parseAsync([...args], { from: 'user' });
    return Number(process.exitCode ?? exitCodes.done);
  } catch (thrown) {
    if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? exitCodes.done : exitCodes.usage;
    const failure = cliErrorOf(thrown);
    printError(failure);
    return failure.exitCode;
  }
}

function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest ? String(manifest.version) : '0';
}
