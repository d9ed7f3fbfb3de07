/**
 * Scores the detector on the labelled development texts: `npx tsx test/eval/detect.ts [--tier=extended] [--show=missed|wrong]
 * [--suite=name] [--entity=NAME]`.
 */
import { parseArgs } from 'node:util';
import { createDetector } from '../../src/detect/detector.ts';
import { hasDevelopmentData, readDevelopmentData, score } from './detection-score.ts';

const { values } = parseArgs({
  options: {
    tier: { type: 'string', default: 'core' },
    show: { type: 'string', default: '' },
    suite: { type: 'string', default: '' },
    entity: { type: 'string', default: '' },
  },
});

if (!hasDevelopmentData()) {
  console.log('The labelled texts are not here; nothing to score.');
  process.exit(0);
}

const detector = createDetector({ tier: values.tier === 'extended' ? 'extended' : 'core' });
const percent = (part: number, whole: number): string => (whole === 0 ? '-' : `${((100 * part) / whole).toFixed(1)} %`);
const rows = score(detector, readDevelopmentData())
  .filter(({ suite, entity, tier }) => {
    const wanted = values.tier === 'extended' ? tier !== 'core' : tier === 'core' || tier === 'context';
    return wanted && suite.includes(values.suite) && entity.includes(values.entity);
  })
  .sort((a, b) => a.suite.localeCompare(b.suite) || a.entity.localeCompare(b.entity));

console.table(
  rows.map(({ suite, entity, tier, found, labelled, covered, characters, falsePositives, negatives }) => ({
    suite,
    entity,
    tier,
    found: labelled === 0 ? '-' : `${found}/${labelled}`,
    recall: percent(found, labelled),
    precision: percent(found, found + falsePositives),
    coverage: percent(covered, characters),
    'false positives': negatives === 0 ? '-' : `${falsePositives}/${negatives} (${percent(falsePositives, negatives)})`,
  })),
);
for (const { suite, entity, missed, wrong } of rows) {
  const texts = values.show === 'missed' ? missed : values.show === 'wrong' ? wrong : [];
  for (const text of texts) console.log(`${suite} ${entity}: ${text.replaceAll('\n', '\\n').slice(-400)}`);
}
