import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Approval,
  ListRequest,
  type ListResponse,
  State,
} from '../../src/gen/countersign/approval/v1/approval.ts';
import { openApprovals, unary } from '../../src/main/api-client.ts';
import { type Stack, startStack } from '../../src/main/demo/stack.ts';
import { type DelayProxy, startDelayProxy } from './delay-proxy.ts';
import { eventually } from './eventually.ts';
import { startUpstream, type Upstream } from './upstream.ts';

export const root: string = new URL('../..', import.meta.url).pathname;

export interface TestStack extends Stack {
  readonly upstream: Upstream;
  readonly dataFolder: string;
  /** What countersign has written to its standard output and error. */
  output(): string;
  /** Access log lines and messages of Envoy. */
  envoyOutput(): string;
  /** POST through Envoy, with alice's token unless `token` says otherwise (null: none). */
  post(path: string, body: string | Buffer, options?: PostOptions): Promise<Response>;
  /** Bob's word (or that of `token`) over gRPC. */
  decide(
    verdict: 'approve' | 'reject' | 'revoke' | 'cancel',
    approval: string,
    token?: string,
    reason?: string,
  ): Promise<Approval>;
  /** The approval that waits for people, as soon as there is one whose masked text holds `text`. */
  pending(text: string): Promise<Approval>;
  chat(messages: unknown, options?: PostOptions & { readonly extra?: Record<string, unknown> }): Promise<Response>;
}

export interface PostOptions {
  readonly token?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

export interface TestStackOptions {
  readonly envoyVersion?: '1.40.0' | '1.39.3' | '1.37.0';
  /** Rewrites the shipped Envoy configuration before it is used. */
  readonly envoyConfig?: (yaml: string) => string;
  readonly envoyFile?: string;
  /** A model that runs already, instead of the scripted upstream. */
  readonly modelPort?: number;
  /** Rewrites the shipped countersign configuration before it is used. */
  readonly serviceConfig?: (yaml: string) => string;
  /** Puts a network of this latency (one way) between Envoy and countersign. */
  readonly pepDelayMs?: number;
  /** `live`: do not wait until the service is ready. */
  readonly until?: 'ready' | 'live';
}

/** The shipped configurations on free ports, a scripted upstream behind them. */
export async function startTestStack(options: TestStackOptions = {}): Promise<TestStack> {
  const dataFolder = mkdtempSync(join(tmpdir(), 'countersign-e2e-'));
  const upstream = await startUpstream();
  const [listener, admin, pep, api, http] = await freePorts(5);
  const network = options.pepDelayMs === undefined ? null : await startDelayProxy(pep ?? 0, options.pepDelayMs);
  const envoyConfig = rewritten(options.envoyFile ?? 'envoy.yaml', throughNetwork(options, network), dataFolder);
  const serviceConfig = rewritten('countersign.yaml', options.serviceConfig, dataFolder);
  const output: string[] = [];
  const envoyOutput: string[] = [];
  try {
    const stack = await startStack({
      root,
      dataFolder,
      envoyBinary: envoyBinary(options.envoyVersion ?? '1.40.0'),
      envoyConfig,
      serviceConfig,
      ports: {
        10000: listener ?? 0,
        9901: admin ?? 0,
        9191: pep ?? 0,
        9192: api ?? 0,
        9193: http ?? 0,
        9900: options.modelPort ?? upstream.port,
      },
      onServiceOutput: (text) => void output.push(text),
      onEnvoyOutput: (text) => void envoyOutput.push(text),
      ...(options.until ? { until: options.until } : {}),
    });
    const post: TestStack['post'] = (path, body, { token = stack.tokens.requester, headers = {}, signal } = {}) =>
      fetch(`${stack.baseUrl}${path}`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          ...(token === null ? {} : { [stack.tokenHeader]: token }),
          ...headers,
        },
        body,
        ...(signal ? { signal } : {}),
      });
    return {
      ...stack,
      upstream,
      dataFolder,
      output: () => output.join(''),
      envoyOutput: () => envoyOutput.join(''),
      post,
      decide: async (verdict, id, token = stack.tokens.approver, reason = 'agreed') => {
        const { client, metadata } = openApprovals({ api: stack.api, token });
        try {
          const answer = await unary<{ approval: Approval | undefined }>((done) =>
            client[verdict]({ id, reason, requestId: '' }, metadata, done),
          );
          if (!answer.approval) throw new Error('an answer without an approval');
          return answer.approval;
        } finally {
          client.close();
        }
      },
      pending: async (text) => {
        const { client, metadata } = openApprovals({ api: stack.api, token: stack.tokens.approver });
        const request = ListRequest.fromPartial({ state: State.STATE_PENDING, pageSize: 100 });
        try {
          return await eventually(`a pending approval of "${text}"`, async () => {
            const { approvals } = await unary<ListResponse>((done) => client.list(request, metadata, done));
            return approvals.find((approval) => approval.maskedView.includes(text));
          });
        } finally {
          client.close();
        }
      },
      chat: (messages, { extra = {}, ...rest } = {}) =>
        post(
          '/v1/chat/completions',
          JSON.stringify({
            model: 'scripted-1',
            messages: typeof messages === 'string' ? [{ role: 'user', content: messages }] : messages,
            ...extra,
          }),
          rest,
        ),
      stop: async () => {
        await stack.stop();
        await upstream.close();
        await network?.close();
        rmSync(dataFolder, { recursive: true, force: true });
      },
    };
  } catch (thrown) {
    await upstream.close();
    await network?.close();
    rmSync(dataFolder, { recursive: true, force: true });
    throw thrown;
  }
}

export function envoyBinary(version: string): string {
  return join(root, '.cache', `envoy-${version}`, 'envoy', '_bin', 'envoy');
}

function throughNetwork(options: TestStackOptions, network: DelayProxy | null): TestStackOptions['envoyConfig'] {
  const rewrite = options.envoyConfig;
  if (!network) return rewrite;
  return (yaml) => (rewrite?.(yaml) ?? yaml).replace('port_value: 9191', `port_value: ${network.port}`);
}

function rewritten(file: string, rewrite: ((yaml: string) => string) | undefined, folder: string): string {
  const shipped = join(root, 'envoy', file);
  if (!rewrite) return shipped;
  const target = join(folder, `rewritten-${file}`);
  writeFileSync(target, rewrite(readFileSync(shipped, 'utf8')));
  return target;
}

/** Ports that were free a moment ago, all held at once so that they differ. */
export async function freePorts(count: number): Promise<number[]> {
  const held = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return server;
    }),
  );
  const ports = held.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(held.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/**
 * Counters that mean traffic passed unseen or a protocol rule was broken; all must be zero after any test. `server_half_closed`: the
 * stream ended at our end first; where that was no error, Envoy takes it as an allow.
 */
export async function alarms(stack: Stack): Promise<Record<string, number>> {
  const stats = await stack.envoy.stats(`ext_proc\\.(${Object.keys(noAlarms).join('|')})`);
  return Object.fromEntries([...stats].map(([name, value]) => [name.split('.').at(-1) ?? name, value]));
}

export const noAlarms: Readonly<Record<string, number>> = {
  failure_mode_allowed: 0,
  message_timeouts: 0,
  server_half_closed: 0,
  spurious_msgs_received: 0,
  streams_failed: 0,
};
