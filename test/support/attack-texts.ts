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

/** Texts that a search (`test/bench/detect-attacks.ts`) found to cost more than those, or did until they were mended. */
export const knownAttacks: readonly string[] = [
  ...['0012.34  ', '12/27 ', '04/2029 ', 'card 4111 1111 1111 1111 exp 12/27 ', 'pay with 4111 1111 1111 1111 12/27 '],
  ...['pw: hunter22x\n', 'alibaba_secret=short', '\ube44\ubc00\ubc88\ud638(Qrl23Db#@)', '\u5bc6\u7801\uff1aQrl23Db#@'],
  ...['0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed ', '1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2\n'],
  ...['bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdp ', '(415) 555-0132 ', '+44 (0)20 7946 0958 ', '+1 (415) 555-2671\n'],
  ...['.PW\ub294r', '\ube44\ubc00\ubc88\ud638(', ':"dis4b1d_secret":', '"~db427k_secret', 'KEY=4'],
  ...['\u5bc6\u7801\uff1a', ':pw', 'PASS=secret44_', 'pass:', '))220 (00', 'lKEY=KEY=KEY=X0', '!<pass>', 'b>PASS='],
  ...[
    '002 (',
    '0012.34  4  ',
    'o00 d',
    ':3*01:',
    '009-.',
    '0039-.',
    '-76\u0422\u0435\u043b\u0435\u0444\u043e\u043d8 (912) 348-77',
  ],
  ...['pass=aB1x9_4111111111111111_', 'pass=aB1x9_secret=k8Jq2Z_', 'pass=aB1x9_secret=k8Jq2Z_4111111111111111_'],
  ...['442secret"d', 'sasecret1a4""', 'sonar_se_secret070GOCSPX-788161617"'],
];
