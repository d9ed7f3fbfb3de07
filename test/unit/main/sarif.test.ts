import { Ajv } from 'ajv';
import { expect, test } from 'vitest';
import { detectorFrom } from '../../../src/main/detector.ts';
import { locate } from '../../../src/main/scan/report.ts';
import { createSarifReport } from '../../../src/main/scan/sarif.ts';

/** An object that has these members and no others. */
function closed(properties: Readonly<Record<string, object>>, required: readonly string[] = []): object {
  return { type: 'object', additionalProperties: false, properties, required };
}

const text = { type: 'string' };
const count = { type: 'integer', minimum: 0 };
const ordinal = { type: 'integer', minimum: 1 };
const level = { enum: ['none', 'note', 'warning', 'error'] };
const message = closed({ text }, ['text']);
const list = (items: object): object => ({ type: 'array', items });
const places = list(
  closed({
    physicalLocation: closed(
      {
        artifactLocation: closed({ uri: { type: 'string', format: 'uri-reference' } }, ['uri']),
        region: closed({
          startLine: ordinal,
          startColumn: ordinal,
          endLine: ordinal,
          endColumn: ordinal,
          charOffset: count,
          charLength: count,
        }),
      },
      ['artifactLocation'],
    ),
  }),
);

/**
 * Members, types and required members as sections 3.13 to 3.58 of SARIF 2.1.0 (OASIS Standard, Errata 01) have them, of what the report
 * uses; no more is allowed, so that what it begins to use must be looked up first.
 */
const schema = closed(
  {
    $schema: { type: 'string', format: 'uri' },
    version: { const: '2.1.0' },
    runs: list(
      closed(
        {
          tool: closed(
            {
              driver: closed(
                {
                  name: text,
                  semanticVersion: { type: 'string', pattern: '^\\d+\\.\\d+\\.\\d+(?:-[0-9A-Za-z.-]+)?$' },
                  rules: {
                    ...list(
                      closed(
                        {
                          id: text,
                          name: text,
                          shortDescription: message,
                          defaultConfiguration: closed({ level }),
                          helpUri: { type: 'string', format: 'uri' },
                        },
                        ['id'],
                      ),
                    ),
                    uniqueItems: true,
                  },
                },
                ['name'],
              ),
            },
            ['driver'],
          ),
          columnKind: { enum: ['utf16CodeUnits', 'unicodeCodePoints'] },
          results: list(
            closed(
              {
                ruleId: text,
                ruleIndex: { type: 'integer', minimum: -1 },
                level,
                message,
                locations: places,
                properties: { type: 'object' },
              },
              ['message'],
            ),
          ),
          invocations: list(
            closed(
              {
                executionSuccessful: { type: 'boolean' },
                toolExecutionNotifications: list(closed({ level, message, locations: places }, ['message'])),
              },
              ['executionSuccessful'],
            ),
          ),
        },
        ['tool'],
      ),
    ),
  },
  ['version', 'runs'],
);

const ajv = new Ajv({ allErrors: true });
ajv.addFormat('uri', (value: string) => URL.canParse(value));
// RFC 3986: what a reference may be made of; everything else is percent-encoded.
ajv.addFormat('uri-reference', /^(?:[A-Za-z0-9\-._~:/?#[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*$/);
const isValid = ajv.compile(schema);

const configured = detectorFrom({
  tier: 'extended',
  countries: null,
  custom: [{ id: 'staff', entity: 'STAFF_NUMBER', pattern: 'EMP-[0-9]{6}', score: 0.8, context: [] }],
  dictionaries: [],
  decode: { percent: true, html: true, base64: true },
  allow: [],
  allowPatterns: [],
  allowHashes: [],
  allowKey: null,
  presidio: null,
});

async function reportOf(files: Readonly<Record<string, string>>, notes: readonly [string, boolean][]): Promise<string> {
  let written = '';
  const sink = {
    write: async (piece: string | Uint8Array): Promise<void> => {
      written += String(piece);
    },
    isClosed: () => false,
  };
  const report = createSarifReport(sink, { version: '1.2.3-rc.1', kinds: configured.kinds });
  for (const [path, content] of Object.entries(files)) {
    await report.file(locate(path, content, configured.detector.scan(content).findings, false));
  }
  for (const [path, isFailure] of notes) await report.note(path, 'could not be read', isFailure);
  await report.end();
  return written;
}

test('a report is of the shape that SARIF 2.1.0 prescribes, and its indexes, lines and addresses mean what they say', async () => {
  const files = {
    'plain.txt': 'a card:\n  4111 1111 1111 1111 \u{1f511}\nEMP-123456 and jane@corp.example',
    'wide ünï#1?.txt': 'card 4111 1111 1111 1111',
    '/outside/of here.txt': `-----BEGIN PRIVATE KEY-----\n${'QUJD'.repeat(20)}\n-----END PRIVATE KEY-----\n`,
    'clean.txt': 'nothing',
    '-': 'jane@corp.example',
  };
  const written = await reportOf(files, [
    ['picture.bin', false],
    ['gone \u0007.txt', true],
  ]);
  const log = JSON.parse(written);
  isValid(log);
  expect(isValid.errors ?? []).toEqual([]);
  const [run] = log.runs;
  const ids = run.tool.driver.rules.map(({ id }: { id: string }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  const found = run.results.map(
    ({
      ruleId,
      ruleIndex,
      locations: [
        {
          physicalLocation: { artifactLocation, region },
        },
      ],
    }: typeof run.results) => {
      expect(ids[ruleIndex]).toBe(ruleId);
      expect(region.endLine > region.startLine || region.endColumn > region.startColumn).toBe(true);
      return [ruleId, artifactLocation.uri, region.startLine, region.startColumn];
    },
  );
  expect(found).toEqual([
    ['credit-card', 'plain.txt', 2, 3],
    ['staff', 'plain.txt', 3, 1],
    ['email', 'plain.txt', 3, 16],
    ['credit-card', 'wide%20%C3%BCn%C3%AF%231%3F.txt', 1, 6],
    [expect.stringContaining('private-key'), 'file:///outside/of%20here.txt', 1, 1],
    ['email', '-', 1, 1],
  ]);
  expect(run.invocations[0].executionSuccessful).toBe(false);
});

test('a report about nothing is one, too', async () => {
  const log = JSON.parse(await reportOf({}, []));
  expect([isValid(log), log.runs[0].results, log.runs[0].invocations[0].executionSuccessful]).toEqual([true, [], true]);
});
