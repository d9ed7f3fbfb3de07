import { EventEmitter } from 'node:events';
import { describe, expect, test } from 'vitest';
import { listenToShard, movedTo, type NodeConnection } from '../../../src/approval/redis-shard-listener.ts';

const [one, two] = [
  { host: '127.0.0.1', port: 1 },
  { host: '127.0.0.1', port: 2 },
] as const;

/** Nodes that say what the script says, and the connections that were made to them. */
function cluster(answer: (port: number, command: 'ssubscribe' | 'subscribe') => string | null) {
  const told: string[] = [];
  const connections: EventEmitter[] = [];
  const steps: (() => void)[] = [];
  const tell = (what: string): void => {
    told.push(what);
    for (const step of steps.splice(0)) step();
  };
  const connect = (node: { readonly port: number }): NodeConnection => {
    const events = new EventEmitter();
    connections.push(events);
    const call = async (command: 'ssubscribe' | 'subscribe') => {
      told.push(`${command} ${node.port}`);
      const refusal = answer(node.port, command);
      if (refusal === null) return;
      // As ioredis does, before the call rejects.
      if (refusal.startsWith('MOVED')) events.emit('moved');
      throw new Error(refusal);
    };
    setImmediate(() => events.emit('ready'));
    return Object.assign(events, {
      ssubscribe: () => call('ssubscribe'),
      subscribe: () => call('subscribe'),
      disconnect: () => void setImmediate(() => events.emit('end')),
    });
  };
  const listener = listenToShard('changes', {
    nodes: () => [one, two],
    connect,
    backOffMs: () => 1,
    onMessage: tell,
    onGap: () => tell('gap'),
    onPlain: () => tell('plain'),
    onProblem: tell,
  });
  const until = async (what: string): Promise<void> => {
    while (!told.includes(what)) await new Promise<void>((resolve) => steps.push(resolve));
  };
  return { told, connections, until, close: listener.close };
}

describe('a listener to one shard', () => {
  test('goes where the channel is, and hears', async () => {
    const { told, connections, until, close } = cluster((port) => (port === 1 ? 'MOVED 3999 127.0.0.1:2' : null));
    await until('gap');
    connections.at(-1)?.emit('smessage', 'changes', 'a');
    expect(told).toEqual(['ssubscribe 1', 'ssubscribe 2', 'gap', 'a']);
    close();
  });

  test('begins anew when the slot moves away or the node ends, and says that it may have missed something', async () => {
    let owner = 1;
    const nodes = cluster((port) => (port === owner ? null : `MOVED 3999 127.0.0.1:${owner}`));
    await nodes.until('gap');
    owner = 2;
    nodes.told.length = 0;
    nodes.connections.at(-1)?.emit('moved');
    await nodes.until('gap');
    expect(nodes.told.at(-2)).toBe('ssubscribe 2');
    nodes.told.length = 0;
    nodes.connections.at(-1)?.emit('end');
    await nodes.until('gap');
    nodes.close();
    const made = nodes.connections.length;
    nodes.connections.at(-1)?.emit('end');
    await new Promise(setImmediate);
    expect(nodes.connections).toHaveLength(made);
  });

  test('takes an ordinary channel where the server knows no other, and says so once', async () => {
    const nodes = cluster((_port, command) => (command === 'ssubscribe' ? "ERR unknown command 'ssubscribe'" : null));
    await nodes.until('gap');
    nodes.connections.at(-1)?.emit('message', 'changes', 'a');
    nodes.connections.at(-1)?.emit('end');
    nodes.told.push('again');
    await new Promise<void>((resolve) => {
      const look = (): unknown =>
        nodes.told.filter((line) => line === 'gap').length === 2 ? resolve() : setImmediate(look);
      look();
    });
    expect(nodes.told.filter((line) => line === 'plain')).toHaveLength(1);
    expect(nodes.told).toContain('a');
    nodes.close();
  });

  test('a refusal of another kind is told, and tried again', async () => {
    let isAllowed = false;
    const nodes = cluster(() => (isAllowed ? null : 'NOPERM no permissions'));
    await nodes.until('NOPERM no permissions');
    isAllowed = true;
    await nodes.until('gap');
    expect(nodes.told).not.toContain('plain');
    nodes.close();
  });

  test.each([
    { reason: 'MOVED 3999 10.0.0.7:6381', want: { host: '10.0.0.7', port: 6_381 } },
    { reason: 'MOVED 3999 ::1:6381', want: { host: '::1', port: 6_381 } },
    { reason: 'MOVED 3999 :6381', want: { host: '127.0.0.1', port: 6_381 } },
    { reason: 'CLUSTERDOWN The cluster is down', want: null },
  ])('$reason', ({ reason, want }) => {
    expect(movedTo(reason, one)).toEqual(want);
  });
});
