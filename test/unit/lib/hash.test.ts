import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createShortHmac } from '../../../src/lib/hash.ts';

test('a short HMAC is the HMAC of the text or bytes, whatever key and length', () => {
  const keys = fc.uint8Array({ minLength: 0, maxLength: 100 });
  const texts = fc.array(
    fc.oneof(fc.string({ unit: 'binary' }), fc.constant('é'.repeat(1_100)), fc.constant('x'.repeat(1_024))),
  );
  fc.assert(
    fc.property(keys, texts, (key, list) => {
      const hmac = createShortHmac(key);
      for (const text of list) {
        const want = createHmac('sha256', key).update(text, 'utf8').digest('hex');
        expect([hmac(text).toString('hex'), hmac(Buffer.from(text)).toString('hex')]).toEqual([want, want]);
      }
    }),
  );
});
