import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { systemClock } from '../lib/clock.ts';
import { createPooledRandom, createUuidV7 } from '../lib/ids.ts';
import { type JsonObject, jsonObjectOf } from '../lib/json.ts';
import { CliError, exitCodes, printable, printJson, printLine } from './output.ts';
import type { Simulated } from './simulation.ts';

interface SimulateOptions {
  readonly config: string;
  readonly path: string;
  readonly method: string;
  readonly host: string;
  readonly header: readonly string[];
  readonly claims?: string;
  readonly json?: boolean;
}

const help = `
Nothing is held, recorded or sent: detection and policy of the configuration are asked on this machine.
--claims takes the claims of a token, as JSON or the name of a file that holds it; without, the caller is anonymous.

Exit codes: 0 it would pass, 6 it would wait for people, 1 it would be refused, 2 wrong usage or input.`;

/** `simulate`: which rule would hold a request, and why. */
export function addSimulateCommand(approvals: Command): void {
  approvals
    .command('simulate')
    .description('which rules would hold, refuse or mask a request, and why')
    .argument('<body>', 'file with the body of the request; - for standard input')
    .requiredOption('-c, --config <file>', 'configuration file of the service (YAML)')
    .option('--path <path>', 'of the request', '/v1/chat/completions')
    .option('--method <method>', 'of the request', 'POST')
    .option('--host <host>', 'of the request', 'api.example.com')
    .option(
      '--header <name: value>',
      'of the request; may be repeated',
      (given: string, before: readonly string[]) => [...before, given],
      ['content-type: application/json'],
    )
    .option('--claims <json>', 'claims of the caller')
    .option('--json', 'as JSON')
    .addHelpText('after', help)
    .action(async (file: string, options: SimulateOptions) => {
      const body = read(file);
      const claims = options.claims === undefined ? null : claimsFrom(options.claims);
      const headers = new Map(options.header.map(headerFrom));
      const [{ loadConfig }, { formatProblems }, { simulate }] = await Promise.all([
        import('../config/load.ts'),
        import('../config/problem.ts'),
        import('./simulation.ts'),
      ]);
      const loaded = loadConfig(options.config, process.env);
      if (!loaded.ok) {
        const problems = formatProblems(options.config, loaded.error);
        throw new CliError(`the configuration is not usable:\n${problems}`, exitCodes.usage);
      }
      const { method, path, host } = options;
      const newId = createUuidV7(systemClock, createPooledRandom());
      const simulated = await simulate(loaded.value.config, { method, path, host, headers, body, claims }, newId());
      if (!simulated.ok) throw new CliError(simulated.error, exitCodes.usage);
      if (options.json) printJson(asJson(simulated.value));
      else printWords(simulated.value);
      process.exitCode = { allow: exitCodes.done, hold: exitCodes.hold, deny: exitCodes.no }[
        simulated.value.decision.action
      ];
    });
}

function asJson({ decision, findings, uninspected, revision, dialect, model, subject }: Simulated): JsonObject {
  const { hold, deny } = decision;
  return {
    action: decision.action,
    rules: decision.rules,
    reasons: decision.reasons.map(({ rule, message }) => ({ rule, message })),
    hold:
      hold === null
        ? null
        : {
            approver_groups: hold.approverGroups,
            group_match: hold.groupMatch,
            quorum: hold.quorum,
            ttl_s: hold.ttlS,
            wait_s: hold.waitS,
            grant: { uses: hold.grant.uses, ttl_s: hold.grant.ttlS },
            require_reason: hold.requireReason,
            require_requester_reason: hold.requireRequesterReason,
            return_reason: hold.returnReason,
            allow_self_approval: hold.allowSelf,
            break_glass_groups: hold.breakGlassGroups,
          },
    deny: deny === null ? null : { status: deny.status, code: deny.code, message: deny.message },
    redact: decision.redact.map(({ entity, method }) => ({ entity, method })),
    omit: decision.omit.map(({ blocks }) => ({ blocks })),
    findings: findings.map((finding) => ({ ...finding })),
    uninspected: uninspected.map(({ pointer, kind }) => ({ pointer, kind })),
    labels: decision.labels,
    dialect,
    model,
    subject: { kind: subject.kind, id: subject.id, tenant: subject.tenant, groups: subject.groups },
    policy_revision: revision,
  };
}

function printWords({ decision, findings, uninspected, revision, dialect, model, subject }: Simulated): void {
  const { hold, deny } = decision;
  const rows: [string, string][] = [
    ['action', { allow: 'pass', hold: 'wait for people', deny: 'be refused' }[decision.action]],
    ['caller', `${subject.kind} ${subject.id}${subject.groups.length > 0 ? ` of ${subject.groups.join(', ')}` : ''}`],
    ['read as', `${dialect}${model === null ? '' : `, model ${model}`}`],
    ...decision.reasons.map(({ rule, message }): [string, string] => ['because', `${rule}: ${message}`]),
    ...findings.map(({ entity, detector, pointer, role, count, score }): [string, string] => [
      'found',
      `${entity} x${count} by ${detector} (${score}) in ${role} ${pointer}`,
    ]),
    ...uninspected.map(({ pointer, kind }): [string, string] => [
      'not read',
      `${kind} at ${pointer || 'the whole body'}`,
    ]),
    ...decision.redact.map(({ entity, method }): [string, string] => ['masked', `${entity} by ${method}`]),
    ...decision.omit.map(({ blocks }): [string, string] => ['left out', `${blocks} blocks`]),
  ];
  if (hold !== null) {
    rows.push(
      ['may decide', `${hold.quorum} of ${hold.approverGroups.join(hold.groupMatch === 'all' ? ' and ' : ', ')}`],
      ['in-band wait', `${hold.waitS} s, then 403 approval_pending`],
      ['must decide in', `${hold.ttlS} s`],
      ['the grant', `${hold.grant.uses} use(s) within ${hold.grant.ttlS} s`],
      ['break-glass', hold.breakGlassGroups.join(', ') || 'nobody'],
      ['reasons', reasonsWanted(hold.requireReason, hold.requireRequesterReason)],
    );
  }
  if (deny !== null) rows.push(['answer', `${deny.status} ${deny.code}: ${deny.message}`]);
  rows.push(['policy', revision]);
  for (const [name, value] of rows) printLine(`${name.padEnd(16)}${printable(value)}`);
}

function reasonsWanted(ofDecider: boolean, ofRequester: boolean): string {
  const who = [...(ofRequester ? ['the requester'] : []), ...(ofDecider ? ['who decides'] : [])];
  return who.length === 0 ? 'nobody must give one' : `of ${who.join(' and ')}`;
}

function claimsFrom(given: string): JsonObject {
  const text = given.trimStart().startsWith('{') ? given : read(given).toString('utf8');
  const claims = jsonObjectOf(text);
  if (claims !== null) return claims;
  throw new CliError('--claims takes a JSON object, or a file with one.', exitCodes.usage);
}

function headerFrom(given: string): readonly [string, string] {
  const at = given.indexOf(':');
  if (at < 1) throw new CliError(`--header takes name: value, not ${printable(given)}.`, exitCodes.usage);
  return [given.slice(0, at).trim().toLowerCase(), given.slice(at + 1).trim()];
}

function read(file: string): Buffer {
  try {
    return readFileSync(file === '-' ? 0 : file);
  } catch {
    throw new CliError(`${printable(file)} cannot be read.`, exitCodes.usage);
  }
}
