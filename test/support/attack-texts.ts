import type { Rule } from '../../src/detect/rule.ts';

/**
 * Beginnings of matches, to be written over and over: what makes a rule try again and again. From its anchors, and from the first half
 * of its first example, alone and with a blank.
 */
export function attacksOn(rule: Rule): readonly string[] {
  const anchors = (rule.anchors ?? []).map((anchor) => (typeof anchor === 'string' ? anchor : '1'));
  const [example = ''] = rule.examples.positive.map((each) => (typeof each === 'string' ? each : each.value));
  const half = example.slice(0, Math.ceil(example.length / 2));
  return [...new Set([...anchors, half, `${half} `])].filter((text) => text.trim() !== '');
}
