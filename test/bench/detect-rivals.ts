import { createEngine } from '@secretlint/node';
import { OpenRedaction } from 'openredaction';
import type { Rule } from '../../src/detect/rule.ts';

/** Others that look for sensitive values, as they come: what is found is not compared, only the time it takes. */
export function createRivals(rules: readonly Rule[]): Readonly<Record<string, (text: string) => unknown>> {
  const expressions = rules.map(({ lead, pattern }) => new RegExp(`${lead?.source ?? ''}(?:${pattern.source})`, 'gi'));
  const redaction = new OpenRedaction({});
  const engine = createEngine({
    formatter: 'json',
    color: false,
    configFileJSON: { rules: [{ id: '@secretlint/secretlint-rule-preset-recommend' }] },
  });
  return {
    'our patterns as native expressions, one after the other': (text) =>
      expressions.reduce((found, expression) => found + [...text.matchAll(expression)].length, 0),
    'secretlint, recommended rules': async (text) =>
      (await engine).executeOnContent({ content: text, filePath: 'prompt.txt' }),
    openredaction: (text) => redaction.detect(text),
  };
}
