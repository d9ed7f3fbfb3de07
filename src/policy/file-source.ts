import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readBundle } from './bundle-files.ts';
import type { BundleSource } from './pdp.ts';

/**
 * A bundle file, or a folder with an unpacked one, on disk. Symbolic links are followed, so a mounted Kubernetes volume, which
 * swaps a link, is noticed. A file should be put in place by a rename; one caught half-written does not decode, is refused,
 * and is read again when it has changed once more.
 */
export function createFileSource(path: string): BundleSource {
  return {
    signature: async () => {
      const top = await stat(path);
      if (!top.isDirectory()) return signatureOf(top);
      const files = ['.manifest', 'data.json', 'policy.wasm'];
      const found = await Promise.all(files.map((file) => stat(join(path, file)).catch(() => null)));
      return found.map((entry) => (entry === null ? '-' : signatureOf(entry))).join(' ');
    },
    read: () => readBundle(path),
  };
}

function signatureOf(file: { readonly ino: number; readonly size: number; readonly mtimeMs: number }): string {
  return `${file.ino}:${file.size}:${file.mtimeMs}`;
}
