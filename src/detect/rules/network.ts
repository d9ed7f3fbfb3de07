import { isIPv4, isIPv6 } from 'node:net';
import { digitRun } from '../anchors.ts';
import type { Match, Place, Rule, Verdict } from '../rule.ts';

function ipv4Check({ text, start, value }: Match): Verdict {
  if (!isIPv4(value.replace(/\/\d+$/, '')) || Number(value.split('/')[1] ?? 0) > 32) return 'wrong';
  const left = text.slice(Math.max(0, start - 20), start);
  return /(?:versions?|ver|release|build|rev|firmware|section|chapter|oid)[ :=.#]*$|[\w.-]$|§ ?$/i.test(left)
    ? 'wrong'
    : 'plausible';
}

const group = '[0-9A-Fa-f]{1,4}';
const quad = '\\d{1,3}\\.\\d{1,3}\\.\\d{1,3}\\.\\d{1,3}';
/** All groups, the last two as IPv4, or some left out: `::`. A time of day is none of these. */
const ipv6Forms = [
  `(?:${group}:){7}${group}`,
  `(?:${group}:){6}${quad}`,
  `(?:${group}(?::${group})*)?::(?:${group}:)*(?:${group}|${quad})?`,
];

function ipv6Check({ text, units, start, end, followed }: Place): Verdict {
  // Half of a dotted quad: something else.
  if (followed || !hasDigit(units, start, end)) return 'wrong';
  const value = text.slice(start, end);
  const slash = value.indexOf('/');
  const address = slash < 0 ? value : value.slice(0, slash);
  // `a::b` is a scope in several languages.
  if (!hasDigit(units, start, start + address.length) || !/[0-9a-f]{2}|::\d|\d::/i.test(address)) return 'wrong';
  const zone = address.indexOf('%');
  if (!isIPv6(zone < 0 ? address : address.slice(0, zone))) return 'wrong';
  return slash < 0 || Number(value.slice(slash + 1)) <= 128 ? 'plausible' : 'wrong';
}

/** A colon too many. */
function shorterIpv6Digits(units: Uint16Array, start: number, end: number): number {
  return units[end - 1] === colon && hasDigit(units, start, end) ? anyCount : 0;
}

const anyCount = -1;
const colon = 0x3a;

function hasDigit(units: Uint16Array, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    const unit = units[at] ?? 0;
    if (unit >= 0x30 && unit <= 0x39) return true;
  }
  return false;
}

function macCheck({ value }: Match): Verdict {
  if (/ /.test(value)) return 'doubtful';
  const digits = value.replace(/[^0-9a-f]/gi, '');
  return /^0+$/.test(digits) || (/^\d{1,2}(?:[:-]\d{2}){5}$/.test(value) && !/^0/.test(value))
    ? 'doubtful'
    : 'plausible';
}

export const networkRules: readonly Rule[] = [
  {
    id: 'ipv4',
    verifies: 'octets to 255, no version number',
    entity: 'IP_ADDRESS',
    tier: 'core',
    anchors: [digitRun],
    // More than four parts make a longer dotted number, not an address.
    pattern: /\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?:\.\d+)*(?:\/\d{1,2})?/,
    maxLength: 64,
    notBefore: /[A-Za-z0-9_.-]/,
    notAfter: /[A-Za-z0-9_]/,
    check: ipv4Check,
    score: 0.6,
    source: 'https://www.rfc-editor.org/rfc/rfc6943#section-3.1.1',
    examples: {
      positive: [
        '203.0.113.7',
        { text: 'Route is 10.0.0.0/8.', value: '10.0.0.0/8' },
        { text: 'http://192.0.2.1:8080/x', value: '192.0.2.1' },
      ],
      negative: ['version 1.2.3.4', 'v1.2.3.4', '1.2.3.4.5', '256.1.1.1', '1.2.3', '10.0.0.0/99', 'x-1.2.3.4'],
    },
  },
  {
    id: 'ipv6',
    verifies: 'RFC 4291 form',
    entity: 'IP_ADDRESS',
    tier: 'core',
    anchors: [':'],
    reach: { chars: /[0-9A-Fa-f]/, max: 4 },
    pattern: new RegExp(`(?:${ipv6Forms.join('|')})(?:%[0-9A-Za-z]{1,16})?(?:/\\d{1,3})?`),
    maxLength: 64,
    notBefore: /[A-Za-z0-9_:.]/,
    notAfter: /[A-Za-z0-9_]/,
    after: /\.\d/,
    retryDigits: shorterIpv6Digits,
    checkPlace: ipv6Check,
    score: 0.6,
    source: 'https://www.rfc-editor.org/rfc/rfc4291#section-2.2',
    examples: {
      positive: [
        '2001:db8::1',
        'fe80::1%eth0',
        '2001:db8:85a3::8a2e:192.168.0.1',
        { text: 'to [2001:db8:0:1:1:1:1:1]:443', value: '2001:db8:0:1:1:1:1:1' },
        '2001:db8::/32',
        { text: 'loopback ::1 here', value: '::1' },
      ],
      negative: [
        '12:34:56',
        '1:2:3:4',
        'std::vector',
        ':::',
        'a::b',
        'MyClass::toString',
        'p::before',
        '::ffff:192.168.1',
      ],
    },
  },
  {
    id: 'mac-address',
    verifies: 'no time, no date',
    entity: 'MAC_ADDRESS',
    tier: 'core',
    anchors: [':', '-'],
    reach: { chars: /[0-9A-Fa-f]/, max: 2 },
    pattern:
      /[0-9A-Fa-f]{2}(?:(?::[0-9A-Fa-f]{2}){5}(?:(?::[0-9A-Fa-f]{2}){2})?|(?:-[0-9A-Fa-f]{2}){5}(?:(?:-[0-9A-Fa-f]{2}){2})?)/,
    maxLength: 24,
    notBefore: /[A-Za-z0-9_:-]/,
    notAfter: /[A-Za-z0-9_:-]/,
    check: macCheck,
    context: ['mac', 'ethernet', 'hwaddr', 'bssid', 'hardware', 'physical', 'device'],
    score: 0.65,
    source: 'https://standards.ieee.org/products-programs/regauth/',
    examples: {
      positive: ['00:1A:2B:3C:4D:5E', 'AA-BB-CC-DD-EE-FF', 'FF:FF:FF:FF:FF:FF:FF:FF'],
      negative: ['12:30:45:11:22:33', '00:1A:2B:3C:4D', '00:1A:2B:3C:4D:5E:6F', '2024-10-12-13-14-15'],
    },
  },
  {
    id: 'mac-address-dotted',
    verifies: 'letters, or a word before',
    entity: 'MAC_ADDRESS',
    tier: 'core',
    anchors: ['.'],
    reach: { chars: /[0-9A-Fa-f]/, max: 4 },
    pattern: /[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}/,
    maxLength: 14,
    notBefore: /[A-Za-z0-9_.-]/,
    notAfter: /[A-Za-z0-9_.-]/,
    check: ({ value }) => (/^\d+\.\d+\.\d+$/.test(value) ? 'doubtful' : 'plausible'),
    context: ['mac', 'ethernet', 'hwaddr', 'bssid', 'hardware', 'physical'],
    score: 0.6,
    source: 'https://www.cisco.com/c/en/us/support/docs/ip/address-resolution-protocol-arp/',
    examples: {
      positive: ['0012.3456.789A', { text: 'mac 0012.3456.7890', value: '0012.3456.7890' }],
      negative: ['0012.3456.7890', '1.2.3', 'face.book.com'],
    },
  },
];
