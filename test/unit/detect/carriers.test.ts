import { describe, expect, test } from 'vitest';
import { createDetector } from '../../../src/detect/detector.ts';
import { rules } from '../../../src/detect/rules/catalogue.ts';
import { sample } from '../../../src/detect/rules/sample.ts';

const detector = createDetector({ tier: 'core' });

/** Where people put a value that has a name: configuration, code, logs, tables, messages. */
const carriers: readonly ((name: string, value: string) => string)[] = [
  (name, value) => `${name}=${value}\nDEBUG=1\n`,
  (name, value) => `export ${name}="${value}"`,
  (name, value) => `${name.toLowerCase()}: ${value}\nreplicas: 2`,
  (name, value) => `{"${name}": "${value}", "region": "eu"}`,
  (name, value) => `const ${camelCase(name)} = '${value}';`,
  (name, value) => `${name.toLowerCase()} = "${value}"  # production`,
  (name, value) => `private static final String ${name} = "${value}";`,
  (name, value) => `os.Setenv("${name}", "${value}")`,
  (name, value) => `$config['${name.toLowerCase()}'] = '${value}';`,
  (name, value) => `2026-03-01T10:00:00Z DEBUG loaded ${name}=${value} from env`,
  (name, value) => `| ${name} | \`${value}\` |`,
  (name, value) => `<add key="${name}" value="${value}" />`,
  (name, value) => `  - name: ${name}\n    value: "${value}"`,
  (name, value) => `{"role":"user","content":"my ${name} is ${value}"}`,
];

function camelCase(name: string): string {
  return name.toLowerCase().replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase());
}

/** The part of a value that is reported as some credential, in per cent. */
function coverage(text: string, value: string): number {
  const start = text.indexOf(value);
  const end = start + value.length;
  let covered = 0;
  for (const finding of detector.scan(text).findings) {
    if (!finding.entity.startsWith('SECRET_')) continue;
    covered += Math.max(0, Math.min(end, finding.end) - Math.max(start, finding.start));
  }
  return (100 * covered) / value.length;
}

function missed(name: string, value: string, from = carriers): string[] {
  return from.map((carrier) => carrier(name, value)).filter((text) => coverage(text, value) < 80);
}

describe('a credential with letters of its vendor is found whatever it stands in', () => {
  const cases = rules.flatMap(({ id, entity, lead, context, examples }) => {
    if (!entity.startsWith('SECRET_') || lead || context) return [];
    const [first] = examples.positive.map((example) => (typeof example === 'string' ? example : example.value));
    return first === undefined || /[\s"'`<>|\\]/.test(first) ? [] : [[id, first] as const];
  });

  test('there are enough of them for that to mean something', () => {
    expect(cases.length).toBeGreaterThan(100);
  });

  test.each(cases)('%s', (_, value) => {
    expect(missed('DEPLOY_VALUE', value)).toEqual([]);
  });
});

describe('a credential without a form is found by the name beside it', () => {
  test.each([
    ['AWS_SECRET_ACCESS_KEY', sample(['base64', 40])],
    ['TWILIO_AUTH_TOKEN', sample(['hex', 32])],
    ['COHERE_API_KEY', sample(['base62', 40])],
    ['DATADOG_APP_KEY', sample(['hex', 40])],
    ['APP_SECRET', sample(['base64url', 43])],
    ['JWT_SECRET', sample(['lower', 32])],
    ['WEBHOOK_SIGNING_KEY', sample(['base62', 32])],
  ])('%s', (name, value) => {
    expect(missed(name, value)).toEqual([]);
  });
});

test.each(['DB_PASSWORD', 'MYSQL_ROOT_PASSWORD', 'adminPassword', 'SMTP_PASSWD'])(
  'a password by its name: %s',
  (name) => {
    for (const value of ['Qrl23Db#@', 'hunter2hunter', 'correct-Horse-7']) expect(missed(name, value)).toEqual([]);
  },
);

test('the same carriers with what is no secret have none', () => {
  const harmless: readonly (readonly [string, string])[] = [
    ['COMMIT_SHA', sample(['hex', 40])],
    ['IMAGE_DIGEST', `sha256:${sample(['hex', 64])}`],
    ['REQUEST_ID', '7f1c2e60-9d0b-4f7a-8a53-1f0e6b1c2d3e'],
    ['TOKEN_TYPE', 'Bearer'],
    ['PASSWORD_FILE', '/run/secrets/db2'],
    ['SECRET_NAME', 'db-credentials-2'],
    ['PUBLIC_KEY', sample(['base64', 43])],
    ['MAX_TOKENS', '128000'],
    ['API_KEY_HEADER', 'x-api-key'],
    ['DB_PASSWORD', '<redacted>'],
    ['API_TOKEN', 'your-token-here'],
  ];
  const found = harmless.flatMap(([name, value]) =>
    carriers.map((carrier) => carrier(name, value)).filter((text) => coverage(text, value) > 0),
  );
  expect(found).toEqual([]);
});
