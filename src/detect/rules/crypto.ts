import { digitRun } from '../anchors.ts';
import type { Rule } from '../rule.ts';
import { entropy } from '../validators/entropy.ts';
import { ethereumAddressKind, isBase58Address, isBech32, isSegwitAddress } from '../validators/wallet.ts';
import { sample } from './sample.ts';

const solana = sample(['base62', 44]).replace(/[0OIl]/g, 'x');

export const cryptoRules: readonly Rule[] = [
  {
    id: 'bitcoin-address',
    verifies: 'Base58Check',
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
    verifies: 'Bech32 or Bech32m',
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
    verifies: 'EIP-55, where letters have both cases',
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
  {
    id: 'bech32-address',
    verifies: 'Bech32 or Bech32m',
    entity: 'CRYPTO',
    tier: 'extended',
    pattern: /(?:ltc|addr|stake|cosmos|osmo|bnb|inj|celestia)1[02-9ac-hj-np-z]{38,110}/,
    maxLength: 120,
    notBefore: /[A-Za-z0-9_]/,
    notAfter: /[A-Za-z0-9_]/,
    check: ({ value }) => (isBech32(value) ? 'proven' : 'wrong'),
    score: 0.5,
    source: 'https://github.com/bitcoin/bips/blob/master/bip-0173.mediawiki',
    examples: {
      positive: ['ltc1qr23clxd5mzfsh79vn6pg0kaytjeq8w4uac63a7', 'cosmos1r23clxd5mzfsh79vn6pg0kaytjeq8w4u0777pr'],
      negative: ['ltc1qr23clxd5mzfsh79vn6pg0kaytjeq8w4uac63a9', 'addr1'],
    },
  },
  {
    id: 'monero-address',
    entity: 'CRYPTO',
    tier: 'extended',
    anchors: [digitRun],
    pattern: /[48][0-9AB][1-9A-HJ-NP-Za-km-z]{93}/,
    maxLength: 95,
    notBefore: /[A-Za-z0-9_/+=-]/,
    notAfter: /[A-Za-z0-9_]/,
    score: 0.8,
    source: 'https://docs.getmonero.org/public-address/standard-address/',
    examples: {
      positive: [sample('4A', ['base62', 93]).replace(/[0OIl]/g, 'x')],
      negative: [sample('4A', ['base62', 60]).replace(/[0OIl]/g, 'x')],
    },
  },
  {
    id: 'announced-wallet-address',
    verifies: 'Base58Check or entropy',
    entity: 'CRYPTO',
    tier: 'extended',
    lead: /(?:litecoin|ltc|dogecoin|doge|tron|trx|trc-?20|solana|ripple|xrp|wallet)(?: ?(?:wallet|address|addr|account))*["'`]?[ \t]*(?:[:=]|is)?[ \t]*["'`]?/i,
    pattern: /[1-9A-HJ-NP-Za-km-z]{25,44}/,
    maxLength: 44,
    notBefore: /[A-Za-z]/,
    notAfter: /[A-Za-z0-9_]/,
    check: (match) =>
      isBase58Address(match.value)
        ? 'proven'
        : match.value.length >= 32 && /\d/.test(match.value) && entropy(match) > 4
          ? 'plausible'
          : 'wrong',
    score: 0.6,
    source: 'https://en.bitcoin.it/wiki/Base58Check_encoding',
    examples: {
      positive: [
        { text: `Solana address: ${solana}`, value: solana },
        { text: `send it to my TRON wallet ${solana.slice(0, 34)}`, value: solana.slice(0, 34) },
      ],
      negative: ['wallet configuration', `commit ${solana}`],
    },
  },
];
