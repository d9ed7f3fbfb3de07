/** An object, as JSON; null: none. */
export function parse(bytes: Buffer): object | null {
  try {
    const value: unknown = JSON.parse(bytes.toString());
    return typeof value === 'object' ? value : null;
  } catch {
    return null;
  }
}

/** A member of something that should be an object. */
export function member(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}
