import type { Hint, Listener } from './store.ts';

/** Hands hints to whoever listens in this process. A listener must not throw and must not block. */
export interface Hints {
  subscribe(listener: Listener): () => void;
  tell(hint: Hint): void;
}

export function createHints(): Hints {
  const listeners = new Set<Listener>();
  return {
    subscribe: (listener) => {
      // A wrapper of its own, so that one function may listen twice and leave once.
      const own: Listener = (hint) => listener(hint);
      listeners.add(own);
      return () => {
        listeners.delete(own);
      };
    },
    tell: (hint) => {
      for (const listener of [...listeners]) listener(hint);
    },
  };
}
