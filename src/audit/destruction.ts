import { dirname } from 'node:path';
import type { FsPort } from './fs-port.ts';
import { layout } from './layout.ts';
import type { RecordIndex } from './record-index.ts';
import { placeOf, shardAt, shardNumber } from './shards.ts';

/**
 * What takes parts of a log away for good. Each MUST be on record before it is called, and each may be called again: what is gone already
 * is passed over, so that a crash in between is mended by doing the same once more.
 */
export interface Destruction {
  /** The key of an hour, in every form: whatever was sealed under it can be read by nobody any more. */
  destroyEpoch(epoch: string): Promise<void>;
  /** A segment of the shard of this name, and its rows in the index. */
  removeSegment(shardName: string, first: number, last: number): Promise<void>;
  /** All that is left of the shard of this name; never the log's own folder. */
  removeShard(shardName: string): Promise<void>;
}

export interface DestructionDeps {
  readonly directory: string;
  readonly fs: FsPort;
  readonly index: Pick<RecordIndex, 'forget'>;
  /** Called before each step with its name. */
  readonly step: (name: string) => void;
}

export function createDestruction({ directory, fs, index, step }: DestructionDeps): Destruction {
  async function destroyEpoch(epoch: string): Promise<void> {
    for (const path of [layout.epochAge(directory, epoch), layout.epoch(directory, epoch)]) {
      if (fs.read(path) === null) continue;
      step('destroy epoch key');
      fs.remove(path);
      await fs.syncDirectoryLater(dirname(path));
    }
  }

  async function removeSegment(name: string, first: number, last: number): Promise<void> {
    const shard = shardAt(directory, shardNumber(name) === null ? '' : name);
    const path = layout.segment(shard.folder, first);
    if (fs.identify(path) !== null) {
      step('remove segment');
      fs.remove(path);
      await fs.syncDirectoryLater(dirname(path));
    }
    step('forget rows');
    await index.forget(placeOf(shard.number, first), placeOf(shard.number, last));
  }

  async function removeShard(name: string): Promise<void> {
    const shard = shardAt(directory, name);
    if (shard.number === 0 || fs.identify(shard.folder) === null) return;
    step('remove shard');
    await fs.removeTree(shard.folder);
    await fs.syncDirectoryLater(layout.shards(directory));
  }

  return { destroyEpoch, removeSegment, removeShard };
}
