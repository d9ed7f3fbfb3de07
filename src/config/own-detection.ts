import type { OwnDetection } from '../detect/own-detection.ts';
import type { DetectionConfig } from './config.ts';

/** What the file adds to the built-in rules. */
export function ownDetection(config: DetectionConfig): OwnDetection {
  const { custom, dictionaries, allow, allowPatterns, allowHashes, allowKey } = config;
  const key = allowKey?.reveal() ?? null;
  return { custom, dictionaries, allowed: { values: allow, patterns: allowPatterns, hashes: allowHashes, key } };
}
