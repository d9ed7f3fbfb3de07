import { limits } from '../lib/limits.ts';
import { isSpiffeId } from './spiffe.ts';

/**
 * The SPIFFE id in the last element of an `x-forwarded-client-cert` header: the peer that the nearest Envoy saw (with
 * APPEND_FORWARD earlier elements are what others claimed). Null when there is none, when the peer shows more than one
 * (X509-SVID section 2 allows exactly one URI), or when the header does not parse: half a header is nobody.
 */
export function workloadFromXfcc(header: string): string | null {
  if (header.length > limits.headerValueBytesMax) return null;
  const element = lastElement(header);
  if (element === null) return null;
  const uris = element.filter(([key]) => key === 'uri').map(([, value]) => value);
  const [only] = uris;
  return uris.length === 1 && only !== undefined && isSpiffeId(only) ? only : null;
}

type Pair = readonly [key: string, value: string];

/**
 * Elements are split by `,`, pairs by `;`, key and value by `=`. A value that holds any of these is double-quoted, with
 * `\"` for a quote (Envoy, HTTP header manipulation, x-forwarded-client-cert). Keys are compared without case.
 */
function lastElement(header: string): readonly Pair[] | null {
  let element: Pair[] = [];
  let at = 0;
  while (at < header.length) {
    const equals = header.indexOf('=', at);
    if (equals < 0) return null;
    const key = header.slice(at, equals).trim().toLowerCase();
    if (!/^[a-z]+$/.test(key)) return null;
    const value = readValue(header, equals + 1);
    if (value === null) return null;
    element.push([key, value.text]);
    at = value.end;
    if (at === header.length) return element;
    // readValue stops only at a separator; one that nothing follows is a header cut short.
    if (at + 1 === header.length) return null;
    if (header[at] === ',') element = [];
    at += 1;
  }
  return null;
}

function readValue(header: string, start: number): { readonly text: string; readonly end: number } | null {
  if (header[start] !== '"') {
    let end = start;
    while (end < header.length && header[end] !== ',' && header[end] !== ';') {
      if (header[end] === '"') return null;
      end += 1;
    }
    return { text: header.slice(start, end).trim(), end };
  }
  let text = '';
  for (let at = start + 1; at < header.length; at += 1) {
    const char = header[at];
    if (char === '"') {
      const end = at + 1;
      const next = header[end];
      return next === undefined || next === ',' || next === ';' ? { text, end } : null;
    }
    if (char === '\\' && header[at + 1] === '"') at += 1;
    text += header[at] ?? '';
  }
  return null;
}
