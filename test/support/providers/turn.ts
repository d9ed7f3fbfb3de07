import { leakedKey } from '../../../src/main/demo/model.ts';

/** What a scripted provider is to say, whatever its dialect. Every value in it is cut across pieces. */
export interface Turn {
  /** `words`: it says something. `tool`: it calls `lookup`, `pieces` are its arguments as JSON. `broken`: then comes what is no event. */
  readonly kind: 'words' | 'tool' | 'broken';
  readonly whole: string;
  readonly pieces: readonly string[];
}

/** Prompts that have an answer of their own; any other is repeated from `my card is` on. */
export const prompts = {
  leak: 'What is the access key of the build account?',
  tool: 'Please look it up.',
  break: 'Begin, then break off.',
} as const;

/** What `turnOf` answers: one text a prompt. */
export const said = {
  leak: (key: string): string => `Sure. Use ${key} to log in, then carry on.`,
  tool: (key: string): { readonly note: string } => ({ note: `say "${key}"\nto the gate` }),
  /** The beginning of a secret stands at its end: it is held back when the stream breaks. */
  break: `One moment, it begins with ${leakedKey.slice(0, 12)}`,
} as const;

/** Told by words in the body that the provider got. */
export function turnOf(body: Buffer): Turn {
  const asked = body.toString('utf8');
  if (asked.includes(prompts.tool)) return turn('tool', JSON.stringify(said.tool(leakedKey)));
  if (asked.includes(prompts.break)) return turn('broken', said.break);
  if (asked.includes(prompts.leak)) return turn('words', said.leak(leakedKey));
  return turn('words', `You said: ${/my card is [^"\\]*/.exec(asked)?.[0] ?? 'nothing'}`);
}

function turn(kind: Turn['kind'], whole: string): Turn {
  return { kind, whole, pieces: whole.match(kind === 'broken' ? /.{1,16}/g : /[\s\S]{1,5}/g) ?? [] };
}

/** Long enough apart that what is good is on its way when the stream breaks. */
export function pauseOf({ kind }: Turn): { readonly pauseMs?: number } {
  return kind === 'broken' ? { pauseMs: 30 } : {};
}
