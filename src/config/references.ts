import type { Complaint, SettingPath } from './problem.ts';

/** What references point at. */
export interface ReferenceSources {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The text of a file, or null when it cannot be read; relative paths count from the configuration file. */
  readonly readText: (path: string) => string | null;
}

const reference = /\$\{(env|file):([^{}]*)\}/g;

/** How to write one, for messages. */
export const referenceForms: string = `\${env:NAME} or \${file:path}`;

export function isReference(text: string): boolean {
  return text.search(reference) >= 0;
}

/**
 * Puts in what references stand for: `${env:NAME}`, `${env:NAME:-fallback}`, `${file:path}` (a trailing line break is left
 * out), in any text of the file, also as a part of it. What is put in is not looked at again and is never part of a message.
 */
export function resolveReferences(
  value: unknown,
  sources: ReferenceSources,
): { readonly value: unknown; readonly complaints: readonly Complaint[] } {
  const complaints: Complaint[] = [];
  const walk = (at: unknown, path: SettingPath): unknown => {
    if (typeof at === 'string')
      return at.replace(reference, (_, kind: string, rest: string) => resolve(kind, rest, path));
    if (Array.isArray(at)) return at.map((item, index) => walk(item, [...path, index]));
    if (typeof at !== 'object' || at === null) return at;
    return Object.fromEntries(Object.entries(at).map(([name, item]) => [name, walk(item, [...path, name])]));
  };
  const resolve = (kind: string, rest: string, path: SettingPath): string => {
    const complain = (message: string, fix: string): string => {
      complaints.push({ severity: 'error', path, message, fix });
      return '';
    };
    if (kind === 'file') {
      const text = sources.readText(rest);
      return (
        text?.replace(/\r?\n$/, '') ??
        complain(`refers to ${rest}, which cannot be read`, 'Put the file there, readable for this user.')
      );
    }
    const [, name = '', fallback] = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s.exec(rest) ?? [];
    if (name === '') return complain('has a reference to no variable', `Write ${referenceForms}.`);
    const text = sources.env[name];
    if (text !== undefined && text !== '') return text;
    return (
      fallback ??
      complain(`refers to the variable ${name}, which is not set`, `Set ${name}, or write \${env:${name}:-fallback}.`)
    );
  };
  return { value: walk(value, []), complaints };
}
