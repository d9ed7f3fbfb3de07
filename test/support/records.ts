import { findRecords, readRecords, type StoredRecord } from '../../src/audit/read.ts';
import { type VerifyReport, verifyLog } from '../../src/audit/verify.ts';
import { eventually } from './eventually.ts';

export async function allRecords(folder: string): Promise<StoredRecord[]> {
  const found: StoredRecord[] = [];
  for await (const record of readRecords(folder)) found.push(record);
  return found;
}

/** The outcome of an exchange, as soon as it is on record. */
export function outcomeOf(folder: string, exchange: string): Promise<StoredRecord> {
  return eventually(`an outcome of exchange ${exchange}`, async () =>
    (await findRecords(folder, exchange)).find((record) => record.kind === 'outcome'),
  );
}

/** The report on a log that is being written, once a checkpoint covers all that is on record. */
export function verified(folder: string): Promise<VerifyReport> {
  return eventually('a checkpoint over all records', async () => {
    const report = await verifyLog({ directory: folder });
    return report.checkpointed > 0 && report.checkpointed === report.records ? report : undefined;
  });
}
