import { Fault } from '../lib/fault.ts';
import { startThread } from '../lib/thread.ts';
import type { FolderReport } from './verify-shards.ts';

/** As `verifyShards`, in a thread of its own: a check reads every byte of the logs, and exchanges go on meanwhile. */
export function verifyInThread(folders: readonly string[]): Promise<FolderReport[]> {
  return new Promise((resolve, reject) => {
    const worker = startThread(import.meta.url, 'verify-thread', { workerData: folders });
    const fail = (why: unknown): void => reject(new Fault('audit_unavailable', 'the log could not be checked', why));
    worker.once('message', resolve);
    worker.once('error', fail);
    // After a message this changes nothing.
    worker.once('exit', (code) => fail(new Error(`the thread ended with code ${code}`)));
  });
}
