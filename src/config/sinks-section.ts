import { z } from 'zod';
import { formats } from '../audit/sinks/format.ts';
import type { SinkTarget } from '../audit/sinks/sink-spec.ts';
import type { SinkConfig } from './config.ts';
import { createSecret } from './secret.ts';
import { overHttps, tlsClient, tlsClientFiles } from './tls-client-section.ts';
import { address, distinct, duration, isLoopback, path, text } from './values.ts';

/** The list `audit.sinks`: where copies of the record go. */
export function sinksSection(base: string): z.ZodType<readonly SinkConfig[]> {
  return z
    .array(sink(base))
    .max(16, 'must have at most 16 entries')
    .refine((list) => new Set(list.map(({ name }) => name)).size === list.length, 'must not use a name twice');
}

const targets = ['stdout', 'file', 'webhook', 'syslog', 'splunk_hec', 'elasticsearch', 'otlp', 'kafka', 's3'] as const;

function sink(base: string) {
  return z
    .strictObject({
      name: z
        .string()
        .regex(/^[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?$/, 'must be a name such as siem')
        .meta({ description: 'Names its cursor, dead letters and metrics.' }),
      format: z.enum(formats).default('ocsf').meta({
        description:
          '`ocsf`: OCSF 1.8.0. `ecs`: Elastic Common Schema. `otel`: OpenTelemetry GenAI. `record`: as `audit show --json`.',
      }),
      caller: z.enum(['pseudonym', 'none']).default('pseudonym').meta({
        description: 'Who asked, by pseudonym with groups and roles; or nothing of it.',
      }),
      source: z.boolean().default(true).meta({ description: 'Whether the address that asked goes along.' }),
      reasons: z.boolean().default(true).meta({ description: 'Whether messages of policy rules go along.' }),
      prompt: z.enum(['none', 'masked']).default('none').meta({
        description:
          '`masked`: of what was masked, the text that was sent goes along with the request’s event; never the original. What detection missed leaves with it.',
      }),
      prompt_bytes: z.int().min(256).max(262_144).default(8_192).meta({
        description: 'At most so many bytes of it, from its end.',
      }),
      batch: z
        .strictObject({
          records: z.int().min(1).max(5_000).default(500).meta({ description: 'Most events of a batch.' }),
          bytes: z.int().min(1_024).max(16_777_216).default(1_048_576).meta({ description: 'Most bytes of a batch.' }),
          wait: duration('0s', '60s').prefault('1s').meta({ description: 'How long a batch waits to be filled.' }),
        })
        .transform(({ records, bytes, wait }) => ({ records, bytes, waitMs: wait }))
        .prefault({})
        .meta({ description: 'When a batch is sent.' }),
      event_bytes: z.int().min(1_024).max(16_777_216).default(1_048_576).meta({
        description: 'A larger event becomes a dead letter.',
      }),
      timeout: duration('100ms', '10m').prefault('30s').meta({ description: 'Longest wait for an answer.' }),
      stdout: z.strictObject({}).optional().meta({ description: 'JSON lines on standard output.' }),
      file: z
        .strictObject({ path: path(base).meta({ description: 'File that JSON lines are added to.' }) })
        .optional()
        .meta({ description: 'JSON lines in a file; may be rotated by renaming.' }),
      webhook: webhook(base).optional().meta({ description: 'An HTTP POST of a JSON array, signed.' }),
      syslog: syslog(base)
        .optional()
        .meta({ description: 'Syslog (RFC 5424) over TCP or TLS; without acknowledgement.' }),
      splunk_hec: splunk(base).optional().meta({ description: 'Splunk’s HTTP Event Collector.' }),
      elasticsearch: elasticsearch(base).optional().meta({ description: 'Elasticsearch or OpenSearch, by `_bulk`.' }),
      otlp: otlp(base).optional().meta({ description: 'An OpenTelemetry collector: logs by OTLP/HTTP in JSON.' }),
      kafka: kafka(base).optional().meta({ description: 'Kafka, one message an event.' }),
      s3: s3(base).optional().meta({
        description:
          'A bucket with Object Lock: whole sealed segments and checkpoints, in no format but the log’s own.',
      }),
    })
    .transform((given, context): SinkConfig => {
      const made = targets.map((kind) => given[kind]).filter((target) => target !== undefined);
      const [kind, ...others] = targets.filter((one) => given[one] !== undefined);
      if (made.length !== 1 || kind === undefined || others.length > 0) {
        context.addIssue(`must have exactly one of ${targets.join(', ')}`);
        return z.NEVER;
      }
      const { name, format, caller, source, reasons, batch } = given;
      const target: SinkTarget =
        given.webhook ??
        given.syslog ??
        given.splunk_hec ??
        given.elasticsearch ??
        given.otlp ??
        given.kafka ??
        given.s3 ??
        (given.file ? { kind: 'file', path: given.file.path } : { kind: 'stdout' });
      return {
        name,
        format,
        projection: { caller, source, reasons },
        batch,
        eventBytesMax: given.event_bytes,
        promptBytesMax: given.prompt === 'masked' ? given.prompt_bytes : 0,
        deadlineMs: given.timeout,
        target: createSecret(target),
      };
    });
}

/** A credential goes over it, and what people do: in clear only on this machine. */
export function serviceUrl(): z.ZodType<string, string> {
  return z
    .url({ protocol: /^https?$/, error: 'must be an http: or https: URL' })
    .max(2_048)
    .refine((given) => {
      const parsed = URL.parse(given);
      return parsed === null || parsed.protocol === 'https:' || isLoopback(parsed.hostname.replace(/^\[|\]$/g, ''));
    }, 'must be an https: URL, unless it is on this machine');
}

const credential = z.string().min(1, 'must not be empty').max(65_536);

function webhook(base: string) {
  return z
    .strictObject({
      url: serviceUrl().meta({ description: 'Where events are posted.' }),
      tls: tlsClient(base).meta({ description: overHttps }),
      secret: credential.meta({ description: 'Shared secret that signs each request; a reference.' }),
      authorization: credential.nullable().default(null).meta({
        description: 'Value of the Authorization header; a reference. Null: none.',
      }),
    })
    .transform(
      ({ url, tls, secret, authorization }): SinkTarget => ({
        kind: 'webhook',
        url,
        tls,
        secret,
        headers: authorization === null ? {} : { authorization },
      }),
    );
}

function syslog(base: string) {
  return z
    .strictObject({
      address: address.meta({ description: 'Receiver, host:port.' }),
      tls: tlsClient(base).meta({ description: 'TLS (RFC 5425); null: plain TCP.' }),
      enterprise: z.int().min(1).max(4_294_967_295).default(32_473).meta({
        description: 'Private enterprise number of the structured data; the default is the one for examples.',
      }),
    })
    .transform((given): SinkTarget => ({ kind: 'syslog', ...given }));
}

function splunk(base: string) {
  return z
    .strictObject({
      url: serviceUrl().meta({ description: 'Base address, `https://splunk.example.com:8088`.' }),
      tls: tlsClient(base).meta({ description: overHttps }),
      token: credential.meta({ description: 'Token of the collector; a reference.' }),
      index: text.nullable().default(null).meta({ description: 'Index; null: the token’s.' }),
      acks: z.boolean().default(true).meta({
        description: 'Wait for the indexers’ word. The token must have acknowledgement enabled.',
      }),
    })
    .transform((given): SinkTarget => ({ kind: 'splunk_hec', ...given }));
}

function elasticsearch(base: string) {
  return z
    .strictObject({
      url: serviceUrl().meta({ description: 'Base address, `https://elastic.example.com:9200`.' }),
      tls: tlsClient(base).meta({ description: overHttps }),
      index: text.prefault('logs-countersign.audit-default').meta({ description: 'Index or data stream.' }),
      authorization: credential.nullable().default(null).meta({
        description: 'Value of the Authorization header, `ApiKey …` or `Basic …`; a reference. Null: none.',
      }),
    })
    .transform((given): SinkTarget => ({ kind: 'elasticsearch', ...given }));
}

function otlp(base: string) {
  return z
    .strictObject({
      url: serviceUrl().meta({ description: 'Base address, `https://collector.example.com:4318`.' }),
      tls: tlsClient(base).meta({ description: overHttps }),
      authorization: credential.nullable().default(null).meta({
        description: 'Value of the Authorization header; a reference. Null: none.',
      }),
    })
    .transform(
      ({ url, tls, authorization }): SinkTarget => ({
        kind: 'otlp',
        url,
        tls,
        headers: authorization === null ? {} : { authorization },
      }),
    );
}

function kafka(base: string) {
  return z
    .strictObject({
      brokers: distinct(text, 32)
        .refine((list) => list.length > 0, 'must name at least one broker')
        .meta({ description: 'Some brokers, host:port.' }),
      topic: text.meta({ description: 'Topic; it must exist.' }),
      tls: z
        .union([z.boolean(), tlsClientFiles(base)])
        .prefault(true)
        .meta({
          description:
            'TLS to the brokers; `true`: with the authorities that Node trusts and no certificate of ours. `server_name` holds for all of them.',
        }),
      sasl: z
        .strictObject({
          mechanism: z
            .enum(['plain', 'scram-sha-256', 'scram-sha-512'])
            .default('scram-sha-512')
            .meta({ description: 'How to log in.' }),
          username: text.meta({ description: 'User.' }),
          password: credential.meta({ description: 'Password; a reference.' }),
        })
        .nullable()
        .default(null)
        .meta({ description: 'Login; null: none.' }),
    })
    .transform((given): SinkTarget => ({ kind: 'kafka', ...given }));
}

function s3(base: string) {
  return z
    .strictObject({
      bucket: text.meta({ description: 'Bucket; Object Lock must be enabled on it.' }),
      region: text.prefault('us-east-1').meta({ description: 'Region.' }),
      endpoint: serviceUrl().nullable().default(null).meta({
        description: 'Of a store that speaks S3 but is not Amazon’s; null: Amazon’s.',
      }),
      tls: tlsClient(base).meta({ description: overHttps }),
      access_key_id: text.nullable().default(null).meta({
        description: 'Access key; null: as the AWS SDK finds its credentials.',
      }),
      secret_access_key: credential.nullable().default(null).meta({ description: 'Its secret; a reference.' }),
      lock: duration('0s', '36500d').prefault('90d').meta({
        description: 'How long objects are locked in COMPLIANCE mode: nobody can delete them before. `0s`: no lock.',
      }),
      legal_hold: z.boolean().default(false).meta({ description: 'Put every object under legal hold.' }),
    })
    .transform(
      (given): SinkTarget => ({
        kind: 's3',
        bucket: given.bucket,
        region: given.region,
        endpoint: given.endpoint,
        tls: given.tls,
        accessKeyId: given.access_key_id,
        secretAccessKey: given.secret_access_key,
        lockMs: given.lock,
        legalHold: given.legal_hold,
      }),
    );
}
