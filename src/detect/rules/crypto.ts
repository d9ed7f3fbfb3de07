import { digitRun } from '../anchors.ts';
import type { Rule } from '../rule.ts';
import { ethereumAddressKind, isBase58Address, isSegwitAddress } from '../validators/wallet.ts';

export const cryptoRules: readonly Rule[] = [
  {
    id: 'bitcoin-address',
    entity: 'CRYPTO',
    tier: 'core',
    anchors: [digitRun],
    pattern: /[123][1-9A-HJ-NP-Za-km-z]{25,34}/,
    maxLength: 36,
    notBefore: /[A-Za-z0-9_/+=-]/,
    notAfter: /[A-Za-z0-9_]/,
    check: ({ value }) => (isBase58Address(value) ? 'proven' : 'wrong'),
    score: 0.5,
    source: 'https://en.bitcoin.it/wiki/Base58Check_encoding',
    examples: {
      positive: ['3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy', '1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2'],
      negative: ['3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLI', '1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN3'],
    },
  },
  {
    id: 'bitcoin-segwit-address',
    entity: 'CRYPTO',
    tier: 'core',
    pattern: /(?:bc|tb)1[02-9ac-hj-np-z]{11,71}/i,
    maxLength: 76,
    notBefore: /[A-Za-z0-9_]/,
    notAfter: /[A-Za-z0-9_]/,
    check: ({ value }) => (isSegwitAddress(value) ? 'proven' : 'wrong'),
    score: 0.5,
    source: 'https://github.com/bitcoin/bips/blob/master/bip-0350.mediawiki',
    examples: {
      positive: [
        'bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq',
        'tb1pzpelffrdh9ptpaqnurwx30dlewqv57rcxfeetp86hsssk30p4cws38tr9y',
      ],
      negative: ['bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdp', 'bc1'],
    },
  },
  {
    id: 'ethereum-address',
    entity: 'CRYPTO',
    tier: 'core',
    pattern: /0x[0-9A-Fa-f]{40}/,
    anchors: [digitRun],
    maxLength: 42,
    notBefore: /[A-Za-z0-9_]/,
    notAfter: /[A-Za-z0-9_]/,
    check: ({ value }) => ethereumAddressKind(value),
    score: 0.5,
    source: 'https://eips.ethereum.org/EIPS/eip-55',
    examples: {
      positive: ['0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed', '0x0000000000000000000000000000000000000001'],
      negative: ['0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD', '0xdeadbeef'],
    },
  },
];
