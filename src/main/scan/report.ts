import type { Finding } from '../../detect/finding.ts';
import type { JsonObject } from '../../lib/json.ts';
import { printable } from '../output.ts';
import { type Place, placesIn } from './positions.ts';
import type { Sink } from './sink.ts';

/** What was found in one file. */
export interface FileFindings {
  readonly path: string;
  readonly findings: readonly (Finding & {
    readonly place: Place;
    readonly endPlace: Place;
    /** Only where the user asked for values. */
    readonly value: string | null;
  })[];
}

/** One way to tell what was found. */
export interface Report {
  file(found: FileFindings): Promise<void>;
  /** A file that was not read: left out, or (a failure) not readable. */
  note(path: string, why: string, isFailure: boolean): Promise<void>;
  end(): Promise<void>;
}

/** Where each finding stands; its value only with `isShowingValues`. */
export function locate(
  path: string,
  text: string,
  findings: readonly Finding[],
  isShowingValues: boolean,
): FileFindings {
  const placeOf = placesIn(text);
  return {
    path,
    findings: findings.map((finding) => ({
      ...finding,
      place: placeOf(finding.start),
      endPlace: placeOf(finding.end),
      value: isShowingValues ? text.slice(finding.start, finding.end) : null,
    })),
  };
}

/** A line a finding, `file:line:column` first, so that terminals and editors jump to it. Notes go to standard error. */
export function createTextReport(sink: Sink, warn: (line: string) => void): Report {
  return {
    file: ({ path, findings }) => {
      let lines = '';
      for (const { entity, detector, score, place, value } of findings) {
        const shown = value === null ? '' : `  ${printable(value).replaceAll('\n', '\\n')}`;
        lines += `${printable(path)}:${place.line}:${place.column}  ${entity}  ${detector}  ${score}${shown}\n`;
      }
      return sink.write(lines);
    },
    note: async (path, why, isFailure) => warn(`${isFailure ? 'error' : 'skipped'}: ${printable(path)} ${why}`),
    end: async () => {},
  };
}

/** A line of JSON for each file that was looked at, also without findings, and for each that was not. */
export function createJsonReport(sink: Sink): Report {
  return {
    file: ({ path, findings }) =>
      sink.write(`${JSON.stringify({ file: path, findings: findings.map(findingJson) })}\n`),
    note: (path, why, isFailure) =>
      sink.write(`${JSON.stringify({ file: path, [isFailure ? 'error' : 'skipped']: why })}\n`),
    end: async () => {},
  };
}

function findingJson({ place, endPlace: _, value, ...finding }: FileFindings['findings'][number]): JsonObject {
  const { entity, detector, start, end, score } = finding;
  return { entity, detector, start, end, score, ...place, ...(value === null ? {} : { value }) };
}
