import { z } from 'zod';
import type { RedisTarget } from '../approval/redis-client.ts';
import type { ApprovalConfig, RedisConfig } from './config.ts';
import { createSecret } from './secret.ts';
import { address, duration, path, secret, text } from './values.ts';

/** The `approval` section. */
export function approvalSection(base: string): z.ZodType<ApprovalConfig> {
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
      status_url: z
        .string()
        .regex(/^https?:\/\/[^\s{}]+\{approval\}[^\s{}]*$/, 'must be a URL with {approval} for the id')
        .nullable()
        .default(null)
        .meta({
          description:
            'Where a caller sees what became of its approval, `https://console.example.com/approvals/{approval}`; told in `approval_pending`. Null: it is told the gRPC call only.',
        }),
    })
    .transform(
      ({ store, max_wait, retention, status_url }): ApprovalConfig => ({
        store,
        maxWaitMs: max_wait,
        retentionMs: retention,
        statusUrl: status_url,
      }),
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
