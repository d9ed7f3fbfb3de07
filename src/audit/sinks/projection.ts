import { isIP } from 'node:net';
import type { RecordView } from './record-view.ts';

/** What leaves to a sink. Records as such hold no text of a prompt, no credential and no matched value; this takes more away. */
export interface Projection {
  /** `pseudonym`: who asked, by pseudonym, with groups and roles. `none`: not even that. */
  readonly caller: 'pseudonym' | 'none';
  /** Address that the request came from. */
  readonly source: boolean;
  /** Messages of policy rules; they are written by whoever writes policy. */
  readonly reasons: boolean;
}

export const defaultProjection: Projection = { caller: 'pseudonym', source: true, reasons: true };

export function project(view: RecordView, projection: Projection): RecordView {
  return {
    ...view,
    caller: projection.caller === 'none' ? null : view.caller,
    source: projection.source ? addressOf(view.source) : '',
    reason: projection.reasons ? view.reason : '',
  };
}

/** The address without its port, or nothing when there is none. */
function addressOf(source: string): string {
  const bare = /^\[(.+)\](?::\d+)?$/.exec(source)?.[1] ?? source;
  if (isIP(bare)) return bare;
  const host = /^([^:]+):\d+$/.exec(bare)?.[1] ?? '';
  return isIP(host) ? host : '';
}
