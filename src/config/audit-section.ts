import { z } from 'zod';
import type { TlsClientFiles } from '../audit/tls-client.ts';
import type { AuditConfig } from './config.ts';
import { createSecret, type Secret } from './secret.ts';
import { sinksSection } from './sinks-section.ts';
import { overHttps, tlsClient } from './tls-client-section.ts';
import { distinct, duration, path, text } from './values.ts';
import { witnessesSection, witnessSection } from './witness-section.ts';

/** Where the key-encryption key lies when it does not lie in the key file; see src/audit/keys.ts. */
export type KekConfig =
  | {
      readonly kind: 'vault';
      readonly address: string;
      readonly mount: string;
      readonly key: string;
      readonly namespace: string | null;
      /** The token itself, or the file that an agent keeps it in. */
      readonly token: { readonly value: Secret } | { readonly file: string };
      readonly tls: TlsClientFiles | null;
      readonly timeoutMs: number;
    }
  | {
      readonly kind: 'aws_kms';
      readonly keyId: string;
      readonly region: string;
      readonly endpoint: string | null;
      readonly tls: TlsClientFiles | null;
      readonly timeoutMs: number;
    }
  | { readonly kind: 'gcp_kms'; readonly key: string; readonly endpoint: string; readonly timeoutMs: number };

/** How long what is kept; null: for ever. */
export interface RetentionConfig {
  readonly metadataMs: number | null;
  readonly bodiesMs: number | null;
  /** What is left of an ended shard, after the last of its records has expired. */
  readonly shardsMs: number | null;
  readonly checkMs: number;
  readonly settleMs: number;
  /** High-risk in the sense of the EU AI Act, whose Articles 19 and 26(6) ask for six months of logs at least. */
  readonly isHighRisk: boolean;
}

/** When the log goes on in a new shard. */
export interface ShardConfig {
  readonly byMonth: boolean;
  readonly recordsMax: number | null;
}

/** Who must agree to a reveal, and for how long that holds. */
export interface RevealConfig {
  readonly approverGroups: readonly string[];
  readonly ttlMs: number;
}

/** The `audit` section. */
export function auditSection(base: string): z.ZodType<AuditConfig> {
  return z
    .strictObject({
      directory: path(base)
        .prefault('data/audit')
        .meta({ description: 'Where records are written. One writer a directory.' }),
      read_from: path(base).nullable().default(null).meta({
        description:
          'Folder above the logs of several writers, such as the workers of one machine: the audit API and `audit replay` read all of them as one. Null: the log in `directory` alone.',
      }),
      origin: z
        .string()
        .regex(/^[A-Za-z0-9][A-Za-z0-9._/-]{0,127}$/, 'must be a name such as audit.example.com/prod/gateway-0')
        .default('countersign.local/gateway-0')
        .meta({ description: "Names this writer's log in every checkpoint, for ever; each replica has its own." }),
      key_file: path(base).nullable().default(null).meta({
        description:
          'File with the keys that seal records and sign checkpoints. Null: from the variables `COUNTERSIGN_AUDIT_KEK` and `COUNTERSIGN_AUDIT_SIGNING_KEY`.',
      }),
      create_key_file: z
        .boolean()
        .default(false)
        .meta({ description: 'Makes the key file when it is missing; for first steps.' }),
      kek: kekSection(base).nullable().default(null).meta({
        description:
          'A service that keeps the key-encryption key. Null: it lies with the signing key, in the key file or its variable.',
      }),
      previous_key_files: distinct(path(base), 64).prefault([]).meta({
        description: 'Key files whose key-encryption key was replaced: what it wrapped stays readable.',
      }),
      age_recipients: ageRecipients().prefault([]).meta({
        description: 'Auditors’ age recipients (`age1…`): keys are also written for them, for the stock `age` tool.',
      }),
      retention: retentionSection()
        .prefault({})
        .meta({ description: 'How long what is kept. Expiry destroys keys and whole files, and is itself on record.' }),
      on_failure: z.enum(['refuse', 'allow']).default('refuse').meta({
        description:
          '`refuse`: what cannot be recorded does not happen. `allow`: exchanges pass while the record cannot be written, which is recorded at each start, and how many passed as soon as it can be again. Approvals, reveals and erasures never do.',
      }),
      min_free_bytes: z.int().min(134_217_728).max(1_099_511_627_776).default(1_073_741_824).meta({
        description:
          'Free space below which nothing more is recorded, so that the log and what else lives on the disk can end in order. On a disk that others fill as well, or fast, set about 2 % of it.',
      }),
      shard: shardSection().prefault({}).meta({
        description:
          'When the log goes on in a new shard: a log of its own in `shards/`, linked with the one before, that can be archived or expire as a whole. Everything that reads takes them as one.',
      }),
      sinks: sinksSection(base).default([]).meta({
        description: 'Where copies of the record go. They are sent from the log; no request waits for them.',
      }),
      witnesses: witnessesSection().default([]).meta({
        description: 'Who cosigns checkpoints, so that the log cannot be rewritten even with its key.',
      }),
      witness: witnessSection()
        .prefault({})
        .meta({ description: 'What holds when witnesses are away: by default their lag is told, and nothing else.' }),
      sink_directory: path(base)
        .prefault('data/sinks')
        .meta({ description: 'Where sinks keep how far they have got, and their dead letters.' }),
    })
    .superRefine(({ directory, read_from }, context) => {
      if (read_from === null || `${directory}/`.startsWith(`${read_from.replace(/\/$/, '')}/`)) return;
      context.addIssue({ code: 'custom', path: ['read_from'], message: 'must be a folder above `audit.directory`' });
    })
    .transform(
      (given): AuditConfig => ({
        directory: given.directory,
        readFrom: given.read_from,
        origin: given.origin,
        keyFile: given.key_file,
        createKeyFile: given.create_key_file,
        sinks: given.sinks,
        witnesses: given.witnesses,
        witness: given.witness,
        sinkDirectory: given.sink_directory,
        kek: given.kek,
        previousKeyFiles: given.previous_key_files,
        ageRecipients: given.age_recipients,
        retention: given.retention,
        shard: given.shard,
        freeBytesMin: given.min_free_bytes,
        allowsUnrecorded: given.on_failure === 'allow',
      }),
    );
}

const timeout = () =>
  duration('100ms', '30s').prefault('4s').meta({ description: 'Longest wait for an answer, all attempts together.' });

/** The service that keeps the key-encryption key; exactly one. */
function kekSection(base: string): z.ZodType<KekConfig, object> {
  const vault = z.strictObject({
    address: z
      .url({ protocol: /^https?$/, error: 'must be an http: or https: URL' })
      .meta({ description: 'URL of Vault (or OpenBao).' }),
    mount: z
      .string()
      .regex(/^[A-Za-z0-9_-]+(\/[A-Za-z0-9_-]+)*$/, 'must be a mount path')
      .default('transit')
      .meta({ description: 'Where the transit engine is mounted.' }),
    key: z
      .string()
      .regex(/^[A-Za-z0-9_.-]{1,128}$/, 'must be the name of a key')
      .meta({ description: 'Name of the transit key; its type must take associated data, as `aes256-gcm96` does.' }),
    namespace: text.nullable().default(null).meta({ description: 'Namespace (Vault Enterprise).' }),
    token: z
      .string()
      .min(1, 'must not be empty')
      .max(65_536)
      .transform((value): Secret => createSecret(value))
      .optional()
      .meta({ description: 'Token; a reference.' }),
    token_file: path(base)
      .optional()
      .meta({ description: 'File with the token, read before every call: an agent may renew it.' }),
    tls: tlsClient(base).meta({ description: overHttps }),
    timeout: timeout(),
  });
  const aws = z.strictObject({
    key_id: text.meta({
      description: 'Id, ARN or alias of a symmetric key. It names the key for ever: no moving alias.',
    }),
    region: z
      .string()
      .regex(/^[a-z0-9-]{1,64}$/, 'must be a region such as eu-central-1')
      .meta({ description: 'Region of the key.' }),
    endpoint: z.url().nullable().default(null).meta({ description: 'Another endpoint than that of the region.' }),
    tls: tlsClient(base).meta({ description: overHttps }),
    timeout: timeout(),
  });
  const gcp = z.strictObject({
    key: z
      .string()
      .regex(
        /^projects\/[^/\s]+\/locations\/[^/\s]+\/keyRings\/[^/\s]+\/cryptoKeys\/[^/\s]+$/,
        'must be the resource name of a key',
      )
      .meta({ description: 'Resource name: `projects/P/locations/L/keyRings/R/cryptoKeys/K`.' }),
    endpoint: z.url().default('https://cloudkms.googleapis.com').meta({ description: 'Endpoint of the REST API.' }),
    timeout: timeout(),
  });
  return z
    .strictObject({
      vault: vault.optional().meta({ description: 'A key of Vault’s transit engine.' }),
      aws_kms: aws.optional().meta({ description: 'A key of AWS KMS. Credentials come by the SDK’s default chain.' }),
      gcp_kms: gcp
        .optional()
        .meta({ description: 'A key of Google Cloud KMS. Credentials are the application default ones.' }),
    })
    .transform((given, context): KekConfig => {
      const found: KekConfig[] = [];
      if (given.vault !== undefined) {
        const { token, token_file, timeout: timeoutMs, ...vault } = given.vault;
        if (token !== undefined && token_file === undefined)
          found.push({ kind: 'vault', ...vault, token: { value: token }, timeoutMs });
        else if (token === undefined && token_file !== undefined)
          found.push({ kind: 'vault', ...vault, token: { file: token_file }, timeoutMs });
        else context.addIssue('must have exactly one of vault.token and vault.token_file');
      }
      if (given.aws_kms !== undefined) {
        const { key_id, timeout: timeoutMs, ...aws } = given.aws_kms;
        found.push({ kind: 'aws_kms', keyId: key_id, ...aws, timeoutMs });
      }
      if (given.gcp_kms !== undefined) {
        const { timeout: timeoutMs, ...gcp } = given.gcp_kms;
        found.push({ kind: 'gcp_kms', ...gcp, timeoutMs });
      }
      const [only] = found;
      if (only !== undefined && found.length === 1) return only;
      context.addIssue('must have exactly one of vault, aws_kms and gcp_kms');
      return z.NEVER;
    });
}

/** Public age recipients of the auditors. */
function ageRecipients(): z.ZodType<readonly string[], string[]> {
  return distinct(z.string().regex(/^age1[0-9a-z]{50,2000}$/, 'must be an age recipient, age1…'), 16);
}

/** Both without effect as they are by default: one log for ever. */
function shardSection(): z.ZodType<ShardConfig, object> {
  return z
    .strictObject({
      by: z.enum(['none', 'month']).default('none').meta({
        description:
          'With `month`, a new one with the first record of each month (UTC). A log that was begun without shards ends at the next start.',
      }),
      max_records: z.int().min(1_000).max(100_000_000_000).nullable().default(null).meta({
        description: 'A new one after about so many records, too. Null: they are not counted.',
      }),
    })
    .transform(({ by, max_records }): ShardConfig => ({ byMonth: by === 'month', recordsMax: max_records }));
}

/** How long records and what is sealed in them are kept. */
function retentionSection(): z.ZodType<RetentionConfig, object> {
  const kept = (description: string) =>
    duration('1h', '36500d')
      .nullable()
      .default(null)
      .meta({ description: `${description} Null: for ever.` });
  return z
    .strictObject({
      metadata: kept('How long records are kept: who asked, what was decided, commitments.'),
      bodies: kept('How long sealed texts can be opened: prompts, answers, names.'),
      shards: kept(
        'How long what is left of an ended shard, its leaves and proofs, is kept after the last of its records has expired. The next shard keeps its last checkpoint.',
      ),
      check: duration('1s', '1d').prefault('1h').meta({ description: 'How often what is due is looked for.' }),
      settle: duration('0s', '30d').prefault('48h').meta({
        description:
          'How long the clock must have run steadily before anything that it makes due is destroyed: a clock that jumps destroys nothing.',
      }),
      high_risk_ai: z.boolean().default(false).meta({
        description:
          'Whether this serves a high-risk AI system (EU AI Act): then records that are kept for less than 183 days are warned about.',
      }),
    })
    .transform(
      ({ metadata, bodies, shards, check, settle, high_risk_ai }): RetentionConfig => ({
        metadataMs: metadata,
        bodiesMs: bodies,
        shardsMs: shards,
        checkMs: check,
        settleMs: settle,
        isHighRisk: high_risk_ai,
      }),
    );
}

/** Who may have sealed texts opened, beyond being an auditor. */
export function revealSection(): z.ZodType<RevealConfig, object> {
  return z
    .strictObject({
      approver_groups: distinct(text, 64).prefault([]).meta({
        description: 'With groups here, somebody in one of them, other than the auditor, must approve each reveal.',
      }),
      approval_ttl: duration('1m', '30d')
        .prefault('24h')
        .meta({ description: 'How long such a request waits for its approval, and how long the approval then holds.' }),
    })
    .transform(
      ({ approver_groups, approval_ttl }): RevealConfig => ({ approverGroups: approver_groups, ttlMs: approval_ttl }),
    );
}
