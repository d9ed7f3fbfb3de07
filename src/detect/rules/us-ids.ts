import { digitRun } from '../anchors.ts';
import type { Match, Rule, Verdict } from '../rule.ts';

function ssnCheck({ text, start, value }: Match): Verdict {
  const before = text.slice(Math.max(0, start - 2), start);
  // One of several numbers in a row; the hyphens of a number of this kind set it apart from one that a blank or comma parts it from.
  if (/\d[-./:]$/.test(before) || (value[3] !== '-' && /\d[ ,]$/.test(before))) return 'wrong';
  const digits = value.replace(/\D/g, '');
  const area = digits.slice(0, 3);
  if (area === '000' || area === '666' || area[0] === '9') return 'wrong';
  if (digits.slice(3, 5) === '00' || digits.slice(5) === '0000') return 'wrong';
  // Printed in wallets and advertisements: never valid again.
  if (digits === '078051120' || digits === '219099999') return 'wrong';
  return value[3] === '-' ? 'plausible' : 'doubtful';
}

export const usIdRules: readonly Rule[] = [
  {
    id: 'us-ssn',
    verifies: 'area, group and serial that were given out',
    entity: 'US_SSN',
    tier: 'core',
    anchors: [digitRun],
    pattern: /\d{3}-\d{2}-\d{4}|\d{3} \d{2} \d{4}|\d{3}\.\d{2}\.\d{4}|\d{9}/,
    maxLength: 11,
    notBefore: /[A-Za-z0-9_]/,
    notAfter: /[A-Za-z0-9_-]/,
    check: ssnCheck,
    context: ['ssn', 'ssns', 'ssa', 'social', 'taxpayer'],
    score: 0.5,
    source: 'https://secure.ssa.gov/poms.nsf/lnx/0110201035',
    examples: {
      positive: [
        { text: 'SSN: 308-63-0237.', value: '308-63-0237' },
        '536-22-8726',
        { text: 'my social is 536228726', value: '536228726' },
        { text: 'SSN 536 22 8726', value: '536 22 8726' },
        { text: '4111 1111 1111 1111 536-22-8726', value: '536-22-8726' },
        { text: '17,536-22-8726,Smith', value: '536-22-8726' },
      ],
      negative: [
        ...['000-12-3456', '666-12-3456', '900-12-3456', '123-00-4567', '123-45-0000', '078-05-1120', '1-123-45-6789'],
        ...['536228726', 'order 536 22 8726', 'ssn 000228726', 'SSN 536-22 8726'],
      ],
    },
  },
];
