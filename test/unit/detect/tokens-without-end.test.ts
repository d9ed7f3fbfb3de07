import { describe, expect, test } from 'vitest';
import { createDetector } from '../../../src/detect/detector.ts';
import { sample } from '../../../src/detect/rules/sample.ts';

const detector = createDetector({ tier: 'core' });
const header = Buffer.from('{"alg":"HS256","typ":"JWT"}').toString('base64url');
const jwt = `${header}.${sample(['base64url', 20_000])}.${sample(['base64url', 43])}`;
const line = sample(['base64', 64]);
const pem =
  ['-----BEGIN', 'RSA PRIVATE KEY-----\n'].join(' ') +
  `${line}\n`.repeat(400) +
  ['-----END', 'RSA PRIVATE KEY-----'].join(' ');

describe.each([
  { name: 'JWT', secret: jwt, entity: 'SECRET_JWT' },
  { name: 'PEM', secret: pem, entity: 'SECRET_PRIVATE_KEY' },
  { name: 'PEM on one line', secret: pem.replaceAll('\n', '\\n'), entity: 'SECRET_PRIVATE_KEY' },
])('$name', ({ secret, entity }) => {
  const text = `before ${secret} after jane@example.com`;

  test('is one finding in a text', () => {
    expect(detector.scan(text).findings).toMatchObject([
      { entity, start: 7, end: 7 + secret.length },
      { entity: 'EMAIL_ADDRESS' },
    ]);
  });

  test('is let go piece by piece in a stream, and nothing of it undecided for long', () => {
    const scanner = detector.openStream();
    const pieces: { start: number; end: number; continuation: boolean }[] = [];
    let held = 0;
    for (let at = 0; at < text.length; at += 40) {
      const { findings, decided } = scanner.push(text.slice(at, at + 40));
      for (const finding of findings) if (finding.entity === entity) pieces.push(finding);
      held = Math.max(held, Math.min(at + 40, text.length) - decided);
    }
    scanner.close();
    expect(pieces[0]).toMatchObject({ start: 7, continuation: false });
    expect(pieces.slice(1).every(({ continuation }) => continuation)).toBe(true);
    expect(pieces.slice(1).every(({ start }, i) => start === pieces[i]?.end)).toBe(true);
    expect(pieces.at(-1)?.end).toBe(7 + secret.length);
    expect(held).toBeLessThan(4_200);
  });
});

test('what begins inside a token and ends behind it is lost to the token, in a stream as in a text', () => {
  const text = `x ${jwt}@example.com and 4111 1111 1111 1111`;
  const scanner = detector.openStream();
  const entities: string[] = [];
  for (let at = 0; at < text.length; at += 64) {
    for (const finding of scanner.push(text.slice(at, at + 64)).findings)
      if (!finding.continuation) entities.push(finding.entity);
  }
  for (const finding of scanner.close().findings) if (!finding.continuation) entities.push(finding.entity);
  expect(entities).toEqual(detector.scan(text).findings.map(({ entity }) => entity));
  expect(entities).toEqual(['SECRET_JWT', 'CREDIT_CARD']);
});

test('a stream that breaks off inside a token has reported it to the end', () => {
  const scanner = detector.openStream();
  const cut = jwt.slice(0, 10_000);
  const findings = [...scanner.push(`x ${cut}`).findings, ...scanner.close().findings];
  expect([findings[0]?.start, findings.at(-1)?.end]).toEqual([2, 2 + cut.length]);
});
