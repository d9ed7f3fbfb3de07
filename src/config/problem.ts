/** Where a setting stands: member names and list indexes. */
export type SettingPath = readonly (string | number)[];

/** Something to be mended in a configuration file. Never holds the value that was found: it may be a secret. */
export interface Problem {
  /** A warning does not keep the service from starting. */
  readonly severity: 'error' | 'warning';
  /** From 1; of the setting, or of what it is missing from. */
  readonly line: number;
  readonly column: number;
  /** `identity.issuers[0].jwks.url`; empty: the file as a whole. */
  readonly setting: string;
  /** What is wrong. */
  readonly message: string;
  /** What to do about it. */
  readonly fix: string;
}

/** A problem before its place in the text is known. */
export interface Complaint {
  readonly severity: 'error' | 'warning';
  readonly path: SettingPath;
  readonly message: string;
  readonly fix: string;
  /** True when it is about the setting's name and not its value. */
  readonly onName?: boolean;
}

export function settingName(path: SettingPath): string {
  return path.reduce<string>(
    (name, part) => (typeof part === 'number' ? `${name}[${part}]` : name === '' ? part : `${name}.${part}`),
    '',
  );
}

/** One line a problem, `file:line:column` first, so that terminals and editors jump to it. */
export function formatProblems(file: string, problems: readonly Problem[]): string {
  return problems
    .map(({ severity, line, column, setting, message, fix }) => {
      const where = `${file}:${line}:${column}: ${severity}:`;
      return `${where} ${setting === '' ? '' : `${setting} `}${message}\n    ${fix}`;
    })
    .join('\n');
}
