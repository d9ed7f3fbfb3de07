/** The path without query, repeated and trailing slashes: what dialects match on. */
export function routePath(path: string): string {
  const query = path.search(/[?#]/);
  const bare = (query < 0 ? path : path.slice(0, query)).replace(/\/{2,}/g, '/');
  return bare.length > 1 && bare.endsWith('/') ? bare.slice(0, -1) : bare;
}
