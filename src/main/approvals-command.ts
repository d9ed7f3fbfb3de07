import type { Command } from 'commander';
import { addDecidingCommands } from './approvals-decide.ts';
import { addReadingCommands } from './approvals-read.ts';
import { addSimulateCommand } from './approvals-simulate.ts';
import { addWatchCommand } from './approvals-watch.ts';

const help = `
What scripts can tell apart by the exit code:
  0  done
  1  no: refused, not yours, not there, or your token was not accepted
  2  wrong usage or input
  3  the service, its store or its record cannot be reached
  4  it has been decided already, or is in another state; the message names the first decision
  5  lost a race or asked too often: try again (with the same --request-id nothing is decided twice)
\`simulate\` has codes of its own; see its --help.

Examples:
  countersign approvals list --state pending --mine
  countersign approvals approve ID --reason 'change 4711' --request-id change-4711
  countersign approvals list --state pending --rule hold_production_changes --json | jq -r .id \\
    | countersign approvals batch reject - --reason 'freeze'
  countersign approvals simulate request.json --config countersign.yaml --claims '{"sub":"alice","groups":["engineering"]}'`;

/** `countersign approvals …`: what waits for a human, and the human's word. */
export function addApprovalsCommands(program: Command): void {
  const approvals = program.command('approvals').description('see what is held, and decide').addHelpText('after', help);
  addReadingCommands(approvals);
  addDecidingCommands(approvals);
  addWatchCommand(approvals);
  addSimulateCommand(approvals);
}
