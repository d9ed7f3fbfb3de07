import { digitRun } from '../anchors.ts';
import type { Match, Rule, Verdict } from '../rule.ts';
import { looksLikePassword, looksRandom, looksScrambled } from '../validators/secret-shape.ts';
import { sample } from './sample.ts';

/** What a password is called where people write, in the languages that the rules know. Longer names first is not needed. */
const passwordNames = [
  ...[
    'password',
    'passwd',
    'passphrase',
    'passcode',
    'pwd',
    'passwort',
    'kennwort',
    'contraseña',
    'contrasena',
    'senha',
  ],
  ...['mot de passe', 'mdp', 'wachtwoord', 'hasło', 'lösenord', 'adgangskode', 'passord', 'salasana', 'heslo'],
  ...['parola', 'şifre', 'jelszó', 'пароль', 'Пароль', '비밀번호', '비번', '패스워드', '암호', '密码', '密碼', '口令'],
  ...['パスワード', 'كلمة المرور', 'סיסמה', 'mật khẩu', 'kata sandi'],
];
/** Names so short that they must stand alone. */
const shortPasswordNames = ['pass', 'pw'];
const secretNames = ['token', 'secret', 'sercret', 'credential', 'creds', 'auth', 'key'];

const any = (names: readonly string[]): string => `(?:${names.join('|')})`;

/**
 * What stands between a name and its value in configuration, code and data: the rest of the name, a closing quote or
 * bracket, perhaps a type, and an operator: `=`, `:`, `:=`, `=>`, `?=`, a comma between arguments, the end of a tag.
 */
const operator = String.raw`[\w.-]*["'\x60]?(?:[)\]}]*(?: ?string)?[ \t]*(?:[:?|.~+-]*[=:]>?|->|>|\()|,)[ \t\r\n]*`;
const quote = String.raw`["'\x60]+`;
/** `password "value"`: a quote does for an operator. */
const quoted = String.raw`(?:${operator}|[\w.-]* +)${quote}`;

const source = 'https://cwe.mitre.org/data/definitions/798.html';

/** Text before the value, as far as a rule may look. */
function before({ text, start }: Match): string {
  return text.slice(Math.max(0, start - 80), start);
}

/** Words of the name that the value is given to: `DB_PASSWORD`, `dbPassword1` and `db-password` are db, password. */
function nameWords(left: string): readonly string[] {
  const name = /([A-Za-z_][\w.-]*)[^A-Za-z\d]*(?:(?:string|default|is|was|to)[^A-Za-z\d]*)?$/.exec(left)?.[1] ?? '';
  const cut = name.replace(/([a-z0-9])([A-Z])/g, '$1_$2').replace(/([A-Z])([A-Z][a-z])/g, '$1_$2');
  return cut
    .toLowerCase()
    .replace(/\d+$/, '')
    .split(/[_.-]+/);
}

/** Whether the name says that something about a secret follows, or a key that is none: `token_type`, `publicKey`, `key id`. */
function isAboutSecret(left: string): boolean {
  const words = nameWords(left);
  return aboutWords.has(words.at(-1) ?? '') || words.some((word) => harmlessWords.has(word));
}

const aboutWords = new Set(
  `id ids name names type types count counts length size limit url uri path file filename dir field fields label hint policy
  expires expiry expiration ttl version ref arn hash digest fingerprint checksum format prefix suffix endpoint provider store
  location usage budget max min index position offset at algorithm alg class regex pattern placeholder message error
  description title header tokens keys author authors authority`.split(/\s+/),
);
const harmlessWords = new Set(
  'public pub pubkey primary foreign sort partition cache object row column react translation i18n cancellation continuation page'.split(
    ' ',
  ),
);

function assignedSecret(match: Match): Verdict {
  if (!looksRandom(match.value)) return 'wrong';
  const left = before(match);
  if (isAboutSecret(left)) return 'wrong';
  // A bare `key` names anything; what follows must be more than an id.
  if (
    /(?:^|[^\w-])keys?["'`]?\s*[:=]/i.test(left) &&
    !/(?:secret|api|access|private|signing|encryption)[ _-]key/i.test(left) &&
    /^[0-9a-f-]+$|^.{0,19}$/i.test(match.value)
  )
    return 'wrong';
  return 'plausible';
}

function quotedSecret(match: Match): Verdict {
  if (!match.followed || !looksScrambled(match.value)) return 'wrong';
  return isAboutSecret(before(match)) ? 'wrong' : 'plausible';
}

const shape = { tier: 'core', source } as const;

export const keywordSecretRules: readonly Rule[] = [
  {
    ...shape,
    id: 'assigned-secret',
    entity: 'SECRET_GENERIC',
    lead: new RegExp(`${any(secretNames)}(?:${operator}(?:${quote})?|[\\w.-]* *${quote})`, 'i'),
    pattern: /[A-Za-z0-9_~.+/=-]*[A-Za-z0-9_~+/=-]/,
    maxLength: 512,
    notAfter: /[:@([{$%^*!?#|]/,
    check: assignedSecret,
    score: 0.6,
    examples: {
      positive: [
        { text: `exampleToken := "${sample(['base62', 32])}"`, value: sample(['base62', 32]) },
        { text: `<apiToken>\n    ${sample(['lower', 24])}\n</apiToken>`, value: sample(['lower', 24]) },
        { text: `{"config.ini": "X_TOKEN=${sample(['lower', 24])}\\nB=true"}`, value: sample(['lower', 24]) },
        { text: `setProperty("API_KEY", "${sample(['hex', 32])}")`, value: sample(['hex', 32]) },
        { text: `client_secret: '${sample(['base64url', 40])}'`, value: sample(['base64url', 40]) },
      ],
      negative: [
        ...['token: "string"', 'apiKey: fs.readFileSync(x)', 'secret = process.env.APP_SECRET', 'max_tokens: 4096'],
        ...['"token_type": "a1b2c3d4e5f6a7b8c9"', 'key: "user-settings-v2"', 'publicKey = "a1b2c3d4e5f6a7b8c9d0e1f2"'],
        ...['theapikey: ""', 'theapikeyforfoo:hopenobodyfindsthisone', 'the key is simple'],
      ],
    },
  },
  {
    ...shape,
    id: 'quoted-secret',
    entity: 'SECRET_GENERIC',
    lead: new RegExp(
      `${any(['token', 'secret', 'api_key', 'api-key', 'apikey', 'access_key', 'credential'])}(?:${operator}|[\\w.-]* *)${quote}`,
      'i',
    ),
    pattern: /[^\s"'`]+/,
    maxLength: 128,
    after: /["'`]/,
    check: quotedSecret,
    score: 0.5,
    examples: {
      positive: [{ text: 'secret_key => "q#P7r5&@*xC$utE4zX"', value: 'q#P7r5&@*xC$utE4zX' }],
      negative: ['secret: "see <docs>/x"', 'token = "a b"', 'apikey = ""'],
    },
  },
  {
    ...shape,
    id: 'assigned-password',
    entity: 'SECRET_PASSWORD',
    lead: new RegExp(`${any([...passwordNames, ...shortPasswordNames])}${operator}(?:default[:=] ?)?`, 'i'),
    pattern: /[^\s"'`,;]*[^\s"'`,;.:)\]}>]/,
    maxLength: 128,
    check: (match) => passwordCheck(match, 'assigned'),
    score: 0.6,
    examples: {
      positive: [
        { text: 'Password:Xk29vQ#@,next', value: 'Xk29vQ#@' },
        { text: 'DB_PASSWORD=s3cr3tPq9', value: 's3cr3tPq9' },
        { text: 'id(master)/pwd(IhqTb1Gh)', value: 'IhqTb1Gh' },
        { text: '비밀번호(Qrl23Db#@)', value: 'Qrl23Db#@' },
        { text: 'pw: hunter22x', value: 'hunter22x' },
      ],
      negative: [
        ...[
          'my_password = True',
          'login(username=username, password=password)',
          'password: ${x}',
          'my_password = foo(hey)you',
        ],
        ...['password = var.db_password', 'bypass: a1b2c3d4', 'password=<your password>', 'password: required'],
      ],
    },
  },
  {
    ...shape,
    id: 'quoted-password',
    entity: 'SECRET_PASSWORD',
    lead: new RegExp(`${any([...passwordNames, ...shortPasswordNames])}${quoted}`, 'i'),
    pattern: /[^"'`\r\n]*[^"'`\r\n\\]/,
    maxLength: 128,
    after: /\\?["'`]/,
    check: (match) => (match.followed ? passwordCheck(match, 'quoted') : 'wrong'),
    score: 0.6,
    examples: {
      positive: [
        { text: '"password":"Xk29vQ#@"', value: 'Xk29vQ#@' },
        { text: "administrator_login_password = 'rootpasswd'", value: 'rootpasswd' },
        { text: 'password => "correct,horse;9"', value: 'correct,horse;9' },
      ],
      negative: [
        'password: "string"',
        'password = "${aws_db.default.password}"',
        '"password": ""',
        'label: "Password", value: "x"',
      ],
    },
  },
  {
    ...shape,
    id: 'said-password',
    entity: 'SECRET_PASSWORD',
    lead: new RegExp(
      `${any([...passwordNames, ...shortPasswordNames])}(?:는|은|가|이|를|을|は|が|[ \\t]+|[ \\t]*[:=][ \\t]*)(?:(?:is|was|are|ist|war|es|est|era|to|now|will be)[ \\t]+)?[\\n]?[ \\t]*["'(]?`,
      'i',
    ),
    pattern: /[^\s"'`,;]*[^\s"'`,;.:)\]}>]/,
    maxLength: 64,
    check: (match) => passwordCheck(match, 'said'),
    score: 0.5,
    examples: {
      positive: [
        { text: 'the password is Qrl23Db#@ for now', value: 'Qrl23Db#@' },
        { text: '--pass Qrl23Db#@', value: 'Qrl23Db#@' },
        { text: 'Password IhqTb1Gh', value: 'IhqTb1Gh' },
        { text: 'PW는Qrl23Db#@', value: 'Qrl23Db#@' },
      ],
      negative: [
        'the password is incorrect.',
        'password policy v2',
        'pass 3 of 7',
        'passwords are hashed',
        'Password Manager 2024',
      ],
    },
  },
  {
    ...shape,
    id: 'said-secret',
    entity: 'SECRET_GENERIC',
    lead: /(?:access token|secret key|auth token|api key|api token|bearer token|secret|sercret|token)(?: is|:)? {1,3}["'(]?/i,
    pattern: /[A-Za-z0-9_~.+/=-]*[A-Za-z0-9_~+/=-]/,
    maxLength: 512,
    notAfter: /[:@([{$%^*!?#|]/,
    check: ({ value }) => (value.length >= 12 && looksRandom(value) ? 'plausible' : 'wrong'),
    score: 0.5,
    examples: {
      positive: [{ text: 'Access Token BIhq5Xyb1Hga9Q15', value: 'BIhq5Xyb1Hga9Q15' }],
      negative: ['secret sauce', 'token budget2024', 'api key management'],
    },
  },
  {
    ...shape,
    id: 'account-and-password',
    entity: 'SECRET_PASSWORD',
    lead: new RegExp(
      `(?:id|user|username|account|login|계정|아이디) ?[/,(|&+] ?${any([...passwordNames, ...shortPasswordNames])}\\)?[\\s:=-]+[\\w.@-]+ ?[/:(,|] ?`,
      'i',
    ),
    pattern: /[^\s"'`,;]*[^\s"'`,;.:)\]}>]/,
    maxLength: 64,
    check: ({ value }) => (looksLikePassword(value, 'assigned') ? 'plausible' : 'wrong'),
    score: 0.6,
    examples: {
      positive: [
        { text: 'ANYID(PW):master(IhqTb1Gh)', value: 'IhqTb1Gh' },
        { text: 'id/pw master/IhqTb1Gh', value: 'IhqTb1Gh' },
        { text: '계정,비번-master:IhqTb1Gh', value: 'IhqTb1Gh' },
      ],
      negative: ['user/password fields/values', 'id/pw'],
    },
  },
  {
    ...shape,
    id: 'host-with-password',
    entity: 'SECRET_PASSWORD',
    anchors: [digitRun],
    lead: /\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?::\d{1,5})? ?\([\w.-]{2,32} ?[/:] ?/,
    pattern: /[^\s"'`,;]*[^\s"'`,;.:)\]}>]/,
    maxLength: 64,
    check: ({ value }) => (looksLikePassword(value, 'said') ? 'plausible' : 'wrong'),
    score: 0.5,
    examples: {
      positive: [{ text: '203.0.113.5 (master/IhqTb1Gh)', value: 'IhqTb1Gh' }],
      negative: ['203.0.113.5 (master/backup)', '203.0.113.5 (port/tcp)'],
    },
  },
];

function passwordCheck(match: Match, evidence: 'assigned' | 'quoted' | 'said'): Verdict {
  if (!looksLikePassword(match.value, evidence)) return 'wrong';
  const left = before(match);
  if (isAboutSecret(left)) return 'wrong';
  // A comma makes a value of the second argument of a call, not of the next item of a list.
  if (/,\s*["'`]*$/.test(left) && !/\(\s*["'`][\w.-]+["'`]\s*,\s*["'`]+$/.test(left)) return 'wrong';
  // `bypass`, `compass`, `pass_through`: the short names must be the last word, and with no operator the only one.
  if (!longName.test(left)) {
    const words = nameWords(left);
    if (!shortPasswordNames.includes(words.at(-1) ?? '')) return 'wrong';
    if (evidence === 'quoted' && !/[=:,(>]/.test(left.slice(-6))) return 'wrong';
  }
  return 'plausible';
}

/** A name that is long enough to be found inside another one. */
const longName = new RegExp(`${any(passwordNames)}[\\w.-]*[^\\p{L}\\d]*(?:[\\p{L}]+[^\\p{L}\\d]*)?$`, 'iu');
