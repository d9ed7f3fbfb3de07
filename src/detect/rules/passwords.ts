import { digitRun } from '../anchors.ts';
import type { Place, Rule, Verdict } from '../rule.ts';
import { isNamedAboutSecret } from '../validators/secret-name.ts';
import { type Evidence, looksLikePassword, mayBePassword } from '../validators/secret-shape.ts';
import { valueAt } from '../validators/value.ts';
import { anyOf, cwe798, nameTail, operator, quote } from './assignment.ts';

/** What a password is called where people write, in many languages. Such a name may be part of a longer one. */
const longNames = anyOf([
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
  // The flag folds ASCII letters only.
  ...[
    'contrase\u00d1a',
    'has\u0141o',
    'l\u00d6senord',
    '\u015eifre',
    'jelsz\u00d3',
    '\u041f\u0410\u0420\u041e\u041b\u042c',
  ],
  ...['パスワード', 'كلمة المرور', 'סיסמה', 'mật khẩu', 'kata sandi', 'पासवर्ड', 'парола', 'лозинка', 'lozinka'],
  ...['palavra-passe', 'contrasenya', 'slaptažodis', 'pass phrase'],
  // Without the signs that keyboards lack.
  ...['haslo', 'losenord', 'sifre', 'jelszo'],
  // The password, my password, your password.
  ...['lösenordet', 'adgangskoden', 'passordet', 'şifrem', 'şifreniz'],
]);
/** Names of codes and keys of other kinds, too: only what looks like a password counts, and where it is said. */
const ambiguousNames = anyOf(['clave', 'κωδικός', 'Κωδικός']);
/** Names so short that they must stand alone, or at the end of these: `bypass` and `pass_through` are none. */
const shortNames = anyOf([
  'pass',
  'pw',
  'dbpass',
  'dbpw',
  'userpass',
  'userpw',
  'adminpass',
  'adminpw',
  'rootpass',
  'rootpw',
]);
const notBeforeShort = /[A-Za-z0-9]/;

/** Unquoted: up to a space or a separator, without the punctuation of a sentence. */
const bare = /[^\s"'`,;]*[^\s"'`,;.:)\]}>]/;
/** What says that the value follows, in the languages of the names. */
const verb = String.raw`(?:is|was|are|as|reads|(?:we|I|you|they) (?:use|used|set|chose|picked) (?:is|was)|este|ist|lautet|war|es|est|era|\u00e9|\u00e8|\u00e4r|er|on|je|to|\u044d\u0442\u043e|now|will be|should be|must be|from \S{1,32} to|(?:(?:is|was|has been|got) )?(?:changed|reset|set|updated) to|[-\u2192])`;
const verbBefore = String.raw`${verb}[ \t]*:?[ \t]+`;
const opening = String.raw`\n?[ \t]*["'(]`;
/** Without a sign between name and value: a particle, a blank, a line's end. */
const saidPlainly = String.raw`(?:는|은|가|이|를|을|は|が|是|为|為|[ \t]+|[ \t]*\r?\n)(?:${verbBefore})?\n?[ \t]*["'(]?`;
const sign = String.raw`[ \t]*[:=][ \t]*`;
const said = `(?:${saidPlainly}|${sign}(?:${verbBefore})?${opening}?)`;
/** What follows a sign at once is assigned: the rule for that looks at it. */
const saidNotAssigned = `(?:${saidPlainly}|${sign}(?:${verbBefore}${opening}?|${opening}))`;
/** What the password is for may stand in between: `password for the wifi is …`, `Senha do wifi: …`. Then something must say that it follows. */
const preposition =
  '(?:for|of|on|f\u00fcr|zum|zur|vom|pour|de|del|du|da|do|di|van|voor|til|till|f\u00f6r|\u043e\u0442|\u0434\u043b\u044f|na)';
const saidOfThing = String.raw`[ \t]+${preposition}(?:[ \t]+[\w.\u00c0-\u024f\u0400-\u04ff-]+){1,3}(?:[ \t]*[:=]|[ \t]+${verb}[ \t]*:?)[ \t]+["'(]?`;

function passwordCheck(place: Place, evidence: Evidence): Verdict {
  const { text, units, start } = place;
  if (!isPasswordAt(place, evidence) || isNamedAboutSecret(place)) return 'wrong';
  return isItemOfList(text, units, start) ? 'wrong' : 'plausible';
}

/** Most are refused before anything is cut out of the text. */
function isPasswordAt(place: Place, evidence: Evidence): boolean {
  return mayBePassword(place, evidence) && looksLikePassword(valueAt(place), evidence);
}

/** After a comma: the second argument of a call is a value, the next item of a list is not. */
function isItemOfList(text: string, units: Uint16Array, start: number): boolean {
  const from = Math.max(0, start - 60);
  let at = start;
  while (at > from && isQuote(units[at - 1] ?? 0)) at--;
  while (at > from && isBlank(units[at - 1] ?? 0)) at--;
  if (at === from || units[at - 1] !== comma) return false;
  return !/\(\s*["'`][\w.-]+["'`]\s*,\s*["'`]+$/.test(text.slice(from, start));
}

const comma = 0x2c;

function isQuote(unit: number): boolean {
  return unit === 0x22 || unit === 0x27 || unit === 0x60;
}

function isBlank(unit: number): boolean {
  return unit === 0x20 || (unit >= 0x09 && unit <= 0x0d);
}

const shape = {
  entity: 'SECRET_PASSWORD',
  tier: 'core',
  source: cwe798,
  verifies: 'no placeholder, no ordinary word, no code; two kinds of characters, entropy',
} as const;

const assigned = {
  ...shape,
  pattern: bare,
  isRun: true,
  maxLength: 128,
  checkPlace: (place: Place) => passwordCheck(place, 'assigned'),
  score: 0.6,
} as const;

const inQuotes = {
  ...shape,
  pattern: /[^"'`\r\n]*[^"'`\r\n\\]/,
  maxLength: 128,
  after: /\\?["'`]/,
  checkPlace: (place: Place) => (place.followed ? passwordCheck(place, 'quoted') : 'wrong'),
  score: 0.6,
} as const;

const inProse = {
  ...shape,
  pattern: bare,
  isRun: true,
  maxLength: 128,
  checkPlace: (place: Place) => passwordCheck(place, 'said'),
  score: 0.5,
} as const;

export const passwordRules: readonly Rule[] = [
  {
    ...inProse,
    id: 'command-line-password',
    verifies: 'no placeholder, no ordinary word; two kinds of characters',
    // mysql takes the password only right behind the option; without it `-p` asks.
    lead: /(?:sshpass[ \t]+-p[ \t]*|(?:mysql|mysqldump|mysqladmin|mariadb|mariadb-dump)[ \t](?:[^\s|;&]+[ \t]+){0,8}-p)["']?/,
    checkPlace: (place) => (isPasswordAt(place, 'said') ? 'plausible' : 'wrong'),
    source: 'https://dev.mysql.com/doc/refman/8.4/en/connecting.html',
    score: 0.7,
    examples: {
      positive: [
        { text: 'mysql -u root -pQrl23Db#@ shop', value: 'Qrl23Db#@' },
        { text: "sshpass -p 'Qrl23Db#@' ssh x", value: 'Qrl23Db#@' },
      ],
      negative: ['mysql -u root -p shop', 'mysql -h db -port', 'sshpass -p $PASS ssh x', 'mysqldump -pignore x'],
    },
  },
  {
    ...assigned,
    id: 'assigned-password',
    lead: new RegExp(`${longNames}${nameTail}${operator}(?:default[:=] ?)?`, 'i'),
    examples: {
      positive: [
        { text: 'Password:Xk29vQ#@,next', value: 'Xk29vQ#@' },
        { text: 'DB_PASSWORD=s3cr3tPq9', value: 's3cr3tPq9' },
        { text: 'id(master)/pwd(IhqTb1Gh)', value: 'IhqTb1Gh' },
        { text: 'password(default:IhqTb1Gh)', value: 'IhqTb1Gh' },
        { text: '비밀번호(Qrl23Db#@)', value: 'Qrl23Db#@' },
        { text: '\u5bc6\u7801\uff1aQrl23Db#@', value: 'Qrl23Db#@' },
        { text: '**Password:** Qrl23Db#@', value: 'Qrl23Db#@' },
        { text: '<b>Password:</b> Qrl23Db#@ now', value: 'Qrl23Db#@' },
        { text: '| DB password | Qrl23Db#@ |', value: 'Qrl23Db#@' },
        { text: 'here is the admin password \u2192 Qrl23Db#@', value: 'Qrl23Db#@' },
      ],
      negative: [
        ...['my_password = True', 'login(username=username, password=password)', 'my_password = foo(hey)you'],
        ...[
          'password = var.db_password',
          'password=<your password>',
          'password: required',
          'password_file: /run/x1y2z3',
        ],
        'password = os.environ["DB_PASSWORD"]',
        '| password | varchar(255) | not null |',
        '| Password | Description of the field |',
        ...['password: $' + '{x}', "access('/etc/passwd', constants.R_OK)", 'password: Uint8Array'],
      ],
    },
  },
  {
    ...assigned,
    id: 'assigned-pass',
    lead: new RegExp(`${shortNames}\\d*${operator}`, 'i'),
    notBefore: notBeforeShort,
    examples: {
      positive: [
        { text: 'pw: hunter22x', value: 'hunter22x' },
        { text: 'MYSQL_PASS=s3cr3tPq9', value: 's3cr3tPq9' },
      ],
      negative: [
        'bypass: a1b2c3d4',
        'pass_through: a1b2c3d4',
        'pass = expected.length',
        'const pass = !this.result.issues',
      ],
    },
  },
  {
    ...inQuotes,
    id: 'quoted-password',
    lead: new RegExp(`${longNames}${nameTail}(?:${operator}| +)${quote}`, 'i'),
    examples: {
      positive: [
        { text: '"password":"Xk29vQ#@"', value: 'Xk29vQ#@' },
        { text: "administrator_login_password = 'rootpasswd'", value: 'rootpasswd' },
        { text: 'password => "correct,horse;9"', value: 'correct,horse;9' },
        { text: 'setProperty("DB_PASSWORD", "Xk29vQ#@")', value: 'Xk29vQ#@' },
      ],
      negative: [
        ...['password: "string"', '"password": ""', 'label: "Password", value: "x"', "['password', 'headers.cookie']"],
        ...['password = "$' + '{aws_db.default.password}"'],
      ],
    },
  },
  {
    ...inQuotes,
    id: 'quoted-pass',
    // No call: `t.pass('…')` is a test.
    lead: new RegExp(`${shortNames}\\d*["'\`]?[ \\t]*(?:[:?]?[=:]>?)[ \\t]*${quote}`, 'i'),
    notBefore: notBeforeShort,
    examples: {
      positive: [{ text: '{"user": "me", "pass": "Xk29vQ#@"}', value: 'Xk29vQ#@' }],
      negative: ['pass "thread: false" to run', 'bootstrapWktFrom: "../is-message.js"', 'pass: "ok"'],
    },
  },
  {
    ...inProse,
    id: 'said-password',
    lead: new RegExp(`(?:${longNames}(?:${saidNotAssigned}|${saidOfThing})|${ambiguousNames}${said})`, 'i'),
    examples: {
      positive: [
        { text: 'the password is Qrl23Db#@ for now', value: 'Qrl23Db#@' },
        { text: 'Password IhqTb1Gh', value: 'IhqTb1Gh' },
        { text: '비번 Qrl23Db#@', value: 'Qrl23Db#@' },
        { text: 'Mein Passwort lautet Qrl23Db#@, bitte \u00e4ndern', value: 'Qrl23Db#@' },
        { text: 'Le mot de passe est Qrl23Db#@.', value: 'Qrl23Db#@' },
        { text: 'La contrase\u00f1a es Qrl23Db#@', value: 'Qrl23Db#@' },
        { text: 'A senha \u00e9 Qrl23Db#@', value: 'Qrl23Db#@' },
        { text: 'La password \u00e8 Qrl23Db#@', value: 'Qrl23Db#@' },
        { text: 'Het wachtwoord is Qrl23Db#@', value: 'Qrl23Db#@' },
        { text: 'Moje has\u0142o to Qrl23Db#@', value: 'Qrl23Db#@' },
        { text: 'Mitt l\u00f6senord \u00e4r Qrl23Db#@', value: 'Qrl23Db#@' },
        { text: '\u041f\u0430\u0440\u043e\u043b\u044c \u2014 Qrl23Db#@', value: 'Qrl23Db#@' },
        { text: '\u30d1\u30b9\u30ef\u30fc\u30c9\u306fQrl23Db#@\u3067\u3059', value: 'Qrl23Db#@\u3067\u3059' },
        { text: '\u5bc6\u7801\u662f Qrl23Db#@', value: 'Qrl23Db#@' },
        { text: 'password for the wifi is Qrl23Db#@, enjoy', value: 'Qrl23Db#@' },
        { text: 'Senha do wifi: Qrl23Db#@', value: 'Qrl23Db#@' },
        { text: 'Das Kennwort f\u00fcr den Server lautet: Qrl23Db#@', value: 'Qrl23Db#@' },
        { text: 'the root password was changed to Qrl23Db#@ yesterday', value: 'Qrl23Db#@' },
        { text: 'l\u00f6senordet \u00e4r Qrl23Db#@', value: 'Qrl23Db#@' },
        { text: 'la clave es Qrl23Db#@', value: 'Qrl23Db#@' },
        { text: 'Password\nQrl23Db#@', value: 'Qrl23Db#@' },
        { text: 'password for the staging box = Qrl23Db#@', value: 'Qrl23Db#@' },
        { text: 'I set the database password as Qrl23Db#@', value: 'Qrl23Db#@' },
        { text: 'the password we use is Qrl23Db#@', value: 'Qrl23Db#@' },
        { text: 'Parola este Qrl23Db#@', value: 'Qrl23Db#@' },
        { text: 'the pass phrase reads: Qrl23Db#@', value: 'Qrl23Db#@' },
        { text: 'change the password from summer to Qrl23Db#@', value: 'Qrl23Db#@' },
      ],
      negative: [
        ...['Das Passwort ist falsch.', 'le mot de passe est obligatoire', 'la contrase\u00f1a es incorrecta'],
        'the password is incorrect.',
        'password policy v2',
        'passwords are hashed',
        'Password Manager 2024',
        'password for the wifi is on the wall',
        'the password was changed to something else',
        'la clave primaria de la tabla2',
        'Password\nRemember me\nSign in',
        'stored the password as sha256 hash',
      ],
    },
  },
  {
    ...inProse,
    id: 'replaced-password',
    lead: new RegExp(`${longNames}[ \\t]+(?:from|instead of)[ \\t]+["'(]?`, 'i'),
    examples: {
      positive: [
        { text: 'change the password from Qrl23Db#@ to something better', value: 'Qrl23Db#@' },
        { text: 'use the new password instead of Qrl23Db#@', value: 'Qrl23Db#@' },
      ],
      negative: ['read the password from stdin2 or a file', 'password from $HOME/.pgpass', 'the password from page2'],
    },
  },
  {
    ...inProse,
    id: 'said-pass',
    lead: new RegExp(`${shortNames}${saidNotAssigned}`, 'i'),
    notBefore: notBeforeShort,
    examples: {
      positive: [
        { text: '--pass Qrl23Db#@', value: 'Qrl23Db#@' },
        { text: 'PW는Qrl23Db#@', value: 'Qrl23Db#@' },
      ],
      negative: ['pass 3 of 7', 'compass Qrl23Db#@', 'gYnkm9pwb82wfltihli4'],
    },
  },
  {
    ...assigned,
    id: 'account-and-password',
    lead: new RegExp(
      `(?:id|user|username|account|login|계정|아이디) ?[/,(|&+] ?${anyOf([longNames, shortNames])}\\)?[\\s:=-]+[\\w.@-]+ ?[/:(,|] ?`,
      'i',
    ),
    checkPlace: (place) => (isPasswordAt(place, 'assigned') ? 'plausible' : 'wrong'),
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
    ...inProse,
    id: 'user-and-password',
    lead: /(?:cred(?:ential)?s?|logins?|(?:log|sign)(?:ged)?[ -]?(?:in|on) (?:with|as|using))(?: details)?(?: are| is)?[ :=-]{1,3}["'(]?(?:user(?:name)? )?[\w.@-]{2,64}(?: ?[/:|] ?| (?:and|with) (?:the )?(?:password )?)["'(]?/i,
    notBefore: /[A-Za-z0-9_-]/,
    checkPlace: (place) => (isPasswordAt(place, 'said') && !isNamedAboutSecret(place) ? 'plausible' : 'wrong'),
    examples: {
      positive: [
        { text: 'creds are admin:Qrl23Db#@', value: 'Qrl23Db#@' },
        { text: 'credentials: admin / Qrl23Db#@', value: 'Qrl23Db#@' },
        { text: 'login with bob / Qrl23Db#@', value: 'Qrl23Db#@' },
        { text: 'log in as root with Qrl23Db#@', value: 'Qrl23Db#@' },
        { text: 'Login: jane.doe@example.com / Qrl23Db#@', value: 'Qrl23Db#@' },
      ],
      negative: [
        'log in with Google / GitHub2',
        'login: OAuth2/OpenID',
        'credentials: username/password',
        'sign in with OAuth2 and SAML2',
        'log in as root with SSH keys',
        'logins: 2024/2025',
      ],
    },
  },
  {
    ...inProse,
    id: 'host-with-password',
    anchors: [digitRun],
    lead: /\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?::\d{1,5})? ?\([\w.-]{2,32} ?[/:] ?/,
    checkPlace: (place) => (isPasswordAt(place, 'said') ? 'plausible' : 'wrong'),
    examples: {
      positive: [{ text: '203.0.113.5 (master/IhqTb1Gh)', value: 'IhqTb1Gh' }],
      negative: ['203.0.113.5 (master/backup)', '203.0.113.5 (port/tcp)'],
    },
  },
];
