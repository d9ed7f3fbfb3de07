import type { Approval } from '../gen/countersign/approval/v1/approval.ts';
import { stateName, verdictName } from './approval-json.ts';
import { printable, printLine, table } from './output.ts';

/** Approvals as a table, one a line. */
export function approvalTable(found: readonly Approval[]): string {
  return table(['ID', 'STATE', 'AGE', 'LEFT', 'REQUESTER', 'MODEL', 'RULES'], found.map(approvalRow));
}

export function approvalRow(approval: Approval): string[] {
  const left = approval.timeLeft ? short(Number(approval.timeLeft.seconds)) : '';
  return [
    approval.id,
    `${stateName(approval.state)}${approval.forced ? '!' : ''}`,
    short(Number(approval.age?.seconds ?? 0)),
    left,
    printable(person(approval.requester)),
    printable(approval.resource?.model ?? ''),
    printable(approval.rules.join(',')),
  ];
}

/** Everything that a decision needs, for a person. */
export function printApproval(approval: Approval): void {
  const { terms, resource } = approval;
  const missing = [
    ...(approval.approvalsMissing > 0 ? [`${approval.approvalsMissing} more`] : []),
    ...(approval.groupsMissing.length > 0 ? [`of ${approval.groupsMissing.join(', ')}`] : []),
  ];
  const rows: [string, string][] = [
    ['id', approval.id],
    ['state', `${stateName(approval.state)}${approval.forced ? ' (by break-glass)' : ''}`],
    ['asked by', person(approval.requester)],
    ['on behalf of', approval.onBehalfOf],
    ['for', `${resource?.model ?? ''} at ${resource?.host ?? ''}${resource?.path ?? ''}`],
    ['rules', approval.rules.join(', ')],
    ['because', approval.reasons.join('; ')],
    ['their reason', approval.requesterReason],
    ['found', approval.findings.map(({ entity, count }) => `${entity} x${count}`).join(', ')],
    ['may decide', `${terms?.quorum ?? 1} of ${terms?.approverGroups.join(', ') ?? ''}`],
    ['missing', missing.join(' ')],
    ['break-glass', terms?.breakGlassGroups.join(', ') ?? ''],
    ['created', approval.createTime?.toISOString() ?? ''],
    ['pending until', approval.pendingUntil?.toISOString() ?? ''],
    ['grant until', approval.grantUntil?.toISOString() ?? ''],
    ['uses left', String(approval.usesLeft)],
    ['digest', approval.digest],
    ['exchange', approval.exchange],
  ];
  for (const [name, value] of rows) if (value !== '') printLine(`${name.padEnd(14)}${printable(value)}`);
  for (const { by, verdict, reason, decideTime } of approval.decisions) {
    const said = [person(by), verdictName(verdict), decideTime?.toISOString() ?? '', reason].join(' ');
    printLine(`${'decision'.padEnd(14)}${printable(said.trimEnd())}`);
  }
  printLine(`\n${printable(approval.maskedView)}`);
}

export function person(who: { readonly id: string; readonly displayName: string } | undefined): string {
  return who ? who.displayName || who.id : 'unknown';
}

/** `42s`, `5m`, `3h`, `2d`. */
export function short(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 120) return `${whole}s`;
  if (whole < 7_200) return `${Math.floor(whole / 60)}m`;
  return whole < 172_800 ? `${Math.floor(whole / 3_600)}h` : `${Math.floor(whole / 86_400)}d`;
}
