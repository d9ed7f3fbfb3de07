import { isIP } from 'node:net';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createDetector } from '../../../src/detect/detector.ts';
import { rules } from '../../../src/detect/rules/catalogue.ts';
import { isIban } from '../../../src/detect/validators/iban.ts';
import { passesLuhn } from '../../../src/detect/validators/luhn.ts';
import { maskText } from '../../../src/mask/mask-text.ts';
import { createMinter, type Minter } from '../../../src/mask/placeholder.ts';
import { compilePlan, type MaskMethod, strictness } from '../../../src/mask/plan.ts';
import { createTextStreamMasker } from '../../../src/mask/stream-masker.ts';
import { isSurrogate } from '../../../src/mask/surrogate.ts';
import { createTally } from '../../../src/mask/tally.ts';

const detector = createDetector({ tier: 'extended' });
const entities = new Set([...rules.map((rule) => rule.entity), 'UUID']);

function minterOf(scope = 's', key = 1): Minter {
  return createMinter({ key: Buffer.alloc(32, key), scope, entities });
}

function mask(text: string, method: MaskMethod, minter = minterOf()): string {
  return maskText(text, detector.scan(text).findings, 'user', compilePlan([{ entity: '*', method }]), minter).text;
}

const githubToken = ['ghp', '_', '16C7e42F292c6912E7710c838347Ae178B4a'].join('');
const awsKeyId = ['AKIA', 'QYLPMN5HHHFPZAM2'].join('');

describe('a surrogate', () => {
  test.each([
    { entity: 'EMAIL_ADDRESS', value: 'Jane.Doe@corp.test', shape: /^u-[0-9a-z]{10}@example\.com$/ },
    { entity: 'PHONE_NUMBER', value: '(415) 555-2671', shape: /^\([2-9]\d\d\) 555-01\d\d$/ },
    { entity: 'PHONE_NUMBER', value: '+1.415.555.2671', shape: /^\+1\.[2-9]\d\d\.555\.01\d\d$/ },
    { entity: 'PHONE_NUMBER', value: '415.555.2671x22', shape: /^\+1 [2-9]\d\d-555-01\d\d$/ },
    { entity: 'PHONE_NUMBER', value: '+44 (0)20 7123 1234', shape: /^\+44 20 7946 0\d{3}$/ },
    { entity: 'PHONE_NUMBER', value: '0033 6 12 34 56 78', shape: /^\+33 1 99 00 \d\d \d\d$/ },
    { entity: 'PHONE_NUMBER', value: '+49 30 123456', shape: /^\+1 [2-9]\d\d-555-01\d\d$/ },
    { entity: 'CREDIT_CARD', value: '4111 1111 1111 1111', shape: /^9999 \d{4} \d{4} \d{4}$/ },
    { entity: 'CREDIT_CARD', value: '378282246310005', shape: /^9999\d{11}$/ },
    { entity: 'US_SSN', value: '536-22-8726', shape: /^000-(?!00)\d\d-(?!0000)\d{4}$/ },
    { entity: 'IBAN_CODE', value: 'DE89 3704 0044 0532 0130 00', shape: /^DE\d\d 0000 0000 \d{4} \d{4} \d\d$/ },
    { entity: 'IBAN_CODE', value: 'GB29NWBK60161331926819', shape: /^GB\d\dXXXX0000\d{10}$/ },
    { entity: 'IP_ADDRESS', value: '8.8.8.8', shape: /^(192\.0\.2|198\.51\.100|203\.0\.113)\.\d+$/ },
    { entity: 'IP_ADDRESS', value: '10.1.0.0/16', shape: /^(192\.0\.2|198\.51\.100|203\.0\.113)\.\d+\/16$/ },
    { entity: 'IP_ADDRESS', value: '2a00:1450:4001::200e', shape: /^2001:db8:[0-9a-f:]+$/ },
    { entity: 'MAC_ADDRESS', value: '3C:22:FB:4D:5E:6F', shape: /^00:00:5E:00:53:[0-9A-F]{2}$/ },
    { entity: 'UUID', value: '7f1c2e60-9d0b-4f7a-8a53-1f0e6b1c2d3e', shape: /^00000000-0000-8000-8000-[0-9a-f]{12}$/ },
    { entity: 'SECRET_GITHUB_TOKEN', value: githubToken, shape: /^ghp_EXAMPLE[0-9A-Z]{29}$/ },
    { entity: 'SECRET_AWS_ACCESS_KEY_ID', value: awsKeyId, shape: /^AKIAEXAMPLE[0-9A-Z]{9}$/ },
  ])('of $entity $value has its form and is reserved', ({ entity, value, shape }) => {
    const made = minterOf().surrogate(entity, value) ?? '';
    expect(made).toMatch(shape);
    expect([isSurrogate(value), isSurrogate(made)]).toEqual([false, true]);
    if (entity === 'CREDIT_CARD') expect(passesLuhn(made)).toBe(true);
    if (entity === 'IBAN_CODE') expect(isIban(made.replaceAll(' ', ''))).toBe(true);
    if (entity === 'IP_ADDRESS') expect(isIP(made.replace(/\/.*/, ''))).toBeGreaterThan(0);
  });

  test.each([
    { entity: 'SECRET_PASSWORD', value: 'hunter2!' },
    { entity: 'SECRET_JWT', value: 'eyJhbGciOiJub25lIn0.e30.' },
    { entity: 'US_PASSPORT', value: '123456789' },
  ])('$entity has none: a token stands in its place', ({ entity, value }) => {
    expect(minterOf().surrogate(entity, value)).toBeNull();
  });

  test('is equal for equal values however they are written, and unrelated in another scope or under another key', () => {
    const forms = ['4111 1111 1111 1111', '4111-1111-1111-1111', '4111111111111111'];
    const digits = forms.map((form) => minterOf().surrogate('CREDIT_CARD', form)?.replace(/\D/g, ''));
    expect(new Set(digits).size).toBe(1);
    const [form = ''] = forms;
    const others = [minterOf('s', 1), minterOf('t', 1), minterOf('s', 2)].map((minter) =>
      minter.surrogate('CREDIT_CARD', form),
    );
    expect(new Set(others).size).toBe(3);
  });

  test('is never shared by two values of one exchange, though a range is small', () => {
    const minter = minterOf();
    const made = Array.from({ length: 200 }, (_, i) =>
      minter.surrogate('MAC_ADDRESS', `3c:22:fb:00:00:${i.toString(16).padStart(2, '0')}`),
    );
    expect(new Set(made).size).toBe(200);
    const again = Array.from({ length: 200 }, (_, i) =>
      minter.surrogate('MAC_ADDRESS', `3c:22:fb:00:00:${i.toString(16).padStart(2, '0')}`),
    );
    expect(again).toEqual(made);
  });
});

const values = [
  ...[
    '4111 1111 1111 1111',
    '4111111111111111',
    '378282246310005',
    '536-22-8726',
    'jane@corp.test',
    'o%27neil@corp.test',
  ],
  ...[
    '(415) 555-2671',
    '+1 415 555 2671',
    '+44 20 7123 1234',
    '+33 6 12 34 56 78',
    '+49 30 123456',
    '8.8.8.8',
    '2a00:1450:4001::200e',
  ],
  ...[
    'DE89 3704 0044 0532 0130 00',
    'GB29NWBK60161331926819',
    'BE68539007547034',
    'NO9386011117947',
    '3C:22:FB:4D:5E:6F',
  ],
  ...[githubToken, awsKeyId, 'password: hunter2hunter!', 'postgres://app:S3cretPass@db.corp.test/x'],
];
/** Apart from each other: a number that stands in a row with others is another thing after its neighbour is masked. */
const texts = fc
  .array(
    fc.tuple(
      fc.constantFrom('', 'card ', 'call me at ', 'SSN ', 'ip=', '"', 'see <', 'Zürich: '),
      fc.constantFrom(...values),
      fc.constantFrom(' and then ', ', or\n', '" is it; ', '> \u{1f511} '),
    ),
    { maxLength: 8 },
  )
  .map((parts) => parts.flat().join(''));

describe('with all rules on', () => {
  // Dropping leaves nothing to know again: what stood around a value stands together then, and may be a value itself.
  test.each(strictness.filter((method) => method !== 'drop'))(
    '%s: a masked text masked again does not change',
    (method) => {
      fc.assert(
        fc.property(texts, (text) => {
          const masked = mask(text, method);
          expect(mask(masked, method)).toBe(masked);
        }),
      );
    },
  );

  test.each(strictness)('%s: the same each time, in one exchange and in the next, whole or in pieces', (method) => {
    fc.assert(
      fc.property(texts, fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 12 }), (text, cuts) => {
        const masked = mask(text, method);
        expect(mask(text, method)).toBe(masked);
        const plan = compilePlan([{ entity: '*', method }]);
        const masker = createTextStreamMasker({ detector, plan, minter: minterOf(), tally: createTally() }, 'user');
        let at = 0;
        for (const cut of cuts) {
          masker.push(text.slice(at, at + cut));
          at += cut;
        }
        masker.push(text.slice(at));
        masker.close();
        expect(masker.take(masker.length()) ?? text).toBe(masked);
      }),
    );
  });
});
