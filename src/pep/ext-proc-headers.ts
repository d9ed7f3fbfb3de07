import type { HeaderChanges } from '../exchange/exchange.ts';

/**
 * For a body whose length is not known when its headers leave (FULL_DUPLEX_STREAMED): Envoy frames it anew. A wrong length would be a
 * framing error, or request smuggling where `allow_content_length_header` is set.
 */
export const withoutContentLength: HeaderChanges = {
  set: new Map(),
  remove: ['content-length'],
};

/** For a body that was replaced while Envoy holds its headers (BUFFERED): Envoy answers 500 when the two do not agree. */
export function contentLength(bytes: number): HeaderChanges {
  return { set: new Map([['content-length', String(bytes)]]), remove: [] };
}
