import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createPrometheus } from '../../../src/telemetry/prometheus.ts';

const root = new URL('../../..', import.meta.url).pathname;
const page = readFileSync(join(root, 'docs/operations.md'), 'utf8');

test('the table of metrics is what is exposed, with its labels', async () => {
  const metrics = createPrometheus({ version: '0', processMetrics: false });
  metrics.decision('request', 'allow');
  metrics.findings('request', 'US_SSN', 1);
  metrics.masked('request', 'token', 1);
  metrics.hold('granted');
  metrics.approvalTransition('pending');
  metrics.approvalDecided('approved', 1);
  metrics.approvalConflict('lost_race');
  metrics.approvalsPending('older', 1);
  metrics.latency('request', 1);
  metrics.notice('on-call', 'sent');
  metrics.auditSink({ sink: 'siem', lagRecords: 1, lagBytes: 1, lagSeconds: 1, deadLetters: 0, missed: 0 });
  metrics.auditWitness('w1', 1);
  metrics.auditWitnessQuorum(1);
  metrics.failure('internal');
  const exposed = await metrics.render();
  const names = [...exposed.matchAll(/^# TYPE (\S+)/gm)].map((match) => match[1] ?? '');
  const want = names.map((name) => ({ name, labels: labelsOf(exposed, name) }));
  const rows = [...page.matchAll(/^\| `(countersign_\w+)` \|([^|]*)\|/gm)].map(([, name = '', labels = '']) => ({
    name,
    labels: words(labels),
  }));
  expect(rows.sort(byName)).toEqual(want.sort(byName));
});

test('every log line that it quotes is written somewhere', () => {
  const folder = join(root, 'src');
  const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => readFileSync(join(folder, path), 'utf8'))
    .join('\n');
  const quoted = [...page.matchAll(/^\| log lines? (.*?) \|/gm)].flatMap((match) => words(match[1] ?? ''));
  expect(quoted.length).toBeGreaterThan(5);
  expect(quoted.filter((line) => !sources.includes(`'${line}'`))).toEqual([]);
});

function labelsOf(exposed: string, name: string): string[] {
  const sample = new RegExp(`^${name}(?:_bucket|_sum|_count)?\\{([^}]*)\\}`, 'm').exec(exposed)?.[1] ?? '';
  return [...sample.matchAll(/(\w+)=/g)].map((match) => match[1] ?? '').filter((label) => label !== 'le');
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : 1;
}

/** What stands in backquotes. */
function words(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? '');
}
