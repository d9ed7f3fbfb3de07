import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { nodeFs } from '../audit/fs-port.ts';
import { type NoteKey, parseNoteKey } from '../audit/verify-note.ts';
import { createWitness } from '../audit/witness/witness.ts';
import { startWitnessServer } from '../audit/witness/witness-http.ts';
import { createWitnessKey, type WitnessKey } from '../audit/witness/witness-key.ts';
import { hostAndPort } from '../config/values.ts';
import { createPooledRandom } from '../lib/ids.ts';
import { readText } from './audit-prove.ts';
import { CliError, exitCodes, printLine } from './output.ts';

/** `countersign audit witness`: to be run by somebody else than the log, with another account and disk. */
export function addAuditWitnessCommand(audit: Command): void {
  audit
    .command('witness')
    .description('cosign the checkpoints of logs that only grow (C2SP tlog-witness); run it where the log cannot reach')
    .requiredOption('--log <file...>', 'verifier keys of the logs to witness')
    .requiredOption('--name <name>', 'name of this witness, such as witness.example.com/w1')
    .requiredOption('--key <file>', 'signing key of this witness: base64 of 32 bytes; made when missing')
    .requiredOption('--state <folder>', 'where the last cosigned checkpoint of each log is kept')
    .option('--listen <host:port>', 'address to serve POST /add-checkpoint on', '127.0.0.1:9195')
    .action(async (options: { log: string[]; name: string; key: string; state: string; listen: string }) => {
      const at = hostAndPort(options.listen);
      if (at === null) throw new CliError('--listen takes host:port.', exitCodes.usage);
      if (!/^[^\s+\p{Cc}]{1,256}$/u.test(options.name)) {
        throw new CliError('--name takes a name without blanks and plus signs.', exitCodes.usage);
      }
      const logs = options.log.map(logKey);
      const key = witnessKey(options.name, options.key);
      await nodeFs.makeDirectory(options.state);
      const witness = createWitness({ fs: nodeFs, directory: options.state, key, logs, nowMs: Date.now });
      const server = await startWitnessServer(witness, {
        ...at,
        onFailure: (error) =>
          process.stderr.write(`countersign: ${error instanceof Error ? error.message : String(error)}\n`),
      });
      printLine(`verifier key  ${key.verifierKey}`);
      printLine(
        `serves        http://${at.host}:${server.port}/add-checkpoint for ${logs.map(({ name }) => name).join(', ')}`,
      );
      await new Promise<void>((resolve) => {
        process.once('SIGTERM', () => resolve());
        process.once('SIGINT', () => resolve());
      });
      await server.close();
    });
}

function logKey(file: string): NoteKey {
  const key = parseNoteKey(readText(file).trim());
  if (key?.algorithm === 'ed25519') return key;
  throw new CliError(`${file} is not a log's verifier key (name+hash+key).`, exitCodes.usage);
}

function witnessKey(name: string, file: string): WitnessKey {
  if (!existsSync(file)) {
    writeFileSync(file, `${createPooledRandom()(32).toString('base64')}\n`, { mode: 0o600, flag: 'wx' });
  }
  const seed = Buffer.from(readFileSync(file, 'utf8').trim(), 'base64');
  if (seed.length !== 32) throw new CliError(`${file} must hold base64 of 32 bytes.`, exitCodes.usage);
  return createWitnessKey(name, seed);
}
