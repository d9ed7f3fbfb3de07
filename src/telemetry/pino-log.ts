import { destination as openDestination, pino } from 'pino';
import type { Clock } from '../lib/clock.ts';
import { limits } from '../lib/limits.ts';
import type { Log, LogFields } from './telemetry.ts';

export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const;

export type LogLevel = (typeof logLevels)[number];

/** Where lines go: one JSON document and a newline a call. */
export interface LogDestination {
  write(line: string): void;
}

export interface PinoLog extends Log {
  /** Writes out what is still buffered; for the last moment of a process. */
  flush(): void;
}

/**
 * The fields that may stand in a line and their types, checked at run time as well: what a caller smuggles past the
 * compiler (a spread object, a cast) is dropped, so that a prompt or a token cannot reach the log by accident.
 */
const fieldTypes: Readonly<Record<keyof LogFields, 'string' | 'number'>> = {
  exchange: 'string',
  approval: 'string',
  phase: 'string',
  action: 'string',
  code: 'string',
  rule: 'string',
  entity: 'string',
  dialect: 'string',
  revision: 'string',
  address: 'string',
  path: 'string',
  file: 'string',
  origin: 'string',
  state: 'string',
  status: 'number',
  count: 'number',
  bytes: 'number',
  ms: 'number',
  reason: 'string',
  traceId: 'string',
  sink: 'string',
};

const allowed = Object.entries(fieldTypes);

/**
 * JSON lines by pino: `{"level","time","event",…fields}`, RFC 3339 times, no host name. Standard output is written
 * asynchronously and in order; when its reader is slower than `limits.logBufferBytesMax` lines are dropped, because the
 * log is for operators and must not stop the data path (the record of what happened is the audit log).
 */
export function createPinoLog(
  deps: { readonly clock: Clock; readonly destination?: LogDestination },
  options: { readonly level: LogLevel },
): PinoLog {
  const stdout =
    deps.destination === undefined
      ? openDestination({ dest: 1, sync: false, maxLength: limits.logBufferBytesMax })
      : null;
  const log = pino(
    {
      level: options.level,
      base: null,
      messageKey: 'event',
      timestamp: () => `,"time":"${new Date(deps.clock.nowMs()).toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    stdout ?? deps.destination,
  );
  return {
    debug: (event, fields) => log.debug(only(fields), event),
    info: (event, fields) => log.info(only(fields), event),
    warn: (event, fields) => log.warn(only(fields), event),
    error: (event, fields) => log.error(only(fields), event),
    flush: () => stdout?.flushSync(),
  };
}

function only(fields: LogFields | undefined): Record<string, string | number> {
  const kept: Record<string, string | number> = {};
  if (fields === undefined) return kept;
  for (const [name, type] of allowed) {
    const value: unknown = Reflect.get(fields, name);
    if (type === 'number' && typeof value === 'number' && Number.isFinite(value)) kept[name] = value;
    else if (type === 'string' && typeof value === 'string') kept[name] = value.slice(0, limits.reasonCharsMax);
  }
  return kept;
}
