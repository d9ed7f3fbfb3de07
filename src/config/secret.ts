/**
 * A value that must not be shown. It lives in a closure: printing, logging or serialising the object that carries it yields
 * nothing, and whoever needs the value has to say so.
 */
export interface Secret<T = string> {
  reveal(): T;
}

export function createSecret<T>(value: T): Secret<T> {
  return { reveal: () => value };
}
