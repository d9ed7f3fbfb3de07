import { z } from 'zod';
import { limits } from '../lib/limits.ts';
import { logLevels } from '../telemetry/pino-log.ts';
import { approvalSection } from './approval-section.ts';
import { auditSection, revealSection } from './audit-section.ts';
import type { Config } from './config.ts';
import { detectionSection } from './detection-section.ts';
import { identitySection } from './identity-section.ts';
import { listenerSection } from './listener-section.ts';
import { noticesSection } from './notices-section.ts';
import { distinct, duration, headerName, path, secret, text } from './values.ts';

/**
 * Where secrets stand. There a value is written as a reference (`${env:NAME}`, `${file:path}`), never in the file itself;
 * check.ts refuses it otherwise.
 */
export const secretPaths: readonly string[] = [
  'gateways.key',
  'masking.key',
  'detection.allow_key',
  'approval.store.redis.password',
  'approval.store.redis.sentinel.password',
  'audit.kek.vault.token',
  'audit.sinks[].webhook.secret',
  'audit.sinks[].webhook.authorization',
  'audit.sinks[].splunk_hec.token',
  'audit.sinks[].elasticsearch.authorization',
  'audit.sinks[].otlp.authorization',
  'audit.sinks[].kafka.sasl.password',
  'audit.sinks[].s3.secret_access_key',
  'notices.routes[].webhook.secret',
  'notices.routes[].email.password',
];

/**
 * The configuration file as a schema: unknown keys are errors, everything but the policy bundle has a default, and every
 * setting says what it means. Relative paths count from `base`. docs/configuration.md and the JSON schema are made of it.
 */
export function configSchema(base: string): z.ZodType<Config> {
  return z.strictObject({
    listen: z
      .strictObject({
        pep: listenerSection(base, '127.0.0.1:9191')
          .prefault({})
          .meta({ description: 'Where Envoy asks: ext_authz and ext_proc.' }),
        api: listenerSection(base, '127.0.0.1:9192')
          .prefault({})
          .meta({ description: 'Where people and tools ask: approvals.' }),
        http: listenerSection(base, '127.0.0.1:9193')
          .prefault({})
          .meta({ description: '`/metrics`, `/healthz` and `/readyz`.' }),
      })
      .prefault({})
      .meta({
        description: 'Addresses to listen on. Away from loopback an address needs `tls`, or `allow_plaintext`.',
      }),
    gateways: z
      .strictObject({
        listen: listenerSection(base, '127.0.0.1:9194').prefault({}).meta({ description: 'Where they ask.' }),
        key: secret(16).meta({
          description:
            'What a gateway shows in `x-countersign-key` (or `x-api-key`), at least 16 characters; a reference.',
        }),
      })
      .nullable()
      .default(null)
      .meta({ description: 'Gateways that ask by HTTP instead of Envoy: LiteLLM, agentgateway. Null: none.' }),
    identity: identitySection(base).prefault({}).meta({ description: 'Who is asking.' }),
    policy: z
      .strictObject({
        bundle: path(base).meta({
          description: 'Rego compiled to WebAssembly: a bundle as `opa build -t wasm` writes it.',
        }),
        reload: duration('0s', '1h')
          .prefault('5s')
          .meta({ description: 'How often the bundle is looked at for a new revision; `0s`: never.' }),
        headers: distinct(headerName, 64).prefault([]).meta({ description: 'Request headers that policy may see.' }),
      })
      .transform(({ bundle, reload, headers }) => ({ bundle, reloadMs: reload, headers }))
      .meta({ description: 'Who decides: Rego, compiled.' }),
    detection: detectionSection().prefault({}).meta({ description: 'What counts as sensitive.' }),
    masking: z
      .strictObject({
        scope: z.enum(['session', 'tenant', 'request']).default('session').meta({
          description: 'Within what one value keeps one placeholder.',
        }),
        key: secret(32).nullable().default(null).meta({
          description:
            'Secret of at least 32 characters that placeholders, pseudonyms and the hand-over between Envoy filters are keyed with; replicas share it. Null: made at start, for a single process.',
        }),
        key_file: path(base).nullable().default(null).meta({
          description:
            'File with keys for placeholders that can be rotated, wrapped by the key of the audit log: `countersign keys rotate` makes it. Null: placeholders are keyed with `key`.',
        }),
        key_reload: duration('1s', '1h').prefault('5s').meta({
          description: 'How often `key_file` is looked at for new keys.',
        }),
      })
      .transform(({ scope, key, key_file, key_reload }) => ({ scope, key, keyFile: key_file, keyReloadMs: key_reload }))
      .prefault({})
      .meta({ description: 'How values are replaced.' }),
    approval: approvalSection(base).prefault({}).meta({ description: 'Requests that wait for people.' }),
    notices: noticesSection(base).prefault({}).meta({ description: 'Who is told what happens to approvals.' }),
    audit: auditSection(base).prefault({}).meta({ description: 'The record.' }),
    limits: z
      .strictObject({
        body_bytes: z.int().min(1_024).max(limits.bodyBytesMax).default(limits.bodyBytesMax).meta({
          description: 'Largest body, decoded, that is read. Larger ones are refused.',
        }),
      })
      .transform(({ body_bytes }) => ({ bodyBytesMax: body_bytes }))
      .prefault({})
      .meta({ description: 'Bounds that an operator may lower.' }),
    encoding: z
      .strictObject({
        requests: recoding('Content encoding of requests that were masked'),
        answers: recoding(
          'Content encoding of answers. `same` also lets callers ask the model for gzip and deflate, in which streams flow',
        ),
      })
      .prefault({})
      .meta({
        description: 'Compressed bodies: decoded to be read, then sent on without their encoding, or in the same.',
      }),
    session: z
      .strictObject({
        header: headerName.prefault('x-session-id').meta({
          description: 'Header that names the session; else the body may hint at one, else each exchange is its own.',
        }),
      })
      .prefault({})
      .meta({ description: 'What groups exchanges in the record.' }),
    access: z
      .strictObject({
        auditor_groups: distinct(text, 64).prefault([]).meta({
          description:
            'Auditors: their members see all approvals and records of their tenant, and may have sealed texts opened.',
        }),
        reader_groups: distinct(text, 64)
          .prefault([])
          .meta({ description: 'Readers: their members see the records of their tenant, never what is sealed.' }),
        officer_groups: distinct(text, 64).prefault([]).meta({
          description: 'Data protection officers: their members read records, hold and release, and erase by subject.',
        }),
        calls_per_second: z.int().min(1).max(10_000).default(50).meta({
          description:
            'How often one caller may call the approval API in the long run; four times as often at once. A batch counts once for each approval.',
        }),
        reveal: revealSection().prefault({}).meta({ description: 'How sealed texts are opened for auditors.' }),
      })
      .transform(({ auditor_groups, reader_groups, officer_groups, calls_per_second, reveal }) => ({
        auditorGroups: auditor_groups,
        readerGroups: reader_groups,
        officerGroups: officer_groups,
        callsPerSecond: calls_per_second,
        reveal,
      }))
      .prefault({})
      .meta({ description: 'Rights of people on the API. Who may approve is said by policy.' }),
    log: z
      .strictObject({
        level: z
          .enum(logLevels)
          .default('info')
          .meta({ description: 'Least severe line that is written to standard output.' }),
      })
      .prefault({})
      .meta({ description: 'The operators’ log. It never holds prompts, matched values or credentials.' }),
    routes: z
      .array(
        z
          .strictObject({
            path_prefix: z
              .string()
              .startsWith('/', 'must begin with /')
              .meta({ description: 'Beginning of the request path.' }),
            dialect: z
              .string()
              .regex(/^[a-z0-9][a-z0-9_.-]{0,63}$/, 'must be the name of a dialect')
              .meta({ description: 'Dialect that is spoken there.' }),
          })
          .transform(({ path_prefix, dialect }) => ({ pathPrefix: path_prefix, dialect })),
      )
      .max(256)
      .default([])
      .meta({
        description: 'Dialects by path, where the usual paths do not tell. The longest prefix that fits counts.',
      }),
    envoy: z
      .strictObject({
        message_timeout: duration('1ms', '1h').prefault('60s').meta({
          description:
            'How long Envoy waits for an answer, as its own configuration says (`message_timeout` of ext_proc, `timeout` of ext_authz). A held request must be answered before.',
        }),
        max_message_timeout: duration('0s', '1h').prefault('0s').meta({
          description:
            '`max_message_timeout` of ext_proc: up to this a held request may ask Envoy to wait. 0: Envoy has none, and nobody waits longer than `message_timeout`. ext_authz and held answers cannot ask.',
        }),
      })
      .transform(({ message_timeout, max_message_timeout }) => ({
        messageTimeoutMs: message_timeout,
        maxMessageTimeoutMs: max_message_timeout,
      }))
      .prefault({})
      .meta({ description: 'What the gateway’s configuration says, for cross-checks.' }),
  });
}

function recoding(what: string): z.ZodDefault<z.ZodEnum<{ identity: 'identity'; same: 'same' }>> {
  return z
    .enum(['identity', 'same'])
    .default('identity')
    .meta({ description: `${what}.` });
}
