import type { JsonValue } from '../lib/json.ts';

/** What an answer says about itself, whatever its dialect: facts for the record, never decided upon. */
export interface AnswerFacts {
  /** The model that answered, as it names itself; null: it does not say. */
  readonly model: string | null;
  /** Tokens as the provider counted them; null: it does not say. */
  readonly tokensIn: number | null;
  readonly tokensOut: number | null;
  /** Why it ended: `stop`, `end_turn`, `length`, `tool_calls`, … in the provider's words. */
  readonly finish: readonly string[];
}

export interface AnswerWatch {
  /** The next bytes of the answer, decoded. Takes constant time; keeps the buffer for a while. */
  push(bytes: Buffer): void;
  facts(): AnswerFacts;
}

const headBytesMax = 16_384;
const tailBytesMax = 65_536;
const finishesMax = 8;
const charsMax = 256;

/**
 * Watches an answer flow by. Every provider says the model at the beginning and usage and reason at the end, so only these two
 * windows are kept and read once, when the answer is over: no event is parsed for it. A member's name stands in JSON source between
 * plain quotes and before a colon; inside a text its quotes are escaped, so a model cannot speak for its provider.
 */
export function createAnswerWatch(): AnswerWatch {
  const head: Buffer[] = [];
  let headBytes = 0;
  let tail: Buffer[] = [];
  let tailBytes = 0;
  return {
    push: (bytes) => {
      if (bytes.length === 0) return;
      if (headBytes < headBytesMax) {
        head.push(bytes);
        headBytes += bytes.length;
      }
      tail.push(bytes);
      tailBytes += bytes.length;
      if (tail.length < 2 || tailBytes < 2 * tailBytesMax) return;
      tail = [Buffer.concat(tail).subarray(-tailBytesMax)];
      tailBytes = tailBytesMax;
    },
    facts: () => read(textOf(head).slice(0, headBytesMax), textOf(tail).slice(-tailBytesMax)),
  };
}

function textOf(pieces: readonly Buffer[]): string {
  // Byte by byte: frames of a binary stream stand between the JSON, and only names, numbers and ASCII words are looked for.
  return Buffer.concat(pieces).toString('latin1');
}

function read(head: string, tail: string): AnswerFacts {
  const [model] = stringsOf(/"(?:model|modelVersion|model_id|modelId)"\s*:\s*("(?:[^"\\]|\\.){1,256}")/g, head);
  const finish = stringsOf(
    /"(?:finish_reason|stop_reason|finishReason|stopReason|done_reason)"\s*:\s*("(?:[^"\\]|\\.){1,256}")/g,
    tail,
  );
  return {
    model: model ?? null,
    tokensIn: lastNumber(
      /"(?:prompt_tokens|input_tokens|promptTokenCount|inputTokens|prompt_eval_count)"\s*:\s*(\d{1,12})\b/g,
      head,
      tail,
    ),
    tokensOut: lastNumber(
      /"(?:completion_tokens|output_tokens|candidatesTokenCount|outputTokens|eval_count)"\s*:\s*(\d{1,12})\b/g,
      head,
      tail,
    ),
    finish: [...new Set(finish)].slice(0, finishesMax),
  };
}

/** Counts are cumulative where they come more than once: the last one counts. */
function lastNumber(pattern: RegExp, head: string, tail: string): number | null {
  const found = [...tail.matchAll(pattern)].at(-1) ?? [...head.matchAll(pattern)].at(-1);
  return found === undefined ? null : Number(found[1]);
}

function stringsOf(pattern: RegExp, source: string): string[] {
  return [...source.matchAll(pattern)].flatMap(([, quoted = '']) => {
    try {
      const value: JsonValue = JSON.parse(quoted);
      return typeof value === 'string' ? [value.slice(0, charsMax).toWellFormed()] : [];
    } catch {
      return [];
    }
  });
}
