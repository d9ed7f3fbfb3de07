import type { CompiledRule } from './program.ts';
import { contextBoost, contextCharsMax, scoreMin } from './rule.ts';

/**
 * Score of a match at `start` before its check, or -1 when it stays below `scoreMin`. Presidio's model: the rule's own
 * score, and a fixed boost when one of its words stands near. Only words to the left count, so that a stream scores as
 * the whole text does.
 */
export function scoreOf(rule: CompiledRule, text: string, start: number, followed: boolean): number {
  const { context } = rule;
  const { score } = rule.rule;
  if (!context) return score >= scoreMin || followed ? score : -1;
  const boosted = followed || hasContext(context, text, start);
  const total = boosted ? Math.min(1, Math.max(scoreMin, score + contextBoost)) : score;
  return total >= scoreMin ? total : -1;
}

function hasContext(words: ReadonlySet<string>, text: string, start: number): boolean {
  const from = Math.max(0, start - contextCharsMax);
  for (const word of wordsOf(text.slice(from, start))) if (words.has(word)) return true;
  return false;
}

/** Words of a text in lower case, cut at every change of case or kind: `cardNumber`, `card_number` and `card-no` all say card. */
export function wordsOf(text: string): readonly string[] {
  const cut = text.replace(/([a-z])([A-Z])/g, '$1 $2').toLowerCase();
  return cut.match(/[a-z]+|[^\x00-\x7f]+/g) ?? [];
}
