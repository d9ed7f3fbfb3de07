import type { JsonValue } from '../lib/json.ts';

/** What a script can tell apart. */
export const exitCodes = { done: 0, no: 1, usage: 2, unreachable: 3, conflict: 4, again: 5, hold: 6 } as const;

/** A failure with a message that says what to do; printed without a stack. */
export class CliError extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode: number = exitCodes.no) {
    super(message);
    this.name = 'CliError';
    this.exitCode = exitCode;
  }
}

export function printLine(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** One JSON document on one line. */
export function printJson(value: JsonValue): void {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

export function printError(thrown: unknown): void {
  process.stderr.write(`countersign: ${thrown instanceof Error ? thrown.message : String(thrown)}\n`);
}

/** A failure in the user's words: what the operating system says about a file that was named is a matter of input. */
export function cliErrorOf(thrown: unknown): CliError {
  if (thrown instanceof CliError) return thrown;
  if (thrown instanceof Error && 'code' in thrown && 'path' in thrown && 'syscall' in thrown) {
    // `EACCES: permission denied, open 'x'`
    const [, words = thrown.message] = /^[A-Z]+: ([^,]+)/.exec(thrown.message) ?? [];
    return new CliError(`${printable(String(thrown.path))}: ${words}`, exitCodes.usage);
  }
  return new CliError(thrown instanceof Error ? thrown.message : String(thrown));
}

/** Columns as wide as their widest cell; the last one is left as long as it is. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = header.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] ?? '').length)),
  );
  return [header, ...rows]
    .map((row) =>
      row.map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0))).join('  '),
    )
    .join('\n');
}

/** Text from elsewhere may hold terminal escapes: everything but printable characters and newlines is shown as `\xNN`. */
export function printable(text: string): string {
  return text.replace(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, (character) => {
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
}
