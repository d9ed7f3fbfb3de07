import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

/**
 * Tessera's fsck, on the whole log. It exits 0 when verification fails and may hang on a mismatch: only its word of success with the
 * size and root that we expect counts.
 */
export function isWholeByTessera(directory: string, size: number, root64: string, timeoutMs = 20_000): boolean {
  const args = [
    '--ui=false',
    '-N',
    '4',
    `--storage_url=file://${directory}/`,
    `--public_key=${join(directory, 'log.vkey')}`,
  ];
  const fsck = join('.cache', 'bin', 'fsck');
  const { stdout, stderr } = spawnSync(fsck, args, { encoding: 'utf8', timeout: timeoutMs });
  const hex = Buffer.from(root64, 'base64').toString('hex');
  const said = `${stdout}${stderr}`;
  return [root64, hex].some((root) => said.includes(`Successfully fsck'd log with size ${size} and root ${root}`));
}
