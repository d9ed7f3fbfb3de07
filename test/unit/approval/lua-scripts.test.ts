import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { loadScripts, scriptNames } from '../../../src/approval/lua-scripts.ts';

const scripts = Object.values(loadScripts());

describe('Lua scripts', () => {
  test('every file is loaded, and nothing else', () => {
    const files = readdirSync(new URL('../../../src/approval/lua', import.meta.url));
    expect(files.sort()).toEqual(scriptNames.map((name) => `${name}.lua`).sort());
  });

  test.each(scripts)('$name says its keys, arguments and return, and is called by its digest', ({ source, sha1 }) => {
    const header = source.slice(0, source.search(/^(?!--)./m));
    for (const word of ['KEYS[1]', 'Returns']) expect(header).toContain(word);
    const highest = (array: string, text: string) =>
      Math.max(
        ...[...text.matchAll(new RegExp(`${array}\\[(?:\\d+\\.\\.)?(\\d+)\\]`, 'g'))].map((match) => Number(match[1])),
      );
    for (const array of ['KEYS', 'ARGV']) {
      expect(highest(array, header)).toBeGreaterThanOrEqual(highest(array, source.slice(header.length)));
    }
    expect(sha1).toBe(createHash('sha1').update(source).digest('hex'));
  });

  test.each(scripts)('$name takes time as an argument and is pure', ({ source }) => {
    expect(source).not.toMatch(/'TIME'|os\.time|math\.random|cjson/);
  });
});
