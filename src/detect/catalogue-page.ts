import { ruleCountries } from './countries.ts';
import { contextBoost, type Rule } from './rule.ts';
import { rules } from './rules/catalogue.ts';

/** docs/detectors.md: every built-in rule, from the rules themselves. */
export function detectorsPage(): string {
  const core = rules.filter(({ tier }) => tier === 'core');
  const extended = rules.filter(({ tier }) => tier === 'extended');
  const credentials = core.filter(isCredential);
  const parts = [
    head(core.length, credentials.length, extended.length, ruleCountries.length),
    section(
      'Core: personal and financial data',
      'Always on.',
      core.filter((rule) => !isCredential(rule)),
    ),
    section('Core: credentials', 'Always on.', credentials),
    section(
      'Extended: everywhere',
      'On with `detection.tier: extended`, whatever `detection.countries` says.',
      extended.filter(({ country }) => country === undefined),
    ),
    ...ruleCountries.map((code) =>
      section(
        `Extended: ${countryNames.of(code) ?? code} (${code})`,
        `On with \`detection.tier: extended\`, where \`detection.countries\` is null or has ${code}.`,
        extended.filter(({ country }) => country === code),
      ),
    ),
  ];
  return `${parts.join('\n\n')}\n`;
}

const countryNames = new Intl.DisplayNames(['en'], { type: 'region' });

function isCredential({ entity }: Rule): boolean {
  return entity.startsWith('SECRET_');
}

function head(core: number, credentials: number, extended: number, countries: number): string {
  return `# Detectors

<!-- Made from src/detect/rules/; do not edit. \`npm run docs\` writes it anew. -->

${core} core rules, ${credentials} of them for credentials, and ${extended} extended ones for ${countries} countries. A finding has an entity (what policy
speaks of), the id of its rule, a place and a score. How to switch tiers, add patterns and allow values stands in
[detection.md](detection.md); what detection cannot see, in its section on limits.

- **Pattern**: what the value looks like; before "⟶" stands what must introduce it and is not masked. Patterns run as automata: they never
  backtrack. Long ones are cut here.
- **Max**: characters of a value. "and on": the token is masked to its end, however long.
- **Validator**: what is checked beyond the pattern. A value whose check digits hold scores 1; one whose check fails is no finding.
- **Words**: words within six words and 80 characters to the left that raise the score by ${contextBoost}; "needed" where a value alone is no finding.`;
}

function section(title: string, about: string, shown: readonly Rule[]): string {
  return [
    `## ${title}`,
    '',
    about,
    '',
    '| id | entity | pattern | max | validator | words | score | source |',
    '|---|---|---|---|---|---|---|---|',
    ...shown.map(row),
  ].join('\n');
}

function row(rule: Rule): string {
  const { id, entity, lead, pattern, maxLength, rest, verifies, check, context = [], score, source } = rule;
  const shown = lead ? `${code(lead.source, 90)} ⟶ ${code(pattern.source, 90)}` : code(pattern.source, 150);
  const validator = verifies ?? (check ? 'form' : '');
  const words = context.slice(0, 5).join(', ') + (context.length > 5 ? ', …' : '');
  const needed = context.length > 0 && needsContext(rule) ? `needed: ${words}` : words;
  const max = `${maxLength}${rest ? ' and on' : ''}`;
  return `| \`${id}\` | ${entity} | ${shown} | ${max} | ${validator} | ${needed} | ${score} | [${hostOf(source)}](${source}) |`;
}

/** Whether the examples show that a value alone is left: the text of a positive one without what stands around its value. */
function needsContext({ examples }: Rule): boolean {
  const alone = examples.positive.some((example) => typeof example === 'string');
  return !alone && examples.positive.every((example) => typeof example !== 'string' && example.text !== example.value);
}

/** As code. What Markdown would take for a link or a fence is written in entities, so that readers of the source see no link. */
function code(source: string, charsMax: number): string {
  const short = source.length > charsMax ? `${source.slice(0, charsMax)}…` : source;
  if (!/\]\(|`/.test(short)) return `\`${short.replaceAll('|', '\\|')}\``;
  return `<code>${short.replace(/[^A-Za-z0-9 …]/gu, (char) => `&#${char.codePointAt(0)};`)}</code>`;
}

function hostOf(source: string): string {
  return new URL(source).hostname.replace(/^www\./, '');
}
