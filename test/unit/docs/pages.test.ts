import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';

const root = new URL('../../..', import.meta.url).pathname;
const pages = [
  'README.md',
  'CONTRIBUTING.md',
  'envoy/README.md',
  ...readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.md'))
    .map((path) => join('docs', path)),
].map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));

describe.each(pages)('$path', ({ path, text }) => {
  test('every link within the project leads somewhere', () => {
    const links = [...text.matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1] ?? '');
    const dead = links.filter((link) => !/^[a-z]+:/.test(link)).filter((link) => !leads(path, link));
    expect(dead).toEqual([]);
  });

  test('every test that it names is there', () => {
    const named = [...text.matchAll(/`((?:unit|contract|parity|e2e|fault)\/[a-z0-9/-]+)`/g)].map(
      (match) => match[1] ?? '',
    );
    expect(named.filter((name) => !existsSync(join(root, 'test', `${name}.test.ts`)))).toEqual([]);
  });

  test('every file that it names is there', () => {
    const named = [...text.matchAll(/`((?:src|test|docs|envoy|policies|proto|\.dev|\.ci)\/[^`\s]+)`/g)].map(
      (match) => match[1] ?? '',
    );
    const missing = named.filter((name) => !/[<>*{}…]/.test(name) && !existsSync(join(root, name)));
    expect(missing).toEqual([]);
  });
});

/** A file, and in it the heading that the fragment names. */
function leads(from: string, link: string): boolean {
  const [file = '', fragment] = link.split('#');
  const target = file === '' ? join(root, from) : join(root, dirname(from), file);
  if (!existsSync(target)) return false;
  if (fragment === undefined) return true;
  return headings(readFileSync(target, 'utf8')).includes(fragment);
}

/** As GitHub makes them: lower case, blanks to hyphens, no punctuation. */
function headings(text: string): string[] {
  return [...text.matchAll(/^#+ (.+)$/gm)].map((match) =>
    (match[1] ?? '')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replace(/\s/g, '-'),
  );
}
