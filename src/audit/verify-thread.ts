import { parentPort, workerData } from 'node:worker_threads';
import { verifyShards } from './verify-shards.ts';

// Entry of a verifier's thread. Its data is the folders that verify-worker.ts passes.
parentPort?.postMessage(await verifyShards({ folders: workerData, optionsOf: () => ({}) }));
