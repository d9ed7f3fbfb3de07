import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ConfiguredDetector } from '../detector.ts';
import type { FileFindings, Report } from './report.ts';
import type { Sink } from './sink.ts';

export interface SarifOptions {
  readonly version: string;
  readonly kinds: ConfiguredDetector['kinds'];
}

/**
 * SARIF 2.1.0 (OASIS Standard), as code hosts and editors read it: one run, each rule once, each finding a result. Written as it is
 * found, so that the size of the report does not matter. Columns and offsets are UTF-16 code units; the values are in none of it.
 */
export function createSarifReport(sink: Sink, { version, kinds }: SarifOptions): Report {
  const indexes = new Map([...kinds.keys()].map((id, index) => [id, index]));
  const skipped: object[] = [];
  let isBegun = false;
  let isFirst = true;
  let isComplete = true;

  async function begin(): Promise<void> {
    if (isBegun) return;
    isBegun = true;
    const driver = { name: 'countersign', semanticVersion: version, rules: [...kinds].map(ruleOf) };
    const opening = JSON.stringify({ tool: { driver }, columnKind: 'utf16CodeUnits' }).slice(0, -1);
    await sink.write(`{"$schema":"https://json.schemastore.org/sarif-2.1.0.json","version":"2.1.0","runs":[${opening}`);
    await sink.write(',"results":[');
  }

  return {
    file: async (file) => {
      await begin();
      let results = '';
      for (const finding of file.findings) {
        results += `${isFirst ? '' : ','}\n${JSON.stringify(resultOf(file.path, finding, indexes))}`;
        isFirst = false;
      }
      await sink.write(results);
    },
    note: async (path, why, isFailure) => {
      await begin();
      if (isFailure) isComplete = false;
      skipped.push({
        level: isFailure ? 'error' : 'note',
        message: { text: `${path} ${why}` },
        locations: [{ physicalLocation: { artifactLocation: { uri: uriOf(path) } } }],
      });
    },
    end: async () => {
      await begin();
      const invocation = { executionSuccessful: isComplete, toolExecutionNotifications: skipped };
      await sink.write(`],"invocations":[${JSON.stringify(invocation)}]}]}\n`);
    },
  };
}

function ruleOf([id, { entity, source }]: [
  string,
  { readonly entity: string; readonly source: string | null },
]): object {
  return {
    id,
    name: entity,
    shortDescription: { text: `${entity}, by the rule ${id}` },
    defaultConfiguration: { level: levelOf(entity) },
    ...(source?.startsWith('https://') ? { helpUri: source } : {}),
  };
}

function resultOf(
  path: string,
  { entity, detector, score, start, end, place, endPlace }: FileFindings['findings'][number],
  indexes: ReadonlyMap<string, number>,
): object {
  const index = indexes.get(detector);
  return {
    ruleId: detector,
    ...(index === undefined ? {} : { ruleIndex: index }),
    level: levelOf(entity),
    message: { text: `${entity} (score ${score})` },
    locations: [
      {
        physicalLocation: {
          artifactLocation: { uri: uriOf(path) },
          region: {
            startLine: place.line,
            startColumn: place.column,
            endLine: endPlace.line,
            endColumn: endPlace.column,
            charOffset: start,
            charLength: end - start,
          },
        },
      },
    ],
    properties: { entity, score },
  };
}

/** Credentials work for whoever reads them. */
function levelOf(entity: string): 'error' | 'warning' {
  return entity.startsWith('SECRET_') ? 'error' : 'warning';
}

/** A relative reference for what lies below the working directory (section 3.4.3), else an absolute one. */
function uriOf(path: string): string {
  const base = pathToFileURL(`${resolve('.')}/`).href;
  const absolute = pathToFileURL(resolve(path)).href;
  return absolute.startsWith(base) ? absolute.slice(base.length) : absolute;
}
