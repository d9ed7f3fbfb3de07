import { jsonValueOf } from '../lib/json.ts';

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
    facts: () => {
      // A short answer is both of its windows at once.
      if (headBytes === tailBytes && headBytes <= headBytesMax) {
        const all = membersOf(textOf(head));
        return factsOf(all, all);
      }
      return factsOf(membersOf(textOf(head).slice(0, headBytesMax)), membersOf(textOf(tail).slice(-tailBytesMax)));
    },
  };
}

function textOf(pieces: readonly Buffer[]): string {
  // Byte by byte: frames of a binary stream stand between the JSON, and only names, numbers and ASCII words are looked for.
  return Buffer.concat(pieces).toString('latin1');
}

/** Members that say something about the answer, in all dialects. */
const names = {
  model: ['model', 'modelVersion', 'model_id', 'modelId'],
  finish: ['finish_reason', 'stop_reason', 'finishReason', 'stopReason', 'done_reason'],
  in: ['prompt_tokens', 'input_tokens', 'promptTokenCount', 'inputTokens', 'prompt_eval_count'],
  out: ['completion_tokens', 'output_tokens', 'candidatesTokenCount', 'outputTokens', 'eval_count'],
} as const;
/** By name, what it says. */
const saying: ReadonlyMap<string, string> = new Map(
  Object.entries(names).flatMap(([what, each]) => each.map((name) => [name, what] as const)),
);

/** Such a member and its value, a string or an integer. */
const member = new RegExp(
  `"(${[...saying.keys()].join('|')})"\\s*:\\s*(?:("(?:[^"\\\\]|\\\\.){1,256}")|(\\d{1,12})\\b)`,
  'g',
);

/** What a window says, in order. */
interface Said {
  /** The first. */
  model: string | null;
  readonly finishes: (string | null)[];
  readonly tokensIn: number[];
  readonly tokensOut: number[];
}

function membersOf(window: string): Said {
  const said: Said = { model: null, finishes: [], tokensIn: [], tokensOut: [] };
  for (const [, name = '', text, digits] of window.matchAll(member)) {
    const what = saying.get(name);
    if (digits !== undefined) {
      if (what === 'in') said.tokensIn.push(Number(digits));
      if (what === 'out') said.tokensOut.push(Number(digits));
    } else if (what === 'model') said.model ??= stringOf(text);
    else if (what === 'finish') said.finishes.push(stringOf(text));
  }
  return said;
}

/** Counts are cumulative where they come more than once: the last one counts. */
function factsOf(head: Said, tail: Said): AnswerFacts {
  return {
    model: head.model,
    tokensIn: tail.tokensIn.at(-1) ?? head.tokensIn.at(-1) ?? null,
    tokensOut: tail.tokensOut.at(-1) ?? head.tokensOut.at(-1) ?? null,
    finish: [...new Set(tail.finishes.filter((reason) => reason !== null))].slice(0, finishesMax),
  };
}

/** Null when it is not as JSON has strings. */
function stringOf(quoted: string | undefined): string | null {
  const value = jsonValueOf(quoted ?? '');
  return typeof value === 'string' ? value.slice(0, charsMax).toWellFormed() : null;
}
