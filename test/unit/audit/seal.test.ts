import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  bodyCommitment,
  createSealer,
  decrypt,
  encrypt,
  sealContext,
  sealedExtraBytes,
  unseal,
} from '../../../src/audit/seal.ts';
import { createPooledRandom } from '../../../src/lib/ids.ts';

const random = createPooledRandom();
const key = Buffer.alloc(32, 5);
const context = sealContext('audit.example.com/a', 'id-1', ['caller', 'output']);
const sealer = createSealer(random);

function seal(plaintext: Uint8Array): Buffer {
  const target = Buffer.alloc(9 + sealedExtraBytes + plaintext.length);
  sealer.seal(target, 9, plaintext, context, key);
  return target.subarray(9);
}

describe('seal', () => {
  test('opens to what was sealed, whatever its size', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 5_000 }), (plaintext) => {
        const sealed = seal(plaintext);
        expect(sealed.length).toBe(60 + plaintext.length + 16);
        expect(unseal(sealed, context, key)).toEqual(Buffer.from(plaintext));
      }),
    );
  });

  test('does not open when any byte was changed', () => {
    const sealed = seal(Buffer.from('prompt'));
    for (let i = 0; i < sealed.length; i++) {
      const changed = Buffer.from(sealed);
      changed.writeUInt8(changed.readUInt8(i) ^ 1, i);
      expect(unseal(changed, context, key)).toBeNull();
    }
  });

  test.each([
    { name: 'another key', given: [context, Buffer.alloc(32, 6)] as const },
    { name: 'a key of another length', given: [context, Buffer.alloc(16, 5)] as const },
    { name: 'another log', given: [sealContext('audit.example.com/b', 'id-1', ['caller', 'output']), key] as const },
    { name: 'another record', given: [sealContext('audit.example.com/a', 'id-2', ['caller', 'output']), key] as const },
    { name: 'other names', given: [sealContext('audit.example.com/a', 'id-1', ['output', 'caller']), key] as const },
  ])('does not open with $name', ({ given }) => {
    expect(unseal(seal(Buffer.from('prompt')), ...given)).toBeNull();
  });

  test.each([0, 59, 60, 75])('%i bytes are nothing to open', (length) => {
    expect(unseal(Buffer.alloc(length), context, key)).toBeNull();
  });

  test('no two sealings have a key or ciphertext in common', () => {
    const [a, b] = [seal(Buffer.alloc(64)), seal(Buffer.alloc(64))];
    expect(a.subarray(60).equals(b.subarray(60))).toBe(false);
    expect(a.subarray(0, 12).equals(b.subarray(0, 12))).toBe(false);
  });

  test('encrypt and decrypt are each other’s inverse, bound to their context', () => {
    const sealed = encrypt(key, random(12), Buffer.from('epoch key'), 'hour');
    expect(decrypt(key, sealed, 'hour')?.toString()).toBe('epoch key');
    expect(decrypt(key, sealed, 'other hour')).toBeNull();
    expect(decrypt(key, Buffer.alloc(27), 'hour')).toBeNull();
  });

  test('the commitment is SHA-256 over salt and body', () => {
    const salted = Buffer.concat([Buffer.alloc(32, 3), Buffer.from('body')]);
    expect(bodyCommitment(salted)).toBe(createHash('sha256').update(salted).digest('base64url'));
  });
});
