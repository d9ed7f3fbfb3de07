import { InvalidArgumentError } from 'commander';

/** Reads a score, 0 to 1. */
export function score(text: string): number {
  const value = Number(text);
  if (text.trim() === '' || !(value >= 0 && value <= 1)) throw new InvalidArgumentError('It is a number from 0 to 1.');
  return value;
}

/** Larger texts than this do not fit the memory that a command may take. */
const byteCountMax = 268_435_456;

/** Reads a size in bytes. */
export function byteCount(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1 || value > byteCountMax) {
    throw new InvalidArgumentError(`It is a whole number of bytes, at most ${byteCountMax}.`);
  }
  return value;
}
