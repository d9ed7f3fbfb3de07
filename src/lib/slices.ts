/**
 * Work that may be long, done step by step: it yields wherever something else may have a turn, and returns its result. The same steps run
 * whoever drives them, so that a large input gives what a small one gives. Nothing happens until it is driven, and it MUST be driven once.
 */
export type Sliced<T> = Generator<void, T, void>;

/** All of it now: for what is small, and for commands that serve nobody beside. */
export function atOnce<T>(work: Sliced<T>): T {
  for (;;) {
    const step = work.next();
    if (step.done === true) return step.value;
  }
}

/**
 * Gives way to the event loop wherever the work yields. What yields nowhere is done when this returns, and its result is no promise: small
 * inputs wait for nothing.
 */
export function inSlices<T>(work: Sliced<T>): T | Promise<T> {
  const first = work.next();
  return first.done === true ? first.value : drive(work);
}

async function drive<T>(work: Sliced<T>): Promise<T> {
  for (;;) {
    await new Promise((resolve) => setImmediate(resolve));
    const step = work.next();
    if (step.done === true) return step.value;
  }
}
