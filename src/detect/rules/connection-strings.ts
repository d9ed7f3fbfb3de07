import type { Match, Rule, Verdict } from '../rule.ts';
import { isPlaceholder } from '../validators/placeholder.ts';
import { sample } from './sample.ts';

function urlPasswordCheck(match: Match): Verdict {
  const { text, start, end, value } = match;
  if (text.charAt(end) !== '@') return 'wrong';
  if (isPlaceholder(match) || /^[[{<$%]/.test(value)) return 'wrong';
  if (/^[A-Z]+(?:_[A-Z]+)+$/.test(value)) return 'wrong';
  const scheme = /([a-z][a-z0-9+.-]*):\/\/([^\s:/@]*):$/i.exec(text.slice(Math.max(0, start - 80), start));
  if (scheme?.[2] === value) return value.length >= 6 ? 'plausible' : 'wrong';
  // A port, in `host:80/path@version`.
  return /^\d{1,5}$/.test(value) ? 'wrong' : 'plausible';
}

export const connectionStringRules: readonly Rule[] = [
  {
    id: 'url-password',
    verifies: 'no placeholder, no port',
    entity: 'SECRET_URL_PASSWORD',
    tier: 'core',
    lead: /:\/\/[A-Za-z0-9._~%!$&*+=,;-]*:/,
    // Up to the last `@` before the path: passwords may hold one.
    pattern: /[^\s"'`<>/\\?#]+/,
    maxLength: 128,
    notAfter: /[^@]/,
    retry: /@/,
    check: urlPasswordCheck,
    score: 0.8,
    source: 'https://www.rfc-editor.org/rfc/rfc3986#section-3.2.1',
    examples: {
      positive: [
        { text: 'postgres://app:Wq83kPz@db.internal:5432/app', value: 'Wq83kPz' },
        { text: 'redis://:p4ssKey@cache:6379', value: 'p4ssKey' },
        { text: 'mysql://u:p@ss9w@host/db', value: 'p@ss9w' },
        { text: 'mongodb+srv://u:Wq83kPz@cluster.example.net/x', value: 'Wq83kPz' },
        { text: 'https://user:Wq83kPz@example.com', value: 'Wq83kPz' },
      ],
      negative: [
        ...[
          'https://example.com:8080/path',
          'https://${username}:${password}@api.example.com',
          'https://{USER}:{PASS}@example.com',
        ],
        ...[
          'http://host:80/a@b',
          'https://user:<password>@host',
          'https://YOUR_USERNAME:YOUR_PASSWORD@api.service.com',
        ],
      ],
    },
  },
  {
    id: 'ado-net-password',
    verifies: 'no placeholder, no code',
    entity: 'SECRET_URL_PASSWORD',
    tier: 'core',
    lead: /[;"'?&,(](?:password|pwd)[ \t]*=[ \t]*/i,
    pattern: /[^\s;"'`&,)]+/,
    maxLength: 128,
    check: (match) =>
      match.value.length < 4 ||
      isPlaceholder(match) ||
      /^[[{<$%]|\(|^(?:password|pwd|null|none|true|false)$/i.test(match.value)
        ? 'wrong'
        : 'plausible',
    score: 0.6,
    source: 'https://learn.microsoft.com/dotnet/framework/data/adonet/connection-string-syntax',
    examples: {
      positive: [
        { text: 'Server=db;Uid=app;Pwd=Wq83kPz;', value: 'Wq83kPz' },
        { text: 'jdbc:sqlserver://db;user=sa;password=Wq83kPz', value: 'Wq83kPz' },
        { text: 'jdbc:mysql://db/x?user=a&password=Wq83kPz', value: 'Wq83kPz' },
      ],
      negative: ['login(username=username,password=password)', 'f(x, password=get(x))', 'Server=db;Pwd=${PWD};'],
    },
  },
  {
    id: 'curl-user',
    verifies: 'no placeholder',
    entity: 'SECRET_URL_PASSWORD',
    tier: 'core',
    lead: /curl [^\n|;]*(?:-u|--user)[ =]?["']?[^\s:"']*:/,
    pattern: /[^\s"']+/,
    maxLength: 128,
    check: (match) =>
      match.value.length < 3 || isPlaceholder(match) || /^[[{<$%]/.test(match.value) ? 'wrong' : 'plausible',
    score: 0.7,
    source: 'https://curl.se/docs/manpage.html#-u',
    examples: {
      positive: [
        { text: 'curl -u admin:Wq83kPz https://x.example', value: 'Wq83kPz' },
        { text: "curl -s --user 'me:Wq83kPz' https://x.example", value: 'Wq83kPz' },
      ],
      negative: ['curl -u "$USER:$PASS" https://x', 'curl https://x:8080/'],
    },
  },
  {
    id: 'http-authorization',
    verifies: 'no placeholder',
    entity: 'SECRET_AUTHORIZATION_HEADER',
    tier: 'core',
    lead: /authorization["'\]]*[ \t]*(?:[:=]|,|=>)[ \t]*["'`]?(?:bearer|token|basic|apikey|api-key|digest|ssws|bot|key)[ \t]+/i,
    pattern: /[A-Za-z0-9_~.+/=-]+/,
    maxLength: 2048,
    check: (match) =>
      match.value.length < 8 || isPlaceholder(match) || /^(?:token|your|my|access|the)[\w-]*$/i.test(match.value)
        ? 'wrong'
        : 'plausible',
    score: 0.8,
    source: 'https://www.rfc-editor.org/rfc/rfc9110#section-11.6.2',
    examples: {
      positive: [
        { text: `Authorization: Bearer ${sample(['base62', 32])}`, value: sample(['base62', 32]) },
        {
          text: `-H "Authorization: Basic ${Buffer.from('user:Wq83kPz').toString('base64')}"`,
          value: Buffer.from('user:Wq83kPz').toString('base64'),
        },
      ],
      negative: [
        'Authorization: Bearer <token>',
        'Authorization: Bearer $TOKEN',
        'Use an Authorization: Bearer token header.',
      ],
    },
  },
  {
    id: 'secret-header',
    verifies: 'no placeholder, has digits',
    entity: 'SECRET_AUTHORIZATION_HEADER',
    tier: 'core',
    lead: /(?:x-(?:api-?key|auth-?token|access-?token|[a-z-]*token|[a-z-]*secret|[a-z-]*key)|private-token|job-token|api-key|set-cookie|cookie)["'\]]*[ \t]*:[ \t]*["'`]?(?:[\w.-]*(?:session|sess|sid|auth|token)[\w.-]*=)?/i,
    pattern: /[A-Za-z0-9_~.+/%=-]+/,
    maxLength: 2048,
    notAfter: /[({[]/,
    check: (match) =>
      match.value.length < 10 || !/\d/.test(match.value) || isPlaceholder(match) ? 'wrong' : 'plausible',
    score: 0.6,
    source: 'https://www.rfc-editor.org/rfc/rfc6265',
    examples: {
      positive: [
        { text: `-H 'X-Api-Key: ${sample(['base62', 24])}'`, value: sample(['base62', 24]) },
        { text: `Cookie: session=${sample(['hex', 32])}; theme=dark`, value: sample(['hex', 32]) },
      ],
      negative: ['X-Api-Key: your-key', 'Cookie: theme=dark', 'x-rate-limit-key: minute'],
    },
  },
];
