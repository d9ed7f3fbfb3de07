import { unreachable } from '../lib/invariant.ts';
import type { StreamFraming } from './dialect.ts';
import { createEventStreamFramer } from './eventstream.ts';
import type { Framer } from './framing.ts';
import { createJsonArrayFramer } from './json-array.ts';
import { createNdjsonFramer } from './ndjson.ts';
import { createSseFramer } from './sse.ts';

/** The framer of every framing that has events. */
export function createFramer(framing: Exclude<StreamFraming, 'text'>): Framer {
  switch (framing) {
    case 'sse':
      return createSseFramer();
    case 'ndjson':
      return createNdjsonFramer();
    case 'json-array':
      return createJsonArrayFramer();
    case 'eventstream':
      return createEventStreamFramer();
    default:
      return unreachable(framing);
  }
}
