/** Entities whose value is a number written with separators of the writer's taste. */
const digitEntities: ReadonlySet<string> = new Set([
  'CREDIT_CARD',
  'US_SSN',
  'US_ITIN',
  'US_EIN',
  'US_NPI',
  'US_BANK_NUMBER',
  'ABA_ROUTING_NUMBER',
  'PHONE_NUMBER',
]);

/**
 * The value as it is keyed, so that one value gets one placeholder however it is written: digits of cards, social security and
 * phone numbers (also full-width and Arabic-Indic ones), upper-case letters and digits of an IBAN, an e-mail address with its
 * domain in lower case (RFC 5321 section 2.3.11: the local part is the host's business), all else as it stands. Never empty
 * unless the value is.
 */
export function canonicalValue(entity: string, value: string): string {
  if (digitEntities.has(entity)) return asciiDigits(value) || value;
  if (entity === 'IBAN_CODE') return value.toUpperCase().replace(/[^0-9A-Z]/g, '') || value;
  if (entity === 'EMAIL_ADDRESS') {
    const at = value.lastIndexOf('@');
    return value.slice(0, at + 1) + value.slice(at + 1).toLowerCase();
  }
  return value;
}

/** First code points of the decimal digit blocks that detectors read as digits. */
const digitBlocks: readonly number[] = [0x30, 0x660, 0x6f0, 0xff10];

function asciiDigits(value: string): string {
  let digits = '';
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i);
    for (const zero of digitBlocks) {
      if (code >= zero && code <= zero + 9) digits += String.fromCharCode(0x30 + code - zero);
    }
  }
  return digits;
}
