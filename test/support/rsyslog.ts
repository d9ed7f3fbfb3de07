import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createAuthority } from './certificates.ts';
import { eventually } from './eventually.ts';

/** A message as rsyslog has understood it. */
export interface SyslogLine {
  readonly pri: string;
  readonly time: string;
  readonly host: string;
  readonly app: string;
  readonly procid: string;
  readonly msgid: string;
  readonly data: string;
  readonly msg: string;
}

export interface Rsyslog {
  readonly port: number;
  /** PEM of the authority that its certificate is signed by; null: plain TCP. */
  readonly ca: Buffer | null;
  lines(): readonly SyslogLine[];
  /** Ends the process and starts it again on the same port, with the same file. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

/** A real rsyslogd on a free port of this machine that writes what it has parsed to a file, as JSON. */
export async function startRsyslog(isTls: boolean): Promise<Rsyslog> {
  const folder = mkdtempSync(join(tmpdir(), 'rsyslog-'));
  const authority = isTls ? createAuthority('test authority') : null;
  if (authority !== null) {
    const { cert, key } = authority.issue('localhost');
    writeFileSync(join(folder, 'ca.pem'), authority.cert);
    writeFileSync(join(folder, 'cert.pem'), cert);
    writeFileSync(join(folder, 'key.pem'), key);
  }
  let port = 0;
  let server: ChildProcess | null = null;

  async function start(): Promise<void> {
    writeFileSync(join(folder, 'rsyslog.conf'), configuration(folder, isTls, port));
    rmSync(join(folder, 'port'), { force: true });
    const binary = existsSync('/usr/sbin/rsyslogd') ? '/usr/sbin/rsyslogd' : 'rsyslogd';
    const args = ['-n', '-f', join(folder, 'rsyslog.conf'), '-i', join(folder, 'pid')];
    const child = spawn(binary, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    server = child;
    let said = '';
    child.stderr.on('data', (chunk) => {
      said += String(chunk);
    });
    // The file is written for port 0 alone; afterwards the port is known.
    const known = port;
    port = await eventually('a listening rsyslogd', async () => {
      if (child.exitCode !== null) throw new Error(`rsyslogd ended: ${said}`);
      const file = join(folder, 'port');
      const at = known || (existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0);
      return at > 0 && (await accepts(at)) ? at : undefined;
    });
  }

  async function stop(): Promise<void> {
    const last = server;
    server = null;
    if (last === null || last.exitCode !== null) return;
    const ended = once(last, 'exit');
    last.kill('SIGTERM');
    await ended;
  }

  await start();
  return {
    port,
    ca: authority?.cert ?? null,
    lines: () => {
      const file = join(folder, 'out');
      if (!existsSync(file)) return [];
      return readFileSync(file, 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line));
    },
    restart: async () => {
      await stop();
      await start();
    },
    close: async () => {
      await stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

function configuration(folder: string, isTls: boolean, port: number): string {
  const property = (name: string, source: string): string =>
    `property(name="${source}" outname="${name}" format="jsonf")`;
  const comma = 'constant(value=",")';
  const members = [
    property('pri', 'pri'),
    property('time', 'timereported" dateFormat="rfc3339'),
    property('host', 'hostname'),
    property('app', 'app-name'),
    property('procid', 'procid'),
    property('msgid', 'msgid'),
    property('data', 'structured-data'),
    property('msg', 'msg'),
  ];
  return `
global(workDirectory="${folder}" maxMessageSize="64k"
  ${isTls ? `defaultNetstreamDriverCAFile="${folder}/ca.pem" defaultNetstreamDriverCertFile="${folder}/cert.pem" defaultNetstreamDriverKeyFile="${folder}/key.pem"` : ''})
module(load="imtcp" ${isTls ? 'StreamDriver.Name="gtls" StreamDriver.Mode="1" StreamDriver.AuthMode="anon"' : ''})
input(type="imtcp" port="${port}" address="127.0.0.1" listenPortFileName="${folder}/port")
template(name="json" type="list") {
  constant(value="{")
  ${members.join(`\n  ${comma}\n  `)}
  constant(value="}\\n")
}
action(type="omfile" file="${folder}/out" template="json")
`;
}
