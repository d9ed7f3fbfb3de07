import { describe, expect, test } from 'vitest';
import { createDetector } from '../../../src/detect/detector.ts';
import { Fault } from '../../../src/lib/fault.ts';
import { limits } from '../../../src/lib/limits.ts';

const detector = createDetector({ tier: 'extended' });

test('more findings than the limit are a fault', () => {
  const text = 'jane@example.com '.repeat(limits.findingsMax + 1);
  expect(() => detector.scan(text)).toThrow(expect.objectContaining({ code: 'detection_failed' }));
  const scanner = detector.openStream();
  expect(() => {
    for (let at = 0; at < text.length; at += 4_000) scanner.push(text.slice(at, at + 4_000));
    scanner.close();
  }).toThrow(Fault);
});

test('as many as the limit are not', () => {
  expect(detector.scan('jane@example.com '.repeat(limits.findingsMax)).findings.length).toBe(limits.findingsMax);
});

describe('time grows as the text does', () => {
  const atoms = [
    ...[
      'a',
      '1',
      '1 ',
      '12 34 ',
      '(1',
      '+1',
      'a@',
      '@',
      'a.',
      'a@b.co@',
      'eyJ',
      'eyJhbGciOiJIUzI1NiJ9.',
      '-----BEGIN PRIVATE KEY-----',
    ],
    ...[
      '-',
      'password',
      'password ',
      'password=',
      'token="',
      'key',
      '://a:b@',
      '::',
      'ab:',
      'DE89 ',
      '4111 ',
      'call me 555 ',
      'sk-',
      'xoxb-1',
    ],
    ...['=', '비밀번호 ', 'curl -u ', 'x-api-key: ', '1.1.1.1 (a/', '\u200b', '１', 'a1b2', '"', 'AKIA', 'ghp_'],
  ];

  /** Least of several runs: what else happens on the machine only adds. */
  function timeUs(text: string): number {
    return Math.min(
      ...[1, 2, 3, 4, 5].map(() => {
        const before = process.cpuUsage();
        detector.scan(text);
        const { user, system } = process.cpuUsage(before);
        return user + system;
      }),
    );
  }

  test.each(atoms)('%j', (atom) => {
    const [short, long] = [4_096, 32_768].map((length) => atom.repeat(Math.ceil(length / atom.length)));
    detector.scan(short ?? '');
    // Eight times the text: quadratic work would take 64 times as long. Half a millisecond is noise.
    expect(timeUs(long ?? '')).toBeLessThan(40 * Math.max(500, timeUs(short ?? '')));
  });
});
