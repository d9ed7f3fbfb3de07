import { setMaxListeners } from 'node:events';
import { createDeadline } from '../lib/deadline.ts';
import { sha256Hex } from '../lib/hash.ts';
import { limits } from '../lib/limits.ts';
import type { Finding } from './finding.ts';

/**
 * A recogniser outside of this process, for what needs a model: names, places. Never throws: what it could not do is a value, and the
 * caller's fail mode says what comes of it.
 */
export interface ExternalRecogniser {
  /** Names what it can report; findings of other entities are left out. */
  readonly entities: ReadonlySet<string>;
  recognise(texts: readonly string[], signal: AbortSignal): Promise<Recognised>;
}

export type Recognised =
  /** `findings[i]` of text `i`: sorted, without overlaps. */
  | { readonly kind: 'found'; readonly findings: readonly (readonly Finding[])[] }
  /** The texts are more than it may be asked about: another try would be no better. */
  | { readonly kind: 'too_much'; readonly reason: string }
  /** It is away, late or answers what it should not. The reason is for operators; it holds nothing of the texts. */
  | { readonly kind: 'failed'; readonly reason: string };

/** One call to the outside. Throws whatever goes wrong; gives up when the signal says so. */
export type Analyse = (text: string, signal: AbortSignal) => Promise<readonly Finding[]>;

export interface RecogniserOptions {
  readonly entities: readonly string[];
  /** For all texts of one exchange, the wait for a turn included, milliseconds. */
  readonly timeoutMs: number;
  /** Calls of this process at one time. */
  readonly concurrency: number;
  /** UTF-16 code units of all texts of one exchange that are not known yet; more is a failure. */
  readonly charactersMax: number;
}

/**
 * Calls with a deadline, few at a time, and never twice for the same text while it is remembered: a conversation comes whole with each
 * turn, and only its end is new. What is remembered is where findings stand, by the text's digest.
 */
export function createExternalRecogniser(analyse: Analyse, options: RecogniserOptions): ExternalRecogniser {
  const turns = createTurns(options.concurrency);
  const remembered = new Map<string, readonly Finding[]>();
  const entities = new Set(options.entities);

  function remember(digest: string, findings: readonly Finding[]): void {
    remembered.delete(digest);
    remembered.set(digest, findings);
    const [oldest] = remembered.keys();
    if (remembered.size > limits.recognisedTextsMax && oldest !== undefined) remembered.delete(oldest);
  }

  async function analyseInTurn(text: string, signal: AbortSignal, giveUp: () => void): Promise<readonly Finding[]> {
    const done = await turns.take(signal);
    try {
      signal.throwIfAborted();
      return withoutOverlaps((await analyse(text, signal)).filter(({ entity }) => entities.has(entity)));
    } catch (thrown) {
      // Nobody waits for the exchange's other texts any more: none of them takes the turn that comes free.
      giveUp();
      throw thrown;
    } finally {
      done();
    }
  }

  return {
    entities,
    recognise: async (texts, caller) => {
      const digests = texts.map((text) => sha256Hex(text));
      const unknown = new Map<string, string>();
      for (const [index, text] of texts.entries()) {
        const digest = digests[index] ?? '';
        const known = remembered.get(digest);
        if (known === undefined) unknown.set(digest, text);
        else remember(digest, known);
      }
      let characters = 0;
      for (const text of unknown.values()) characters += text.length;
      if (characters > options.charactersMax) {
        return { kind: 'too_much', reason: `more than ${options.charactersMax} characters` };
      }
      const found = new Map<string, readonly Finding[]>();
      const deadline = createDeadline(caller, options.timeoutMs);
      const { signal } = deadline;
      // Each text that waits listens, and so does each call: as many as there are texts is no leak.
      setMaxListeners(0, signal);
      try {
        await Promise.all(
          [...unknown].map(async ([digest, text]) => {
            const findings = await analyseInTurn(text, signal, deadline.abort);
            found.set(digest, findings);
            remember(digest, findings);
          }),
        );
      } catch (thrown) {
        const isLate = signal.aborted && signal.reason instanceof DOMException && signal.reason.name === 'TimeoutError';
        return { kind: 'failed', reason: isLate ? `no answer within ${options.timeoutMs} ms` : reasonOf(thrown) };
      } finally {
        deadline.clear();
      }
      return { kind: 'found', findings: digests.map((digest) => found.get(digest) ?? remembered.get(digest) ?? []) };
    },
  };
}

function reasonOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : 'failed';
}

/** The surer, then the longer, then the earlier of what overlaps. */
export function withoutOverlaps(findings: readonly Finding[]): readonly Finding[] {
  const best = [...findings].sort(
    (a, b) => b.score - a.score || b.end - b.start - (a.end - a.start) || a.start - b.start,
  );
  const kept: Finding[] = [];
  for (const finding of best) {
    if (!kept.some((other) => finding.start < other.end && other.start < finding.end)) kept.push(finding);
  }
  return kept.sort((a, b) => a.start - b.start);
}

interface Turns {
  /** Waits for a turn; call what it resolves to when done. Rejects when the signal says so, or when too many wait. */
  take(signal: AbortSignal): Promise<() => void>;
}

function createTurns(concurrency: number): Turns {
  let running = 0;
  const waiting = new Set<() => void>();

  function done(): void {
    const [next] = waiting;
    if (next === undefined) {
      running -= 1;
      return;
    }
    waiting.delete(next);
    next();
  }

  return {
    take: (signal) => {
      if (running < concurrency) {
        running += 1;
        return Promise.resolve(done);
      }
      if (waiting.size >= limits.recogniserWaitersMax) return Promise.reject(new Error('too many texts wait'));
      return new Promise((resolve, reject) => {
        const start = (): void => {
          signal.removeEventListener('abort', giveUp);
          resolve(done);
        };
        const giveUp = (): void => {
          waiting.delete(start);
          reject(new Error('gave up'));
        };
        waiting.add(start);
        signal.addEventListener('abort', giveUp, { once: true });
        if (signal.aborted) giveUp();
      });
    },
  };
}
