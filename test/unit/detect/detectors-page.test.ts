import { expect, test } from 'vitest';
import { detectorsPage } from '../../../src/detect/catalogue-page.ts';
import { rules } from '../../../src/detect/rules/catalogue.ts';

test('docs/detectors.md is made from the rules and up to date', async () => {
  await expect(detectorsPage()).toMatchFileSnapshot('../../../docs/detectors.md');
});

test('every rule has one row, and no table is broken by a pattern', () => {
  const rows = detectorsPage()
    .split('\n')
    .filter((line) => line.startsWith('| `'));
  expect(rows.map((row) => /^\| `([^`]+)`/.exec(row)?.[1]).sort()).toEqual(rules.map(({ id }) => id).sort());
  expect(rows.filter((row) => (row.match(/(?<!\\)\|/g) ?? []).length !== 9)).toEqual([]);
});

test('every rule that checks says what', () => {
  expect(rules.filter(({ check, verifies }) => check && !verifies).map(({ id }) => id)).toEqual([]);
});
