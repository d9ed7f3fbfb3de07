import { Worker } from 'node:worker_threads';
import { Fault } from '../lib/fault.ts';
import type { VerifyOptions, VerifyReport } from './verify.ts';

/** As `verifyLog`, in a thread of its own: a check reads every byte of the log, and exchanges go on meanwhile. */
export function verifyInThread(options: VerifyOptions): Promise<VerifyReport> {
  return new Promise((resolve, reject) => {
    const worker = startWorker(options);
    const fail = (why: unknown): void => reject(new Fault('audit_unavailable', 'the log could not be checked', why));
    worker.once('message', resolve);
    worker.once('error', fail);
    // After a message this changes nothing.
    worker.once('exit', (code) => fail(new Error(`the thread ended with code ${code}`)));
  });
}

const isSource = import.meta.url.endsWith('.ts');

/** From source (tests, development) the thread strips types by tsx first, unless this Node does it by itself. */
function startWorker(workerData: VerifyOptions): Worker {
  const entry = new URL(isSource ? './verify-thread.ts' : './verify-thread.js', import.meta.url);
  if (!isSource || Reflect.get(process.features, 'typescript')) return new Worker(entry, { workerData });
  const tsx = import.meta.resolve('tsx/esm/api');
  const bootstrap = `import(${JSON.stringify(tsx)}).then((tsx) => {
    tsx.register();
    return import(${JSON.stringify(entry.href)});
  });`;
  return new Worker(bootstrap, { eval: true, workerData });
}
