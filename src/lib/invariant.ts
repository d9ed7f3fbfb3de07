/** Throws when a condition that must always hold does not. The message says why it must hold. */
export function invariant(condition: unknown, why: string): asserts condition {
  if (!condition) throw new Error(`broken invariant: ${why}`);
}

/** Ends every `switch` over a closed union: reaching it at run time is a bug, at compile time a type error. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`);
}
