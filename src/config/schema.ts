import { z } from 'zod';
import type { RedisTarget } from '../approval/redis-client.ts';
import { validatorNames } from '../detect/validators/named.ts';
import { limits } from '../lib/limits.ts';
import { logLevels } from '../telemetry/pino-log.ts';
import { ageRecipients, kekSection, retentionSection, revealSection } from './audit-section.ts';
import type {
  ApprovalConfig,
  AuditConfig,
  Config,
  CustomDetector,
  DetectionConfig,
  DictionaryConfig,
  Listener,
  PresidioConfig,
  RedisConfig,
} from './config.ts';
import { identitySection } from './identity-section.ts';
import { noticesSection } from './notices-section.ts';
import { createSecret, type Secret } from './secret.ts';
import { sinksSection } from './sinks-section.ts';
import { address, distinct, duration, headerName, isLoopback, path, text } from './values.ts';
import { witnessesSection } from './witness-section.ts';

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
        pep: listener(base, '127.0.0.1:9191', 'Where Envoy asks: ext_authz and ext_proc.'),
        api: listener(base, '127.0.0.1:9192', 'Where people and tools ask: approvals.'),
        http: listener(base, '127.0.0.1:9193', '`/metrics`, `/healthz` and `/readyz`.'),
      })
      .prefault({})
      .meta({
        description: 'Addresses to listen on. Away from loopback an address needs `tls`, or `allow_plaintext`.',
      }),
    gateways: z
      .strictObject({
        listen: listener(base, '127.0.0.1:9194', 'Where they ask.'),
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
    detection: detection().prefault({}).meta({ description: 'What counts as sensitive.' }),
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
    approval: approval(base).prefault({}).meta({ description: 'Requests that wait for people.' }),
    notices: noticesSection(base).prefault({}).meta({ description: 'Who is told what happens to approvals.' }),
    audit: audit(base).prefault({}).meta({ description: 'The record.' }),
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
      })
      .transform(({ message_timeout }) => ({ messageTimeoutMs: message_timeout }))
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

function listener(base: string, fallback: string, description: string) {
  return z
    .strictObject({
      address: address.prefault(fallback).meta({ description: 'Host and port; port 0 picks a free one.' }),
      tls: z
        .strictObject({
          cert_file: path(base).meta({ description: 'Certificate chain, PEM.' }),
          key_file: path(base).meta({ description: 'Private key, PEM.' }),
          client_ca_file: path(base)
            .nullable()
            .default(null)
            .meta({ description: 'Clients must show a certificate that this authority signed (mTLS).' }),
        })
        .transform((given) => ({
          certFile: given.cert_file,
          keyFile: given.key_file,
          clientCaFile: given.client_ca_file,
        }))
        .nullable()
        .default(null)
        .meta({ description: 'TLS; null: plain text.' }),
      allow_plaintext: z.boolean().default(false).meta({
        description: 'Plain text beyond this machine: where a mesh encrypts, or the network namespace is shared.',
      }),
    })
    .transform((given, context): Listener => {
      if (given.tls === null && !given.allow_plaintext && !isLoopback(given.address.host)) {
        const message =
          'is reachable from other machines in plain text: add tls, or set allow_plaintext where a mesh encrypts';
        context.addIssue({ code: 'custom', path: ['address'], message });
      }
      return { ...given.address, tls: given.tls };
    })
    .prefault({})
    .meta({ description });
}

/** A pattern, in this file or in a policy's data. */
export function customPattern(): z.ZodType<CustomDetector> {
  return z
    .strictObject({
      id: z
        .string()
        .regex(/^[a-z0-9][a-z0-9_.-]{0,63}$/, 'must be a name such as employee_number')
        .meta({ description: 'Names the detector in records.' }),
      entity: z
        .string()
        .regex(/^[A-Z][A-Z0-9_]{1,63}$/, 'must be a name such as EMPLOYEE_NUMBER')
        .meta({ description: 'What it finds; policy speaks of it by this name.' }),
      pattern: z
        .string()
        .min(1, 'must not be empty')
        .max(2_048, 'is too long')
        .meta({ description: 'Regular expression, RE2 syntax: linear time, no back-references.' }),
      score: z.number().min(0).max(1).default(0.8).meta({ description: 'How sure a match is, 0 to 1.' }),
      context: distinct(text, 64).prefault([]).meta({ description: 'Words nearby that make a match surer.' }),
      validator: z.enum(validatorNames).nullable().default(null).meta({
        description: 'A check that a match must pass; null: none. One with check digits makes the score 1.',
      }),
      examples: z
        .strictObject({
          positive: distinct(text, 64)
            .prefault([])
            .meta({ description: 'Texts in which the pattern finds something.' }),
          negative: distinct(text, 64).prefault([]).meta({ description: 'Texts in which it finds nothing.' }),
        })
        .prefault({})
        .meta({ description: 'Tried whenever the file is read; one that does not hold is an error.' }),
    })
    .transform(({ validator, ...given }): CustomDetector => (validator === null ? given : { ...given, validator }));
}

function detection() {
  return z
    .strictObject({
      tier: z.enum(['core', 'extended']).default('core').meta({
        description:
          '`core`: what has a checksum or an unmistakable form. `extended`: more kinds, more doubtful ones among them.',
      }),
      countries: z
        .array(z.string().regex(/^[A-Z]{2}$/, 'must be a country code such as DE'))
        .max(64)
        .nullable()
        .default(null)
        .meta({ description: 'ISO 3166 codes of the countries whose extended kinds are looked for; null: all.' }),
      custom: z
        .array(customPattern())
        .max(256)
        .refine((list) => new Set(list.map((each) => each.id)).size === list.length, 'must not use an id twice')
        .default([])
        .meta({ description: 'Detectors of your own.' }),
      dictionaries: z
        .array(dictionary())
        .max(limits.dictionariesMax)
        .refine((list) => new Set(list.map((each) => each.id)).size === list.length, 'must not use an id twice')
        .default([])
        .meta({ description: 'Lists of names that are sensitive as they stand: projects, customers, hosts.' }),
      decode: z
        .strictObject({
          percent: z.boolean().default(true).meta({ description: 'Percent-encoding, `%34`.' }),
          html: z.boolean().default(true).meta({ description: 'HTML references, `&#52;` and `&nbsp;`.' }),
          base64: z
            .boolean()
            .default(true)
            .meta({ description: 'Base64 and base64url of text, from 20 characters on.' }),
        })
        .prefault({})
        .meta({ description: 'Encodings that are undone, one level deep, for a second look.' }),
      allow: distinct(text, 1_024)
        .prefault([])
        .meta({ description: 'Exact values that are never findings, such as published test card numbers.' }),
      allow_patterns: distinct(text, 64)
        .prefault([])
        .meta({ description: 'Patterns, RE2 syntax; a value that matches one from end to end is never a finding.' }),
      allow_hashes: distinct(text, limits.allowedMax).prefault([]).meta({
        description:
          'SHA-256, in hexadecimal, of values that are never findings: of the value in lower case, without white space and hyphens.',
      }),
      allow_key: secret(16)
        .nullable()
        .default(null)
        .meta({ description: 'With a key, `allow_hashes` are HMAC-SHA-256, and nobody can try values against them.' }),
      presidio: presidio().nullable().default(null).meta({
        description: 'Presidio Analyzer, asked about requests as well, for names and places; null: not used.',
      }),
    })
    .transform(
      ({ allow_patterns, allow_hashes, allow_key, ...given }): DetectionConfig => ({
        ...given,
        allowPatterns: allow_patterns,
        allowHashes: allow_hashes,
        allowKey: allow_key,
      }),
    );
}

/** A list of words, in this file or in a policy's data. */
export function dictionary(): z.ZodType<DictionaryConfig> {
  return z
    .strictObject({
      id: z
        .string()
        .regex(/^[a-z0-9][a-z0-9_.-]{0,63}$/, 'must be a name such as projects')
        .meta({ description: 'Names the list in records.' }),
      entity: z
        .string()
        .regex(/^[A-Z][A-Z0-9_]{1,63}$/, 'must be a name such as PROJECT_NAME')
        .meta({ description: 'What it finds; policy speaks of it by this name.' }),
      words: distinct(text, limits.dictionaryWordsMax)
        .prefault([])
        .meta({ description: 'Words and phrases; found as whole words.' }),
      lines: z.string().default('').meta({
        description: 'The same as one text, an entry a line; # begins a comment. For a `${file:…}` reference.',
      }),
      case_sensitive: z.boolean().default(false).meta({ description: 'Whether capitals must be the same.' }),
      score: z.number().min(0).max(1).default(0.9).meta({ description: 'How sure a match is, 0 to 1.' }),
    })
    .transform(
      ({ lines, words, case_sensitive, ...given }): DictionaryConfig => ({
        ...given,
        words: [...words, ...lines.split(/\r?\n/).filter((line) => line.trim() !== '' && !line.startsWith('#'))],
        caseSensitive: case_sensitive,
      }),
    );
}

function presidio() {
  return z
    .strictObject({
      url: z
        .url({ protocol: /^https?$/, error: 'must be an http: or https: URL' })
        .meta({ description: 'Where it listens, such as `http://127.0.0.1:5002`.' }),
      language: z
        .string()
        .regex(/^[a-z]{2,3}$/, 'must be a language such as en')
        .default('en')
        .meta({ description: 'Language of the texts, as Presidio calls it.' }),
      entities: distinct(text, 64)
        .prefault(['PERSON', 'LOCATION'])
        .meta({ description: 'What it is asked for, by Presidio’s names; policy speaks of them by these.' }),
      score_threshold: z.number().min(0).max(1).default(0.5).meta({ description: 'Least score of a finding.' }),
      roles: z
        .array(z.enum(['system', 'developer', 'user', 'assistant', 'tool', 'unknown']))
        .default(['user', 'tool', 'unknown'])
        .meta({ description: 'Only texts of these roles are sent to it.' }),
      timeout: duration('10ms', '30s')
        .prefault('2s')
        .meta({ description: 'Longest wait of one request, for all of its texts.' }),
      concurrency: z.int().min(1).max(64).default(4).meta({ description: 'Calls of this process at one time.' }),
      characters: z.int().min(1_000).max(limits.bodyBytesMax).default(100_000).meta({
        description: 'Characters of one request that it has not seen before; more counts as a failure.',
      }),
      on_failure: z.enum(['deny', 'ignore']).default('deny').meta({
        description:
          '`deny`: without its word a request is refused. `ignore`: it goes on, and policy sees the uninspected part `recogniser`.',
      }),
    })
    .transform(
      (given): PresidioConfig => ({
        url: given.url,
        language: given.language,
        entities: given.entities,
        scoreThreshold: given.score_threshold,
        roles: given.roles,
        timeoutMs: given.timeout,
        concurrency: given.concurrency,
        charactersMax: given.characters,
        onFailure: given.on_failure,
      }),
    );
}

function approval(base: string) {
  return z
    .strictObject({
      store: z
        .strictObject({
          embedded: z
            .strictObject({
              directory: path(base)
                .prefault('data/approvals')
                .meta({ description: 'Where approvals are kept. One process only.' }),
            })
            .optional()
            .meta({ description: 'A durable store inside the process; the default.' }),
          redis: redis().optional().meta({ description: 'Redis, for several replicas.' }),
        })
        .refine((given) => given.embedded === undefined || given.redis === undefined, {
          path: ['redis'],
          error: 'must not stand beside embedded: there is one store',
        })
        .transform(({ embedded, redis }) =>
          redis !== undefined
            ? redis
            : { kind: 'embedded' as const, directory: embedded?.directory ?? path(base).parse('data/approvals') },
        )
        .prefault({})
        .meta({ description: 'Where approvals are kept: `embedded` or `redis`.' }),
      max_wait: duration('0s', '1h').prefault('50s').meta({
        description:
          'Longest time a held request waits in-band before it is answered `approval_pending`; `0s`: not at all.',
      }),
      retention: duration('1h', '365d')
        .prefault('7d')
        .meta({ description: 'How long an approval is kept after its last deadline.' }),
    })
    .transform(
      ({ store, max_wait, retention }): ApprovalConfig => ({ store, maxWaitMs: max_wait, retentionMs: retention }),
    );
}

const addresses = z.array(address).min(1, 'must name at least one address').max(32, 'must have at most 32 entries');

function redis() {
  return z
    .strictObject({
      url: z
        .url({ protocol: /^rediss?$/, error: 'must be a redis: or rediss: URL' })
        .optional()
        .meta({ description: 'A single server, `redis://host:port/db`; `rediss:` for TLS.' }),
      cluster: addresses
        .optional()
        .meta({ description: 'Nodes of a Redis Cluster, host:port; some of them are enough.' }),
      sentinel: z
        .strictObject({
          addresses: addresses.meta({ description: 'The sentinels, host:port.' }),
          master: text.meta({ description: 'Name of the master group.' }),
          password: secret(1).optional().meta({ description: 'Password of the sentinels themselves; a reference.' }),
        })
        .optional()
        .meta({ description: 'Redis behind Sentinel.' }),
      username: text.optional().meta({ description: 'User of the access control list.' }),
      password: secret(1).optional().meta({ description: 'Password; a reference.' }),
      tls: z.boolean().default(false).meta({
        description: 'TLS to `cluster` and `sentinel` servers. An authority of your own goes into NODE_EXTRA_CA_CERTS.',
      }),
      key_prefix: z
        .string()
        .regex(
          /^[A-Za-z0-9:_.-]*\{[A-Za-z0-9:_.-]{1,32}\}[A-Za-z0-9:_.-]*$/,
          'must be letters, digits and :_.- with a part in braces',
        )
        .max(96)
        .default('countersign:{approval}:')
        .meta({ description: 'Begins every key. The part in braces keeps all keys in one slot of a cluster.' }),
      timeout: duration('10ms', '30s')
        .prefault('2s')
        .meta({ description: 'Longest wait for one answer; then the store counts as away.' }),
    })
    .transform((given, context): RedisConfig => {
      const targets: RedisTarget[] = [];
      const { username, tls } = given;
      const password = given.password?.reveal();
      const login = {
        ...(username === undefined ? {} : { username }),
        ...(password === undefined ? {} : { password }),
      };
      if (given.url !== undefined) targets.push({ kind: 'single', url: withLogin(given.url, login) });
      if (given.cluster !== undefined) targets.push({ kind: 'cluster', nodes: given.cluster, tls, ...login });
      if (given.sentinel !== undefined) {
        const sentinelPassword = given.sentinel.password?.reveal();
        targets.push({
          kind: 'sentinel',
          sentinels: given.sentinel.addresses,
          name: given.sentinel.master,
          tls,
          ...login,
          ...(sentinelPassword === undefined ? {} : { sentinelPassword }),
        });
      }
      const [target] = targets;
      if (target === undefined || targets.length > 1) {
        context.addIssue('must have exactly one of url, cluster and sentinel');
        return z.NEVER;
      }
      return { kind: 'redis', target: createSecret(target), keyPrefix: given.key_prefix, deadlineMs: given.timeout };
    });
}

function withLogin(address: string, login: { readonly username?: string; readonly password?: string }): string {
  const url = new URL(address);
  if (login.username !== undefined) url.username = encodeURIComponent(login.username);
  if (login.password !== undefined) url.password = encodeURIComponent(login.password);
  return url.href;
}

function audit(base: string) {
  return z
    .strictObject({
      directory: path(base)
        .prefault('data/audit')
        .meta({ description: 'Where records are written. One writer a directory.' }),
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
      sinks: sinksSection(base).default([]).meta({
        description: 'Where copies of the record go. They are sent from the log; no request waits for them.',
      }),
      witnesses: witnessesSection().default([]).meta({
        description: 'Who cosigns checkpoints, so that the log cannot be rewritten even with its key.',
      }),
      sink_directory: path(base)
        .prefault('data/sinks')
        .meta({ description: 'Where sinks keep how far they have got, and their dead letters.' }),
    })
    .transform(
      (given): AuditConfig => ({
        directory: given.directory,
        origin: given.origin,
        keyFile: given.key_file,
        createKeyFile: given.create_key_file,
        sinks: given.sinks,
        witnesses: given.witnesses,
        sinkDirectory: given.sink_directory,
        kek: given.kek,
        previousKeyFiles: given.previous_key_files,
        ageRecipients: given.age_recipients,
        retention: given.retention,
      }),
    );
}

/** The value of a reference, at least so many characters long; see `secretPaths`. */
function secret(least: number): z.ZodType<Secret, string> {
  return z.string().min(least, `must be at least ${least} characters long`).max(65_536).transform(createSecret);
}
