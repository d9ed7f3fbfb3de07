import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { adapter, apart, doors, genImporters, order } from '../../support/architecture-rules.ts';

const page = readFileSync(new URL('../../../docs/ARCHITECTURE.md', import.meta.url), 'utf8');

test('the section on dependencies is what the architecture test enforces', () => {
  const [, section = ''] = /<!-- dependencies: begin -->\n(.*)<!-- dependencies: end -->/s.exec(page) ?? [];
  expect(unwrapped(section)).toBe(unwrapped(rendered()));
});

test('every folder of src has its place and its invariant on the map', () => {
  const [, map = ''] = /## Code map\n(.*?)\n## /s.exec(page) ?? [];
  const paragraphs = map.split('\n\n');
  const told = order.filter((folder) =>
    paragraphs.some(
      (text) => text.trim().startsWith(`**\`src/${folder}/\`**`) && text.includes('**Architecture invariant:**'),
    ),
  );
  expect(told).toEqual(order);
});

function rendered(): string {
  const folders = order.map((folder, index) => `| ${code(folder)} | ${imports(folder, index)} | ${gen(folder)} |`);
  const packages = Object.entries(doors).map(([name, by]) => `| ${code(name)} | ${by.map(code).join(', ')} |`);
  return [
    '| folder | may import | `src/gen` |',
    '|---|---|---|',
    ...folders,
    '',
    'A package that does one thing enters by one door:',
    '',
    '| package | imported by |',
    '|---|---|',
    ...packages,
    '',
    'Adapters touch a network, a disk or a foreign engine. Outside of their own folder only `main` imports them:',
    `${adapters().map(code).join(', ')}.`,
    '',
  ].join('\n');
}

function imports(folder: string, index: number): string {
  const not = apart.filter(([who]) => who === folder).map(([, other]) => code(other));
  if (index === 0) return 'nothing';
  return not.length === 0 ? 'all above' : `all above, but not ${not.join(', ')}`;
}

function gen(folder: string): string {
  return genImporters.includes(folder) ? 'yes' : 'no';
}

function adapters(): string[] {
  return /\(([^)]*)\)/.exec(adapter.source)?.[1]?.split('|') ?? [];
}

/** Where its lines break is no matter. */
function unwrapped(text: string): string {
  return text.replace(/\s+/g, ' ');
}

function code(text: string): string {
  return `\`${text}\``;
}
