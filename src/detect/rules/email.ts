import type { Match, Rule, Verdict } from '../rule.ts';

/** Accounts of machines that everybody writes with the same name; `git@github.com:org/repo` is an address of a repository. */
const machine = /^(?:git|hg|svn)@/i;

/** `logo@2x.png`. */
const fileName = /\.(?:png|jpe?g|gif|svg|webp|ico|css|jsx?|tsx?|json|html?|xml|ya?ml|txt|pdf)$/i;

function emailCheck({ text, start, value }: Match): Verdict {
  if (machine.test(value) || fileName.test(value) || value.includes('..')) return 'wrong';
  const at = value.indexOf('@');
  if (at > 64 || value.length > 254 || value[at - 1] === '.') return 'wrong';
  // The password and host of a URL (`scheme://user:password@host`) look like an address.
  return /:\/\/[^\s/"'<>]*$/.test(text.slice(Math.max(0, start - 80), start)) ? 'wrong' : 'plausible';
}

const label = '[A-Za-z0-9\\u0080-\\uffff](?:[A-Za-z0-9\\u0080-\\uffff-]*[A-Za-z0-9\\u0080-\\uffff])?';
const domain = `(?:${label}\\.)+(?:[A-Za-z]{2,24}|[Xx][Nn]--[A-Za-z0-9-]{2,59}|[\\u0080-\\uffff]{2,24})`;

export const emailRules: readonly Rule[] = [
  {
    id: 'email',
    verifies: 'lengths of the parts, no file name, no URL',
    entity: 'EMAIL_ADDRESS',
    tier: 'core',
    anchors: ['@'],
    reach: { chars: /[A-Za-z0-9._%+&'!#$~-]|[\u0080-\u058f]/, first: /[A-Za-z0-9_]|[\u0080-\u058f]/, max: 64 },
    pattern: new RegExp(`[A-Za-z0-9_\\u0080-\\u058f][A-Za-z0-9._%+&'!#$~\\u0080-\\u058f-]*@${domain}`),
    maxLength: 320,
    notAfter: /[A-Za-z0-9_]/,
    check: emailCheck,
    score: 0.9,
    source: 'https://www.rfc-editor.org/rfc/rfc5321#section-4.1.2',
    examples: {
      positive: [
        'jane.doe+news@example.co.uk',
        { text: 'write to <jane@example.com>.', value: 'jane@example.com' },
        { text: "'jane@example.com'", value: 'jane@example.com' },
        { text: 'mailto:o%27neil@example.org?subject=x', value: 'o%27neil@example.org' },
        { text: 'jane@example.com, bob@example.com', value: 'jane@example.com' },
        'jürgen@müller.example',
        'jane!doe@example.org',
        'jane#1@example.org',
      ],
      negative: [
        '@property',
        'pkg@1.2.3',
        '@scope/pkg',
        'git@github.com:org/repo',
        'a@b',
        'https://user:pass@host.example/',
        '@@@@',
        'logo@2x.png',
        'logo-on-light@large.png',
      ],
    },
  },
  {
    id: 'email-quoted',
    entity: 'EMAIL_ADDRESS',
    tier: 'core',
    // No spaces inside, though RFC 5321 has them: every quotation would have to be held back in a stream.
    pattern: new RegExp(`"[^"\\s]{1,64}"@${domain}`),
    maxLength: 320,
    notAfter: /[A-Za-z0-9_]/,
    score: 0.9,
    source: 'https://www.rfc-editor.org/rfc/rfc5321#section-4.1.2',
    examples: {
      positive: ['"foobar"@example.com', '"foo\\@bar"@example.com'],
      negative: ['"foo bar" @example.com', '"a"@b'],
    },
  },
];
