import type { Command } from 'commander';
import type { Config } from '../config/config.ts';
import { formatProblems } from '../config/problem.ts';
import type { JsonObject } from '../lib/json.ts';
import { CliError, exitCodes, printable, printJson, printLine } from './output.ts';

/** `countersign audit ropa`: the part of a record of processing activities (GDPR Art. 30) that the configuration knows. */
export function addAuditRopaCommand(audit: Command): void {
  audit
    .command('ropa')
    .description('a record of processing activities (GDPR Art. 30(1)), as far as the configuration knows it')
    .requiredOption('-c, --config <file>', 'configuration file')
    .option('--json', 'as JSON')
    .action(async (options: { config: string; json?: boolean }) => {
      const { loadConfig } = await import('../config/load.ts');
      const loaded = loadConfig(options.config, process.env);
      if (!loaded.ok) throw new CliError(formatProblems(options.config, loaded.error), exitCodes.usage);
      const record = recordOfProcessing(loaded.value.config, loaded.value.digest);
      if (options.json) printJson(record);
      else printLine(printable(textOf(record)));
    });
}

/** What counsel has to add stands in it as such: who the controller is no configuration knows. */
export function recordOfProcessing(
  { audit, access, detection, masking, approval }: Config,
  digest: string,
): JsonObject {
  const { retention } = audit;
  return {
    configuration: digest,
    controller: toBeFilledIn,
    data_protection_officer: toBeFilledIn,
    purposes: [
      'deciding which requests to language models may pass, and masking what must not',
      'evidence of those decisions, and of who took part in them',
    ],
    legal_basis: toBeFilledIn,
    data_subjects: ['callers of language models', 'people who approve requests', 'people named in prompts and answers'],
    categories: [
      { name: 'who asked: pseudonym, groups and roles', kept: keptText(retention.metadataMs), form: 'in clear' },
      { name: 'who asked: identity', kept: keptText(retention.bodiesMs), form: 'sealed' },
      { name: 'prompts, as sent and as they came', kept: keptText(retention.bodiesMs), form: 'sealed' },
      { name: 'answers, as they came and as released', kept: keptText(retention.bodiesMs), form: 'sealed' },
      { name: 'what was decided and found, without values', kept: keptText(retention.metadataMs), form: 'in clear' },
      { name: 'who approved what, and why', kept: keptText(retention.metadataMs), form: 'in clear' },
      { name: 'pending approvals with masked texts', kept: keptText(approval.retentionMs), form: 'masked' },
    ],
    recipients: audit.sinks.map(({ name, format, promptBytesMax }) => ({
      name,
      format,
      prompts: promptBytesMax > 0 ? 'prompts as sent, masked' : 'no prompts',
    })),
    transfers_to_third_countries: toBeFilledIn,
    access: {
      readers: access.readerGroups,
      auditors: access.auditorGroups,
      officers: access.officerGroups,
      second_person_for_reveal: access.reveal.approverGroups,
    },
    measures: [
      'records sealed with AES-256-GCM under keys of each hour and of each person; destroying either erases',
      `key-encryption key: ${keyText(audit)}`,
      ...(audit.ageRecipients.length > 0 ? [`keys also for ${audit.ageRecipients.length} auditors (age)`] : []),
      'append-only log with a signed Merkle tree; every reveal, export, hold, erasure and expiry is itself on record',
      `detection: ${detection.tier}; placeholders keep their meaning within a ${masking.scope}`,
      'expiry by destroying keys and files; legal holds; erasure by person, deferred under a hold',
    ],
  };
}

const toBeFilledIn = 'TO BE FILLED IN';

function keyText({ kek, keyFile }: Config['audit']): string {
  switch (kek?.kind) {
    case undefined:
      return keyFile === null ? 'from the environment' : 'from a key file';
    case 'vault':
      return 'in Vault';
    case 'aws_kms':
      return 'in AWS KMS';
    case 'gcp_kms':
      return 'in Google Cloud KMS';
  }
}

function keptText(ms: number | null): string {
  if (ms === null) return 'without limit';
  const days = ms / 86_400_000;
  return days >= 1 ? `${Math.round(days * 10) / 10} days` : `${Math.round(ms / 3_600_000)} hours`;
}

/** Two levels of headings are enough for what is in it. */
function textOf(record: JsonObject): string {
  const lines = ['Record of processing activities (GDPR Art. 30(1))'];
  for (const [name, value] of Object.entries(record)) {
    const title = name.replaceAll('_', ' ');
    if (typeof value === 'string') lines.push(`\n${title}: ${value}`);
    else lines.push(`\n${title}`, ...linesOf(value));
  }
  return lines.join('\n');
}

function linesOf(value: JsonObject[string]): string[] {
  if (Array.isArray(value)) {
    if (value.length === 0) return ['  none'];
    return value.map((item) =>
      typeof item === 'object' && item !== null
        ? `  - ${Object.values(item).map(String).join('; ')}`
        : `  - ${String(item)}`,
    );
  }
  if (typeof value !== 'object' || value === null) return [`  ${String(value)}`];
  return Object.entries(value).map(
    ([name, inner]) =>
      `  ${name.replaceAll('_', ' ')}: ${Array.isArray(inner) ? inner.join(', ') || 'nobody' : String(inner)}`,
  );
}
