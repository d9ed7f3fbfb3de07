import { readdirSync, readFileSync } from 'node:fs';

/** Numbers below a bound, the same for the same seed (mulberry32). */
export type Random = (below: number) => number;

export function randomOf(seed: number): Random {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % Math.max(below, 1);
  };
}

/** The files of test/corpus/<parser>. */
export function corpusOf(parser: string): readonly Buffer[] {
  const folder = new URL(`../corpus/${parser}/`, import.meta.url);
  return readdirSync(folder)
    .sort()
    .map((file) => readFileSync(new URL(file, folder)));
}

/**
 * One to four changes of a file of the corpus: a flipped bit, a byte of another value, a token of the dictionary, a part that is lost, said
 * twice or taken from another file, an end that is missing.
 */
export function mutate(corpus: readonly Buffer[], dictionary: readonly string[], random: Random): Buffer {
  const pick = <T>(from: readonly T[]): T | undefined => from[random(from.length)];
  let bytes = Buffer.from(pick(corpus) ?? Buffer.alloc(0));
  for (let changes = 1 + random(4); changes > 0; changes--) {
    const at = random(bytes.length + 1);
    const to = at + random(Math.min(bytes.length - at, 64) + 1);
    const other = pick(corpus) ?? Buffer.alloc(0);
    const from = random(other.length + 1);
    switch (random(7)) {
      case 0:
        if (at < bytes.length) bytes[at] = (bytes[at] ?? 0) ^ (1 << random(8));
        break;
      case 1:
        if (at < bytes.length) bytes[at] = pick([0, 1, 0x0a, 0x0d, 0x22, 0x5c, 0x7f, 0x80, 0xff, random(256)]) ?? 0;
        break;
      case 2:
        bytes = joined(bytes.subarray(0, at), Buffer.from(pick(dictionary) ?? ''), bytes.subarray(at));
        break;
      case 3:
        bytes = joined(bytes.subarray(0, at), bytes.subarray(to));
        break;
      case 4:
        bytes = joined(bytes.subarray(0, to), bytes.subarray(at));
        break;
      case 5:
        bytes = joined(bytes.subarray(0, at), other.subarray(from));
        break;
      default:
        bytes = joined(bytes.subarray(0, at));
    }
  }
  return bytes;
}

function joined(...parts: readonly Buffer[]): Buffer<ArrayBuffer> {
  return Buffer.concat(parts);
}

/** The bytes cut into up to twelve pieces, or each byte alone. */
export function piecesOf(bytes: Buffer, random: Random): Buffer[] {
  if (bytes.length < 2_000 && random(4) === 0) return Array.from(bytes, (_, i) => bytes.subarray(i, i + 1));
  const marks = Array.from({ length: random(12) }, () => random(bytes.length + 1)).sort((a, b) => a - b);
  return [0, ...marks].map((from, i) => bytes.subarray(from, marks[i] ?? bytes.length));
}

/**
 * Holds `invariant` for mutations of a corpus: so many in the tests, the same each time, and as many as fit into a second in `npm run fuzz`, with
 * another seed each round. What it throws comes with the input, to make a case of.
 */
export function fuzz(
  corpus: readonly Buffer[],
  dictionary: readonly string[],
  runs: number,
  invariant: (bytes: Buffer, random: Random) => void,
): void {
  const given = process.env['COUNTERSIGN_SEED'];
  const random = randomOf(Number(given ?? 1));
  const endMs = performance.now() + 1_000;
  for (let run = 0; given === undefined ? run < runs : performance.now() < endMs; run++) {
    const bytes = run < corpus.length ? (corpus[run] ?? Buffer.alloc(0)) : mutate(corpus, dictionary, random);
    const begun = process.cpuUsage();
    try {
      invariant(bytes, random);
    } catch (thrown) {
      throw new Error(`run ${run}, on ${JSON.stringify(bytes.toString('base64'))}`, { cause: thrown });
    }
    // Of the processor: a busy machine is no slow parser. Linear in what are a few KB: only what has no bound takes so long.
    const took = process.cpuUsage(begun).user / 1_000;
    if (took > slowMs) throw new Error(`run ${run} took ${took} ms, on ${JSON.stringify(bytes.toString('base64'))}`);
  }
}

const slowMs = 5_000;
