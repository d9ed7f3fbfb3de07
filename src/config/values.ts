import { isAbsolute, resolve } from 'node:path';
import { z } from 'zod';
import { createSecret, type Secret } from './secret.ts';

/** Milliseconds of `300ms`, `5s`, `10m`, `12h`, `90d`; null when the text is no duration. */
export function durationMs(text: string): number | null {
  const parts = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h|d)$/.exec(text);
  const unit = unitMs.get(parts?.[2] ?? '');
  return parts === null || unit === undefined ? null : Math.round(Number(parts[1]) * unit);
}

const unitMs: ReadonlyMap<string, number> = new Map([
  ['ms', 1],
  ['s', 1_000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
]);

/** Host and port of `127.0.0.1:9191` or `[::1]:9191`; null when the text is no address. */
export function hostAndPort(text: string): { readonly host: string; readonly port: number } | null {
  const parts = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/.exec(text);
  const host = parts?.[1] ?? parts?.[2];
  const port = Number(parts?.[3]);
  return host === undefined || port > 65_535 ? null : { host, port };
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}

/** A duration between two bounds, as milliseconds. Bounds are durations as well, for the message. */
export function duration(least: string, most: string): z.ZodType<number, string> {
  const [from, to] = [durationMs(least) ?? 0, durationMs(most) ?? 0];
  return z
    .string('must be a duration such as 300ms, 5s, 10m, 12h or 90d')
    .regex(/^\d{1,9}(\.\d{1,3})?(ms|s|m|h|d)$/, 'must be a duration such as 300ms, 5s, 10m, 12h or 90d')
    .transform((text) => durationMs(text) ?? 0)
    .refine((ms) => ms >= from && ms <= to, `must be between ${least} and ${most}`);
}

export const address: z.ZodType<{ readonly host: string; readonly port: number }, string> = z
  .string('must be host:port, such as 127.0.0.1:9191 or [::1]:9191')
  .refine((text) => hostAndPort(text) !== null, 'must be host:port, such as 127.0.0.1:9191 or [::1]:9191')
  .transform((text) => hostAndPort(text) ?? { host: '', port: 0 });

/** A lower-case HTTP header name (RFC 9110 section 5.1). */
export const headerName: z.ZodType<string, string> = z
  .string()
  .regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$/, 'must be a header name')
  .transform((name) => name.toLowerCase());

/** A file or directory; relative ones count from `base`, the directory of the configuration file. */
export function path(base: string): z.ZodType<string, string> {
  return z
    .string()
    .min(1, 'must be a path')
    .transform((text) => (isAbsolute(text) ? text : resolve(base, text)));
}

export const text: z.ZodType<string, string> = z.string().min(1, 'must not be empty').max(4_096, 'is too long');

/** A list that names each thing once. */
export function distinct<T extends z.ZodType<string, string>>(
  item: T,
  most: number,
): z.ZodType<readonly string[], string[]> {
  return z
    .array(item)
    .max(most, `must have at most ${most} entries`)
    .refine((items) => new Set(items).size === items.length, 'must not name anything twice');
}

/** The value of a reference, at least so many characters long; see `secretPaths` of schema.ts. */
export function secret(least: number): z.ZodType<Secret, string> {
  return z.string().min(least, `must be at least ${least} characters long`).max(65_536).transform(createSecret);
}
