/**
 * True of a SPIFFE id of a workload: `spiffe://` trust domain and a path (SPIFFE-ID sections 2.1 to 2.4). An id without a
 * path names a trust domain, not a workload.
 */
export function isSpiffeId(text: string): boolean {
  if (text.length > 2048) return false;
  const parts = /^spiffe:\/\/([a-z0-9._-]{1,255})((?:\/[A-Za-z0-9._-]+)+)$/.exec(text);
  return parts !== null && !(parts[2] ?? '').split('/').some((segment) => segment === '.' || segment === '..');
}
