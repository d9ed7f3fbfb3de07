import { mkdir, open, readFile, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Fault } from '../lib/fault.ts';
import { type Bundle, decodeBundle, encodeBundle } from './bundle.ts';

function pathOf(directory: string, revision: string): string {
  return join(directory, `${revision.replace(/^sha256:/, '').replace(/[^0-9a-f]/g, '')}.tar.gz`);
}

/**
 * Keeps every bundle that ever decided, under its revision, so that a decision can be taken again. Durable when this
 * resolves: a revision goes into service only after. Keeping one that is there already costs nothing.
 */
export async function keepBundle(directory: string, bundle: Bundle): Promise<void> {
  const path = pathOf(directory, bundle.revision);
  if (await stat(path).catch(() => null)) return;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const draft = await open(`${path}.tmp`, 'w', 0o600);
  try {
    await draft.writeFile(encodeBundle(bundle));
    await draft.sync();
  } finally {
    await draft.close();
  }
  await rename(`${path}.tmp`, path);
  const folder = await open(directory, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** The bundle of a revision. Throws Fault `policy_unavailable` when it was not kept, or is not what its name says. */
export async function readKeptBundle(directory: string, revision: string): Promise<Bundle> {
  const path = pathOf(directory, revision);
  const bytes = await readFile(path).catch(() => null);
  if (bytes === null) throw new Fault('policy_unavailable', `the policy ${revision} was not kept: ${path} is missing`);
  const bundle = decodeBundle(bytes);
  if (bundle.revision !== revision) throw new Fault('policy_unavailable', `${path} is not the policy ${revision}`);
  return bundle;
}
