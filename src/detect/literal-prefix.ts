import { invariant } from '../lib/invariant.ts';
import { type PatternNode, parsePattern } from './pattern-syntax.ts';

const prefixesMax = 128;
/** Shorter anchors begin more attempts that end at once; longer ones would find hardly less. */
const prefixCharsMax = 8;

/** The literals that every match of the pattern begins with one of; lower case. */
export function literalPrefixes(pattern: RegExp): readonly string[] {
  const prefixes = prefixesOf(parsePattern(pattern)).map(({ text }) => text);
  invariant(
    prefixes.every((prefix) => prefix.length > 0),
    `${pattern} does not begin with a literal: the rule must name its anchors`,
  );
  return [...new Set(prefixes)].filter(
    (prefix) => !prefixes.some((other) => other !== prefix && prefix.startsWith(other)),
  );
}

interface Prefix {
  readonly text: string;
  /** Whether the prefix covers the whole node, so that what follows can be added to it. */
  readonly whole: boolean;
}

/** Patterns ignore the case of ASCII letters only, and so do anchors. */
function lowerAscii(unit: number): string {
  return String.fromCharCode(unit >= 0x41 && unit <= 0x5a ? unit + 32 : unit);
}

function prefixesOf(node: PatternNode): readonly Prefix[] {
  switch (node.kind) {
    case 'set': {
      const units = node.set.flatMap(([low, high]) =>
        high - low > 8 ? [] : Array.from({ length: high - low + 1 }, (_, i) => low + i),
      );
      const size = node.set.reduce((sum, [low, high]) => sum + high - low + 1, 0);
      const chars = [...new Set(units.map(lowerAscii))];
      const usable =
        size === units.length &&
        (chars.length === 1 || (chars.length <= 8 && !chars.some((char) => /[0-9\s]/.test(char))));
      return usable ? chars.map((text) => ({ text, whole: true })) : [{ text: '', whole: false }];
    }
    case 'choice':
      return node.items.flatMap(prefixesOf);
    case 'repeat': {
      if (node.min === 0) return [{ text: '', whole: true }, ...prefixesOf(node.item)];
      const once = prefixesOf(node.item);
      return node.min === 1 && node.max === 1 ? once : once.map(({ text }) => ({ text, whole: false }));
    }
    case 'sequence': {
      let grown: readonly Prefix[] = [{ text: '', whole: true }];
      for (const item of node.items) {
        if (grown.every(({ whole, text }) => !whole || text.length >= prefixCharsMax)) break;
        const tails = prefixesOf(item);
        const next = grown.flatMap((prefix) =>
          prefix.whole && prefix.text.length < prefixCharsMax
            ? tails.map((tail) => ({ text: prefix.text + tail.text, whole: tail.whole }))
            : [prefix],
        );
        if (next.length > prefixesMax) break;
        grown = next;
      }
      return grown;
    }
  }
}
