import { parentPort, workerData } from 'node:worker_threads';
import { verifyLog } from './verify.ts';

// Entry of a verifier's thread. Its data is the VerifyOptions that verify-worker.ts passes.
parentPort?.postMessage(await verifyLog(workerData));
