import { createHmac } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createTextHmac } from '../../../src/lib/hash.ts';

test('a text HMAC is the HMAC of the text, whatever key and text', () => {
  const keys = fc.uint8Array({ minLength: 0, maxLength: 100 });
  const texts = fc.array(
    fc.oneof(fc.string({ unit: 'binary' }), fc.constant('é'.repeat(1_100)), fc.constant('x'.repeat(1_024))),
  );
  fc.assert(
    fc.property(keys, texts, (key, list) => {
      const hmac = createTextHmac(key);
      for (const text of list) {
        expect(hmac(text).toString('hex')).toBe(createHmac('sha256', key).update(text, 'utf8').digest('hex'));
      }
    }),
  );
});
