import { describe, expect, test } from 'vitest';
import { createDetector } from '../../../src/detect/detector.ts';
import { hasDevelopmentData, readDevelopmentData, type Score, score } from '../../eval/detection-score.ts';

/** The gates that the labelled development texts must pass; `npx tsx test/eval/detect.ts` shows the whole table. */
const gates = [
  { suite: 'presidio_research_docs', entity: 'CREDIT_CARD', recall: 0.98 },
  { suite: 'presidio_research_docs', entity: 'US_SSN', recall: 1 },
  { suite: 'presidio_research_docs', entity: 'EMAIL_ADDRESS', recall: 1 },
  { suite: 'presidio_research_docs', entity: 'PHONE_NUMBER', recall: 0.8 },
  { suite: 'presidio_research_docs', entity: 'IP_ADDRESS', recall: 1 },
  { suite: 'presidio_research_docs', entity: 'DOC (clean)', wrong: 0.003 },
  { suite: 'presidio_recognizers', entity: 'IBAN_CODE', recall: 1, wrong: 0 },
  { suite: 'gitleaks_rules', entity: 'SECRET', recall: 0.93, wrong: 0.12 },
  { suite: 'detect_secrets_tests', entity: 'SECRET', recall: 0.85, wrong: 0.05 },
  { suite: 'secretlint_snapshots', entity: 'SECRET', recall: 0.85 },
  { suite: 'credsweeper_prose', entity: 'PASSWORD', recall: 0.8, wrong: 0.12 },
  { suite: 'libphonenumber_examples', entity: 'PHONE_NUMBER', recall: 1 },
  { suite: 'validatorjs_values', entity: 'CREDIT_CARD', recall: 1, wrong: 0 },
  { suite: 'validatorjs_values', entity: 'IBAN_CODE', recall: 1 },
  { suite: 'validatorjs_values', entity: 'EMAIL_ADDRESS', recall: 0.92 },
  { suite: 'validatorjs_values', entity: 'PHONE_NUMBER', recall: 0.75 },
  { suite: 'validatorjs_values', entity: 'IP_ADDRESS', recall: 1 },
  { suite: 'validatorjs_negatives', entity: 'ANY', wrong: 2 / 273 },
];

/** The labelled texts are not part of the project: where they are absent, these gates cannot be judged. */
describe.runIf(hasDevelopmentData())('labelled development texts', () => {
  const scores = hasDevelopmentData() ? score(createDetector({ tier: 'core' }), readDevelopmentData()) : [];
  const ofGate = (suite: string, entity: string): Score | undefined =>
    scores.find((each) => each.suite === suite && each.entity === entity && each.tier === 'core');

  test.each(gates)('$suite $entity', ({ suite, entity, recall = 0, wrong = 1 }) => {
    const found = ofGate(suite, entity);
    const got = {
      recall: found && found.labelled > 0 ? found.found / found.labelled : 1,
      wrong: found && found.negatives > 0 ? found.falsePositives / found.negatives : 0,
    };
    expect(found).toBeDefined();
    expect({ ...got, passes: got.recall >= recall && got.wrong <= wrong }).toMatchObject({ passes: true });
  });
});
