import { mkdtempSync, rmSync } from 'node:fs';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { isJsonObject, type JsonObject } from '../../src/lib/json.ts';
import { buildBundle } from '../../src/policy/bundle-files.ts';
import { shippedPolicies } from './policy.ts';

export interface PolicyVariant {
  /** The bundle file. */
  readonly bundle: string;
  /** Compiles the shipped policies again, with other changes, into the same file. */
  rebuild(changes: PolicyChanges): Promise<void>;
  remove(): void;
}

export interface PolicyChanges {
  /** Merged into `data.settings`; lists are replaced. */
  readonly settings?: JsonObject;
  /** Further files of the policy folder. */
  readonly files?: Readonly<Record<string, string>>;
}

/** The shipped policies, as an operator would change them. */
export async function policyVariant(changes: PolicyChanges): Promise<PolicyVariant> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-policy-'));
  const bundle = join(folder, 'bundle.tar.gz');
  const rebuild = async (next: PolicyChanges): Promise<void> => {
    const root = join(folder, 'policies');
    rmSync(root, { recursive: true, force: true });
    await cp(shippedPolicies, root, { recursive: true });
    const dataFile = join(root, 'data', 'data.json');
    const data: JsonObject = JSON.parse(await readFile(dataFile, 'utf8'));
    await writeFile(dataFile, JSON.stringify(merged(data, { settings: next.settings ?? {} })));
    for (const [path, text] of Object.entries(next.files ?? {})) {
      await mkdir(dirname(join(root, path)), { recursive: true });
      await writeFile(join(root, path), text);
    }
    const built = await buildBundle({ root, out: bundle });
    if (!built.ok) throw new Error(built.error.message);
  };
  await rebuild(changes);
  return { bundle, rebuild, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** Rewrites the shipped configuration of the service to another bundle. */
export function withBundle(bundle: string): (yaml: string) => string {
  return (yaml) => yaml.replace(/bundle: .*/, `bundle: ${bundle}`);
}

function merged(base: JsonObject, changes: JsonObject): JsonObject {
  const result: Record<string, JsonObject[string]> = { ...base };
  for (const [key, value] of Object.entries(changes)) {
    const old = result[key];
    result[key] = isJsonObject(old) && isJsonObject(value) ? merged(old, value) : value;
  }
  return result;
}
