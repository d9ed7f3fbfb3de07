import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startStack } from '../../src/main/demo/stack.ts';
import { envoyBinary, freePorts, root } from '../support/stack.ts';
import { keepAsking, quiet, startModel, type Work, works } from './exchange-load.ts';

/**
 * `npm run bench:profile [-- --work NAME] [--exchanges N]`: where the time of an exchange goes, by V8's own profiler, in the service as it
 * ships and behind a real Envoy. A sample counts for the innermost part of the product (or package) that was at work: what Node does on
 * behalf of a file of ours is that file's. Microseconds are of the clock, by a profiler that makes everything dearer: read the percentages, and
 * only of a machine that does nothing else.
 */
interface CpuProfile {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
  /** Microseconds. */
  readonly timeDeltas: readonly number[];
  readonly endTime: number;
}

interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string };
  readonly children?: readonly number[];
}

const warmUpExchanges = 12_000;
const concurrency = 16;
const exchanges = Number(option('--exchanges') ?? 4_000);
const work = workOf(option('--work') ?? '4 KB JSON');
const folder = mkdtempSync(join(tmpdir(), 'countersign-profile-'));

try {
  const tookUs = await run();
  for (const file of readdirSync(join(folder, 'profiles')).sort()) report(file, tookUs);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** Microseconds that the measured exchanges took; they are the last thing that the service did. */
async function run(): Promise<number> {
  const upstream = await startModel();
  const [listener = 0, admin = 0, grpc = 0, api = 0, http = 0] = await freePorts(5);
  mkdirSync(join(folder, 'profiles'));
  const envoyConfig = join(folder, 'envoy.yaml');
  writeFileSync(envoyConfig, quiet(readFileSync(join(root, 'envoy', 'envoy.yaml'), 'utf8')));
  const stack = await startStack({
    root,
    dataFolder: join(folder, 'data'),
    envoyBinary: envoyBinary('1.40.0'),
    envoyConfig,
    serviceConfig: join(root, 'envoy', 'countersign.yaml'),
    ports: { 10000: listener, 9901: admin, 9191: grpc, 9192: api, 9193: http, 9900: upstream.port },
    nodeOptions: ['--cpu-prof', '--cpu-prof-interval', '400', `--cpu-prof-dir=${join(folder, 'profiles')}`],
  });
  try {
    const headers = { [stack.tokenHeader]: stack.tokens.requester };
    const subject = { name: 'countersign', port: listener, pid: stack.service.pid ?? 0, headers };
    await keepAsking(subject, work, concurrency, (done) => done >= warmUpExchanges);
    const started = process.hrtime.bigint();
    await keepAsking(subject, work, concurrency, (done) => done >= exchanges);
    return Number(process.hrtime.bigint() - started) / 1000;
  } finally {
    await stack.stop();
    upstream.close();
  }
}

function report(file: string, tookUs: number): void {
  const profile: CpuProfile = JSON.parse(readFileSync(join(folder, 'profiles', file), 'utf8'));
  const byId = new Map(profile.nodes.map((node) => [node.id, node]));
  const parents = new Map(profile.nodes.flatMap((node) => (node.children ?? []).map((child) => [child, node.id])));
  const parts = new Map<string, number>();
  const functions = new Map<string, number>();
  let busyUs = 0;
  // Shutting down takes a moment after the last exchange; it is idle but for that.
  let leftUs = tookUs;
  for (let i = profile.samples.length - 1; i >= 0 && leftUs > 0; i--) {
    const us = profile.timeDeltas[i] ?? 0;
    leftUs -= us;
    const node = byId.get(profile.samples[i] ?? 0);
    if (node === undefined || node.callFrame.functionName === '(idle)') continue;
    busyUs += us;
    add(parts, partOf(node, byId, parents), us);
    add(functions, nameOf(node), us);
  }
  if (busyUs < exchanges) return;
  const thread = file.endsWith('.0.001.cpuprofile')
    ? 'event loop'
    : 'a thread of its own (waiting for the disk included)';
  process.stdout.write(`\n${work.name}, ${thread}: busy for ${(busyUs / exchanges).toFixed(0)} us an exchange\n`);
  console.table(rows(parts, busyUs, 20));
  console.table(rows(functions, busyUs, 20));
}

/** The innermost file of the product or package on the stack. */
function partOf(
  leaf: ProfileNode,
  byId: ReadonlyMap<number, ProfileNode>,
  parents: ReadonlyMap<number, number>,
): string {
  if (leaf.callFrame.functionName.startsWith('(')) return leaf.callFrame.functionName;
  for (let node: ProfileNode | undefined = leaf; node; node = byId.get(parents.get(node.id) ?? -1)) {
    const { url } = node.callFrame;
    if (url.startsWith('wasm:')) return 'policy (WebAssembly)';
    const [, own] = /\/dist\/(\w+)\//.exec(url) ?? [];
    if (own !== undefined) return own;
    const [, vendor] = /\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url) ?? [];
    if (vendor !== undefined) return vendor;
  }
  return 'node';
}

function nameOf({ callFrame: { functionName, url } }: ProfileNode): string {
  return `${functionName || '(anonymous)'} ${url.split('/').slice(-2).join('/')}`;
}

function rows(spent: ReadonlyMap<string, number>, busyUs: number, count: number): Record<string, string>[] {
  return [...spent]
    .sort(([, a], [, b]) => b - a)
    .slice(0, count)
    .map(([name, us]) => ({
      name,
      'us an exchange': (us / exchanges).toFixed(0),
      percent: ((us / busyUs) * 100).toFixed(1),
    }));
}

function add(map: Map<string, number>, key: string, us: number): void {
  map.set(key, (map.get(key) ?? 0) + us);
}

function workOf(name: string): Work {
  const found = works.find((each) => each.name === name);
  if (found) return found;
  process.stderr.write(`--work is one of: ${works.map((each) => `'${each.name}'`).join(', ')}\n`);
  process.exit(2);
}

function option(name: string): string | undefined {
  const at = process.argv.indexOf(name);
  return at < 0 ? undefined : process.argv[at + 1];
}
