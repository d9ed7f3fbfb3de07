import { join } from 'node:path';
import { createTurns } from '../../lib/turns.ts';
import { type FsPort, replaceFile } from '../fs-port.ts';
import { isConsistent, proofHashesMax } from '../verify-merkle.ts';
import { checkSignature, type NoteKey, parseSignedCheckpoint, type SignedCheckpoint } from '../verify-note.ts';
import { keyFor, logOfShard } from '../verify-place.ts';
import { sha256 } from '../verify-problems.ts';
import type { WitnessKey } from './witness-key.ts';

/** An answer of `add-checkpoint` (C2SP tlog-witness). */
export interface WitnessAnswer {
  readonly status: 200 | 400 | 403 | 404 | 409 | 422;
  readonly body: string;
  readonly contentType: string;
}

export interface Witness {
  /** `body` is that of the request. Requests about one log are taken one after the other. */
  addCheckpoint(body: string): Promise<WitnessAnswer>;
}

export interface WitnessOptions {
  readonly fs: FsPort;
  /** Where the last cosigned checkpoint of each log is kept: one small file a log. */
  readonly directory: string;
  readonly key: WitnessKey;
  /** The logs that are witnessed, and with each its shards, which sign by its key; an origin may have several keys. */
  readonly logs: readonly NoteKey[];
  readonly nowMs: () => number;
}

/** A request as it is sent; longer ones are none. */
export const witnessRequestBytesMax = 65_536;

/**
 * A witness: remembers the last tree head that it has cosigned of each log, and cosigns another one only when it is signed
 * by the log and provably grew from that. What it remembers is durable before it answers, so that no crash makes it cosign
 * a fork. It needs no trust in the log, and keeps nothing of its content.
 */
export function createWitness(options: WitnessOptions): Witness {
  /** By log, so no more than there are: comparing and persisting are one step. */
  const turns = new Map(options.logs.map(({ name }) => [logOfShard(name), createTurns(null)]));

  async function addCheckpoint(body: string): Promise<WitnessAnswer> {
    const request = parseRequest(body);
    if (request === null) return plain(400, 'malformed request');
    const { checkpoint } = request;
    // Shards of a log take their turns with it.
    const inTurn = turns.get(logOfShard(checkpoint.origin));
    if (inTurn === undefined) return plain(404, 'unknown log');
    const keys = options.logs.flatMap((key) => keyFor([key], checkpoint.origin) ?? []);
    if (!keys.some((key) => checkSignature(checkpoint, key).kind === 'signed'))
      return plain(403, 'not signed by the log');
    if (request.oldSize > checkpoint.size) return plain(400, 'the old size is larger than the checkpoint');
    return inTurn(() => extend(request));
  }

  async function extend({ oldSize, proof, checkpoint }: AddRequest): Promise<WitnessAnswer> {
    const path = join(options.directory, `${sha256(Buffer.from(checkpoint.origin)).toString('hex')}.json`);
    const last = readState(options.fs, path, checkpoint.origin);
    if (oldSize !== last.size) return sizeOf(last);
    if (oldSize === checkpoint.size && oldSize > 0 && !last.root.equals(checkpoint.root)) return sizeOf(last);
    if (!isConsistent(oldSize, last.root, checkpoint.size, checkpoint.root, proof)) {
      return plain(422, 'the proof does not hold');
    }
    if (checkpoint.size > last.size) {
      const { origin, size, root } = checkpoint;
      const text = `${JSON.stringify({ v: 1, origin, size, root: root.toString('base64') })}\n`;
      await replaceFile(options.fs, path, Buffer.from(text));
    }
    return plain(200, options.key.cosign(checkpoint.body, Math.floor(options.nowMs() / 1000)));
  }

  return { addCheckpoint };
}

interface AddRequest {
  readonly oldSize: number;
  readonly proof: readonly Buffer[];
  readonly checkpoint: SignedCheckpoint;
}

function parseRequest(body: string): AddRequest | null {
  const split = body.indexOf('\n\n');
  if (split < 0 || body.length > witnessRequestBytesMax) return null;
  const [first = '', ...lines] = body.slice(0, split).split('\n');
  const old = /^old (0|[1-9][0-9]{0,15})$/.exec(first)?.[1];
  const proof = lines.map((line) => Buffer.from(line, 'base64'));
  const isSound = proof.every((hash, i) => hash.length === 32 && hash.toString('base64') === lines[i]);
  const checkpoint = parseSignedCheckpoint(body.slice(split + 2));
  if (old === undefined || !isSound || proof.length > proofHashesMax || typeof checkpoint === 'string') return null;
  return { oldSize: Number(old), proof, checkpoint };
}

interface Remembered {
  readonly size: number;
  readonly root: Buffer;
}

/** Throws when the file is damaged: a witness that has forgotten MUST NOT cosign anew. */
function readState(fs: FsPort, path: string, origin: string): Remembered {
  const bytes = fs.read(path);
  if (bytes === null) return { size: 0, root: sha256(Buffer.alloc(0)) };
  const value: unknown = JSON.parse(bytes.toString());
  const member = (name: string): unknown =>
    typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
  const size = member('size');
  const root = Buffer.from(String(member('root')), 'base64');
  if (member('origin') !== origin || typeof size !== 'number' || !Number.isSafeInteger(size) || root.length !== 32) {
    throw new Error(`${path} is damaged`);
  }
  return { size, root };
}

function sizeOf({ size }: Remembered): WitnessAnswer {
  return { status: 409, body: `${size}\n`, contentType: 'text/x.tlog.size' };
}

function plain(status: WitnessAnswer['status'], body: string): WitnessAnswer {
  return { status, body: status === 200 ? body : `${body}\n`, contentType: 'text/plain; charset=utf-8' };
}
