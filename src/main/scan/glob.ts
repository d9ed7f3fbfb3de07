/**
 * Whether a path, with `/` between its names, fits one of the patterns. `*` and `?` stay within a name, `**` does not. A pattern
 * without `/` is about names: it fits a file or folder of that name anywhere.
 */
export function globMatcher(patterns: readonly string[]): (path: string) => boolean {
  const named = patterns.filter((pattern) => !trimmed(pattern).includes('/')).map((pattern) => expression(pattern));
  const placed = patterns.filter((pattern) => trimmed(pattern).includes('/')).map((pattern) => expression(pattern));
  return (path) => {
    const name = path.slice(path.lastIndexOf('/') + 1);
    return named.some((pattern) => pattern.test(name)) || placed.some((pattern) => pattern.test(path));
  };
}

/** `/build/` and `build/` mean what `build` means. */
function trimmed(pattern: string): string {
  return pattern.replace(/^\.?\//, '').replace(/\/+$/, '');
}

function expression(pattern: string): RegExp {
  const source = trimmed(pattern).replace(/\*\*\/|\*+|[?]|[\\^$.|+()[\]{}]/g, (part) => {
    if (part === '**/') return '(?:.*/)?';
    if (part === '*') return '[^/]*';
    if (part === '?') return '[^/]';
    return part.startsWith('*') ? '.*' : `\\${part}`;
  });
  return new RegExp(`^${source}$`, 'su');
}
