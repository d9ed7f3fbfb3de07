/** Where an exchange stands in a distributed trace: W3C Trace Context, `traceparent`. */
export interface TraceContext {
  /** 32 lower-case hex digits, not all zero. */
  readonly traceId: string;
  /** The caller's span: 16 lower-case hex digits, not all zero. */
  readonly parentId: string;
  readonly sampled: boolean;
}

/**
 * Reads `traceparent` (W3C Trace Context section 3.2). Null when absent or invalid: a request without a trace is a
 * request like any other. Versions above 00 are read by their first four fields, as section 4.3 asks; version ff is invalid.
 */
export function parseTraceparent(header: string | undefined): TraceContext | null {
  if (header === undefined || header.length > 512) return null;
  const parts = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/.exec(header.trim());
  if (parts === null) return null;
  const [, version = '', traceId = '', parentId = '', flags = '', rest] = parts;
  if (version === 'ff' || (version === '00' && rest !== undefined)) return null;
  if (/^0+$/.test(traceId) || /^0+$/.test(parentId)) return null;
  return { traceId, parentId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

/** Writes `traceparent` as version 00, for a call that we make ourselves. */
export function formatTraceparent({ traceId, parentId, sampled }: TraceContext): string {
  return `00-${traceId}-${parentId}-${sampled ? '01' : '00'}`;
}
