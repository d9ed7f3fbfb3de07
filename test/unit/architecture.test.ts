import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { adapter, apart, doors, genImporters, order } from '../support/architecture-rules.ts';

interface SourceFile {
  readonly path: string;
  readonly text: string;
}

function violations(files: readonly SourceFile[]): string[] {
  const found: string[] = [];
  for (const file of files) {
    const from = folderOf(file.path);
    for (const specifier of importsOf(file.text)) {
      if (!specifier.startsWith('.')) {
        const door = Object.entries(doors).find(([name]) => specifier === name || specifier.startsWith(`${name}/`));
        if (door && !door[1].some((allowed) => file.path.startsWith(allowed) || file.path === allowed)) {
          found.push(`${file.path}: ${specifier} may only be imported by ${door[1].join(', ')}`);
        }
        continue;
      }
      const target = relative('/src', resolve('/src', dirname(file.path), specifier));
      if (target.startsWith('..')) {
        found.push(`${file.path}: ${specifier} leaves src/`);
        continue;
      }
      const to = folderOf(target);
      if (to === 'gen') {
        if (from !== 'gen' && !genImporters.includes(from)) found.push(`${file.path}: ${from} may not import gen`);
        continue;
      }
      if (from === 'gen') continue;
      if (order.indexOf(to) < 0 || order.indexOf(from) < 0) found.push(`${file.path}: unknown folder in ${specifier}`);
      else if (order.indexOf(to) > order.indexOf(from)) found.push(`${file.path}: ${from} may not import ${to}`);
      else if (apart.some(([a, b]) => a === from && b === to)) found.push(`${file.path}: ${from} may not import ${to}`);
      else if (adapter.test(target) && from !== to && from !== 'main') {
        found.push(`${file.path}: adapter ${target} is for the composition root`);
      }
    }
  }
  return found;
}

function folderOf(path: string): string {
  const [head = '', ...rest] = path.split('/');
  return rest.length > 0 ? head : head === 'cli.ts' ? 'main' : head.replace(/\.ts$/, '');
}

function importsOf(text: string): string[] {
  const found: string[] = [];
  for (const match of text.matchAll(/(?:^|[\s;}])(?:import|export)\b[^'"`;]*?from\s*['"]([^'"]+)['"]/g))
    found.push(match[1] ?? '');
  for (const match of text.matchAll(/\bimport\s*\(?\s*['"]([^'"]+)['"]/g)) found.push(match[1] ?? '');
  return found;
}

function sources(): SourceFile[] {
  const root = new URL('../../src', import.meta.url).pathname;
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts'))
    .map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));
}

describe('architecture', () => {
  test('imports point left and vendors enter by their door', () => {
    const files = sources();
    expect(files.length).toBeGreaterThan(15);
    expect(violations(files)).toEqual([]);
  });

  test.each([
    {
      name: 'right import',
      path: 'llm/x.ts',
      text: "import { y } from '../mask/y.ts';",
      want: 'llm may not import mask',
    },
    {
      name: 'type import',
      path: 'lib/x.ts',
      text: "import type { y } from '../audit/y.ts';",
      want: 'lib may not import audit',
    },
    {
      name: 're-export',
      path: 'lib/x.ts',
      text: "export { y } from '../audit/y.ts';",
      want: 'lib may not import audit',
    },
    {
      name: 'dynamic import',
      path: 'lib/x.ts',
      text: "await import('../audit/y.ts')",
      want: 'lib may not import audit',
    },
    { name: 'vendor', path: 'exchange/x.ts', text: "import { Redis } from 'ioredis';", want: 'ioredis may only' },
    {
      name: 'gen',
      path: 'exchange/x.ts',
      text: "import { A } from '../gen/a.ts';",
      want: 'exchange may not import gen',
    },
    {
      name: 'adapter',
      path: 'exchange/x.ts',
      text: "import { A } from '../approval/redis-store.ts';",
      want: 'composition root',
    },
    {
      name: 'side by side',
      path: 'api/x.ts',
      text: "import { A } from '../pep/a.ts';",
      want: 'api may not import pep',
    },
  ])('a planted violation is caught: $name', ({ path, text, want }) => {
    expect(violations([{ path, text }]).join('\n')).toContain(want);
  });
});
