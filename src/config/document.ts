import { configurationJsonSchema, type Setting, settings } from './settings.ts';

/** docs/configuration.schema.json, for editor completion. */
export function configurationSchemaFile(): string {
  return `${JSON.stringify(configurationJsonSchema(), null, 2).replace(plainList, onOneLine)}\n`;
}

/** A list of plain values, as JSON.stringify breaks it; the repository's formatter has it on one line where it fits. */
const plainList = /^(.*)\[\n\s+([^[\]{}]*?)\n\s+\](,?)$/gm;

function onOneLine(broken: string, before: string, items: string, comma: string): string {
  const line = `${before}[${items.split(/,\n\s+/).join(', ')}]${comma}`;
  return line.length <= 120 ? line : broken;
}

/** docs/configuration.md: every setting, from the schema that reads them. */
export function configurationPage(): string {
  const all = settings();
  const sections = all.filter(({ name }) => !name.includes('.'));
  return [
    head,
    ...sections.map((section) =>
      sectionText(
        section,
        all.filter(({ name }) => isIn(name, section.name)),
      ),
    ),
  ].join('\n');
}

const head = `# Configuration

<!-- Made from src/config/schema.ts; do not edit. \`npx vitest run --config test/vitest.config.ts test/unit/config -u\` writes it anew. -->

One YAML 1.2 file. [envoy/countersign.yaml](../envoy/countersign.yaml) is an annotated example. Check a file before it is used:

\`\`\`sh
countersign check-config countersign.yaml
\`\`\`

Everything that is wrong is listed at once, with its place and what to do about it. Unknown settings are errors.

- **Durations** are a number and a unit: \`300ms\`, \`5s\`, \`10m\`, \`12h\`, \`90d\`.
- **Paths** that are relative count from the directory of the file.
- **References** stand for values from elsewhere, in any text of the file: \`\${env:NAME}\`, \`\${env:NAME:-fallback}\` for an unset or empty
  variable, \`\${file:path}\` for the text of a file without its last line break. They are resolved once, at start, and their values are
  never logged. Secrets must be references.
- **Editors** complete and check settings with [configuration.schema.json](configuration.schema.json); begin the file with
  \`# yaml-language-server: $schema=…/docs/configuration.schema.json\`.

Required settings are in bold; all others have the default that is shown. "Section" and "sections" have settings of their own below.
`;

function isIn(name: string, section: string): boolean {
  return name.startsWith(`${section}.`) || name.startsWith(`${section}[].`);
}

function sectionText(section: Setting, members: readonly Setting[]): string {
  const rows = members.length > 0 ? members.map((member) => row(member, section.name)) : [row(section, '')];
  return [
    `## ${section.name}\n`,
    `${section.description}${section.required ? ' Required.' : ''}\n`,
    table([['setting', 'type', 'default', 'meaning'], ...rows]),
    '',
  ].join('\n');
}

type Row = readonly [setting: string, type: string, fallback: string, meaning: string];

function row({ name, type, fallback, required, description, isSection }: Setting, section: string): Row {
  const short = section === '' ? name : name.slice(section.length).replace(/^\./, '');
  const shown = required ? `**\`${short}\`**` : `\`${short}\``;
  const value = fallback !== null ? `\`${fallback}\`` : isSection || required ? '' : 'none';
  return [shown, type, value, description];
}

/** Columns are padded, as the repository's formatter would have it. */
function table(rows: readonly Row[]): string {
  const [head, ...body] = rows.map((cells) => cells.map((text) => text.replaceAll('|', '\\|').replaceAll('\n', ' ')));
  const widths = (head ?? []).map((_, column) => Math.max(...rows.map((cells) => [...(cells[column] ?? '')].length)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((text, column) => text + ' '.repeat((widths[column] ?? 0) - [...text].length)).join(' | ')} |`;
  return [line(head ?? []), line(widths.map((width) => '-'.repeat(width))), ...body.map(line)].join('\n');
}
