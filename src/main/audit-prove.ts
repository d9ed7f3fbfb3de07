import { readFileSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { findInLogs } from '../audit/logs.ts';
import { readRecords, type StoredRecord } from '../audit/read.ts';
import { readPublished } from '../audit/sinks/log-tail.ts';
import { parseNoteKey } from '../audit/verify-note.ts';
import { parseTrustPolicy, type TrustPolicy } from '../audit/verify-trust.ts';
import { proveByEarliest } from '../audit/witnessed-proof.ts';
import { folderHelp, logName, logsOf } from './audit-records.ts';
import { CliError, exitCodes, printLine } from './output.ts';

/** `countersign audit prove|export`: evidence for somebody who has nothing of the log. */
export function addAuditProofCommands(audit: Command): void {
  audit
    .command('prove')
    .description('a proof that a record is in the log, complete in itself (C2SP tlog-proof)')
    .argument('<folder>', folderHelp)
    .argument('<id>', 'id of a record')
    .option('-o, --out <file>', 'file to write; without it standard output')
    .action(async (folder: string, id: string, options: { out?: string }) => {
      const record = (await findInLogs(await logsOf(folder), id)).find((each) => each.id === id);
      if (record === undefined) throw new CliError(`There is no record ${id}. \`audit show\` lists their ids.`);
      const proof = await proofOf(record);
      if (options.out) writeFileSync(options.out, proof);
      else process.stdout.write(proof);
    });

  audit
    .command('export')
    .description(
      'evidence about an exchange, a session or a record: manifests, ciphertexts, proofs, and how to check them',
    )
    .argument('<folder>', folderHelp)
    .argument('<id>', 'id of an exchange, a session or a record')
    .requiredOption('-o, --out <folder>', 'folder to make')
    .option('--trust <file>', 'a trust policy to put beside it')
    .action(async (folder: string, id: string, options: { out: string; trust?: string }) => {
      const records = await findInLogs(await logsOf(folder), id);
      if (records.length === 0) throw new CliError(`There is nothing on record about ${id}.`);
      await mkdir(options.out);
      const put = (name: string, content: string | Uint8Array): void => writeFileSync(join(options.out, name), content);
      const logs = [...new Set(records.map((record) => record.folder))];
      for (const log of logs) {
        // Records of several logs are each in a folder of their log, beside its head and its key.
        const inLog = logs.length > 1 ? logName(log, logs) : '.';
        if (logs.length > 1) await mkdir(join(options.out, inLog), { recursive: true });
        const found = records.filter((each) => each.folder === log);
        for (const record of [...(await beaconsBefore(log, found)), ...found]) {
          const name = join(inLog, fileName(record));
          put(`${name}.manifest.json`, record.manifestBytes);
          if (record.sealed.length > 0) put(`${name}.sealed`, record.sealed);
          put(`${name}.tlog-proof`, await proofOf(record));
        }
        put(join(inLog, 'checkpoint'), (await readPublished(log))?.note ?? '');
        put(join(inLog, 'log.vkey'), readText(join(log, 'log.vkey')));
      }
      if (options.trust) put('trust.txt', readText(options.trust));
      put('README.txt', instructions(options.trust !== undefined, logs.length > 1));
      printLine(`${records.length} records in ${options.out}`);
    });
}

function fileName(record: StoredRecord): string {
  return String(record.sequence).padStart(12, '0');
}

async function proofOf(record: StoredRecord): Promise<string> {
  const proof = await proveByEarliest(record);
  if (proof !== null) return proof;
  throw new CliError(`Record ${record.id} is not under a signed checkpoint yet. Try again in a second.`);
}

/** The last beacon with the witnesses' word in front of each record: it proves that the record was written later. */
async function beaconsBefore(log: string, records: readonly StoredRecord[]): Promise<StoredRecord[]> {
  const found = new Map<number, StoredRecord>();
  const last = records.at(-1)?.sequence ?? 0;
  const wanted = new Set(records.map(({ sequence }) => sequence));
  let beacon: StoredRecord | null = null;
  for await (const record of readRecords(log)) {
    if (record.sequence > last) break;
    if (wanted.has(record.sequence) && beacon !== null) found.set(beacon.sequence, beacon);
    if (record.kind === 'beacon' && typeof record.facts['checkpoint'] === 'string') beacon = record;
  }
  return [...found.values()].filter(({ sequence }) => !wanted.has(sequence));
}

/** The policy of `--trust`, or one that knows the log of `--key` alone. */
export function trustFrom(options: { readonly key?: string; readonly trust?: string }): TrustPolicy {
  if (options.trust !== undefined) {
    const policy = parseTrustPolicy(readText(options.trust));
    if (typeof policy !== 'string') return policy;
    throw new CliError(`${options.trust} is no trust policy: ${policy}.`, exitCodes.usage);
  }
  if (options.key === undefined) throw new CliError('Give --key or --trust: whom do you trust?', exitCodes.usage);
  const key = parseNoteKey(readText(options.key).trim());
  if (key?.algorithm === 'ed25519') return { logs: [key], witnesses: [], quorum: null };
  throw new CliError(`${options.key} is not a log's verifier key (name+hash+key).`, exitCodes.usage);
}

function instructions(hasTrust: boolean, isOfSeveral: boolean): string {
  return `Evidence from a countersign audit log.

<number>.manifest.json   what is on record, its exact bytes; commits to the sealed texts by hash
<number>.sealed          the sealed texts: ciphertext, opened only by who holds the keys
<number>.tlog-proof      that the record is in the log: C2SP tlog-proof, complete in itself
checkpoint               the log's signed head when this was made
log.vkey                 the log's key as this folder says it; trust only one that reached you another way
${hasTrust ? 'trust.txt                whom to trust: C2SP tlog-policy\n' : ''}Records of kind "beacon" stand in front of others: they hold a checkpoint that witnesses have cosigned, at a time of their clocks,
so what comes after was written later.
${isOfSeveral ? 'Each log has a folder of its own here.\n' : ''}
With countersign:
  countersign audit verify-proof . ${hasTrust ? '--trust trust.txt' : '--key log.vkey'}

Without it, for each record (RFC 6962, SHA-256):
  c       = base64url(SHA-256("countersign/v1/manifest" 0x00 manifest))
  leaf    = {"c":"<c>","i":"<id of the manifest>","k":"<its kind>","v":1}
  hash    = SHA-256(0x00 leaf); then up to the root with the hashes of the proof, by its index and the checkpoint's size
  root    = the third line of the checkpoint, which is signed by the key in log.vkey (C2SP signed-note, Ed25519)
  sealed  = base64url(SHA-256(.sealed file)) is "ct" of "bodies" in the manifest
  text    = base64url(SHA-256(salt text)) is "pt" of its part there; whoever may reveal it gets the 32 bytes of salt with it
Go's golang.org/x/mod/sumdb/note and tlog (note.Open, tlog.CheckRecord) do the middle part. A whole copy of the log's
folder can be checked by any reader of C2SP tlog-tiles, such as Tessera's fsck.
`;
}

export function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    throw new CliError(`${file} cannot be read.`, exitCodes.usage);
  }
}
