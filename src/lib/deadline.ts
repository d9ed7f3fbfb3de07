/** A caller's signal with a time limit of its own. */
export interface Deadline {
  /** Aborted with the caller's reason, or with a DOMException `TimeoutError` when the time is over. */
  readonly signal: AbortSignal;
  /** Ends it early, for everybody who listens. */
  abort(reason?: unknown): void;
  /** Lets go of timer and caller; to be called when the work is done, however it ended. */
  clear(): void;
}

/**
 * Not `AbortSignal.any` with `AbortSignal.timeout`: Node 20 may collect such a pair while somebody waits for it, and then nothing is ever
 * aborted.
 */
export function createDeadline(caller: AbortSignal, timeoutMs: number): Deadline {
  const own = new AbortController();
  const follow = (): void => own.abort(caller.reason);
  const timer = setTimeout(() => own.abort(new DOMException('the time is over', 'TimeoutError')), timeoutMs);
  if (caller.aborted) follow();
  else caller.addEventListener('abort', follow, { once: true });
  return {
    signal: own.signal,
    abort: (reason) => own.abort(reason),
    clear: () => {
      clearTimeout(timer);
      caller.removeEventListener('abort', follow);
    },
  };
}
