/** Where callers put their identity token. */
export interface TokenHeader {
  /** Lower-case name. Often not `authorization`: that one carries the provider's key. */
  readonly header: string;
  /** `Bearer`, or null when the header holds the bare token. */
  readonly scheme: string | null;
}

/**
 * The token as it stands in the header; null when there is none. A header with another scheme holds no identity token
 * (`Authorization: Basic …` is for the upstream). Schemes are compared without case, RFC 9110 section 11.1.
 */
export function tokenFromHeaders(headers: ReadonlyMap<string, string>, where: TokenHeader): string | null {
  const value = headers.get(where.header)?.trim();
  if (value === undefined || value === '') return null;
  if (where.scheme === null) return value;
  const scheme = value.slice(0, where.scheme.length);
  if (scheme.toLowerCase() !== where.scheme.toLowerCase()) return null;
  const rest = value.slice(where.scheme.length);
  return rest.startsWith(' ') ? rest.trim() : null;
}
