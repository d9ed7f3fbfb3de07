import { expect, test } from 'vitest';
import { durationMs, hostAndPort, isLoopback } from '../../../src/config/values.ts';

test.each([
  ['0s', 0],
  ['300ms', 300],
  ['1.5s', 1_500],
  ['10m', 600_000],
  ['12h', 43_200_000],
  ['90d', 7_776_000_000],
  ['5', null],
  ['5 s', null],
  ['-5s', null],
  ['5S', null],
  ['1h30m', null],
  ['.5s', null],
  ['', null],
])('duration %s: %s', (text, want) => {
  expect(durationMs(text)).toBe(want);
});

test.each([
  ['127.0.0.1:9191', { host: '127.0.0.1', port: 9191 }],
  ['[::1]:0', { host: '::1', port: 0 }],
  ['gw-0.example.com:65535', { host: 'gw-0.example.com', port: 65_535 }],
  ['127.0.0.1:65536', null],
  ['127.0.0.1', null],
  [':9191', null],
  ['::1:9191', null],
  ['unix:/run/x.sock', null],
  ['', null],
])('address %s', (text, want) => {
  expect(hostAndPort(text)).toEqual(want);
});

test.each([
  ['localhost', true],
  ['127.0.0.1', true],
  ['127.8.9.10', true],
  ['::1', true],
  ['0.0.0.0', false],
  ['::', false],
  ['127.example.com', false],
  ['localhost.example.com', false],
])('loopback %s: %s', (host, want) => {
  expect(isLoopback(host)).toBe(want);
});
