import { Fault } from '../lib/fault.ts';
import type { RandomBytes } from '../lib/ids.ts';
import { type Checkpointer, createCheckpointer } from './checkpointer.ts';
import { type FsPort, replaceFile } from './fs-port.ts';
import { rawPublicKey } from './keys.ts';
import { layout } from './layout.ts';
import { verifierKey } from './note.ts';
import { type Recovered, recover } from './recover.ts';
import { createWriter, type Writer } from './writer.ts';
import type { FromWriter, ToWriter, WriterInit } from './writer-protocol.ts';

export interface WriterHost {
  receive(message: ToWriter): void;
  /** Lets go of everything, as a crash would. Resolves when nothing is written any more. */
  stop(): Promise<void>;
}

/**
 * Opens the log and runs its writer: recovery, then batches, with a look at files, lock and space at every interval.
 * All that happens is told through `post`. `isMoreWaiting`: messages have come that were not handed over yet.
 */
export function startWriterHost(
  fs: FsPort,
  random: RandomBytes,
  init: WriterInit,
  post: (message: FromWriter) => void,
  isMoreWaiting: () => boolean,
): WriterHost {
  let writer: Writer | null = null;
  let checkpointer: Checkpointer | null = null;
  let watch: NodeJS.Timeout | null = null;
  let isSpaceLow = false;
  let isOver = false;

  function fail(fault: Fault, isDamaged: boolean): void {
    if (isOver) return;
    void stop();
    post({ kind: 'failed', message: fault.message, isDamaged });
  }

  async function stop(): Promise<void> {
    isOver = true;
    if (watch !== null) clearInterval(watch);
    await Promise.all([writer?.abandon(), checkpointer?.abandon()]);
  }

  async function start(): Promise<void> {
    await fs.makeDirectory(layout.segments(init.directory));
    await writeVerifierKey(fs, init);
    const recovered = recover(fs, init.directory, init.origin, init.signingKey, rawPublicKey(init.signingKey));
    writer = openWriter(recovered);
    // From its first moment the log has a signed head: one that has none was tampered with.
    if (recovered.isNew) await checkpointer?.publish();
    const freeBytes = fs.freeBytes(init.directory);
    isSpaceLow = freeBytes < init.freeBytesMin;
    watch = setInterval(look, init.checkIntervalMs);
    post({
      kind: 'ready',
      nextSequence: recovered.nextSequence,
      openIntents: [...writer.openIntents()],
      cutBytes: recovered.cutBytes,
      next: recovered.next,
      checkpointSize: recovered.checkpointSize,
      freeBytes,
    });
    if (isSpaceLow) post({ kind: 'space', isLow: true, freeBytes });
  }

  function openWriter(recovered: Recovered): Writer {
    const publisher = createCheckpointer({
      fs,
      directory: init.directory,
      origin: init.origin,
      signingKey: init.signingKey,
      publicKey: rawPublicKey(init.signingKey),
      intervalMs: init.checkpointIntervalMs,
      tree: recovered.tree,
      bundle: recovered.bundle,
      published: recovered.checkpointSize,
      onPublished: (size) => post({ kind: 'published', size }),
      onFailure: (error) => fail(Fault.from(error, 'audit_unavailable'), false),
    });
    publisher.add(recovered.uncovered);
    checkpointer = publisher;
    return createWriter({
      fs,
      random,
      checkpointer: publisher,
      directory: init.directory,
      origin: init.origin,
      boot: init.boot,
      segmentBytesMax: init.segmentBytesMax,
      openIntentsMax: init.openIntentsMax,
      nextSequence: recovered.nextSequence,
      link: recovered.link,
      openIntents: recovered.nextSequence === 0 ? new Map(init.openIntents) : recovered.openIntents,
      isMoreWaiting,
      onDurable: (sequence) => post({ kind: 'durable', sequence }),
      onFailure: (fault) => fail(fault, false),
    });
  }

  function look(): void {
    try {
      writer?.check();
      if (isOver) return;
      if (fs.read(init.lockFile)?.toString() !== init.lockToken) {
        fail(new Fault('audit_unavailable', 'the lock file is not ours any more: another writer may be at work'), true);
        return;
      }
      fs.touch(init.lockFile);
      const freeBytes = fs.freeBytes(init.directory);
      const isLow = freeBytes < init.freeBytesMin;
      if (isLow !== isSpaceLow) post({ kind: 'space', isLow, freeBytes });
      isSpaceLow = isLow;
    } catch (error) {
      fail(Fault.from(error, 'audit_unavailable'), false);
    }
  }

  start().catch((error: unknown) => fail(Fault.from(error, 'audit_unavailable'), error instanceof Fault));

  return {
    receive: (message) => {
      if (isOver || writer === null) return;
      switch (message.kind) {
        case 'epoch':
          writer.setEpoch({ id: message.id, key: message.key });
          return;
        case 'batch':
          writer.commit(Buffer.from(message.batch.buffer, message.batch.byteOffset, message.batch.byteLength));
          return;
        case 'close':
          closeWriter(writer).then(
            (openIntents) => {
              if (isOver) return;
              void stop();
              post({ kind: 'closed', openIntents });
            },
            (error: unknown) => fail(Fault.from(error, 'audit_unavailable'), false),
          );
          return;
      }
    },
    stop,
  };
}

async function closeWriter(writer: Writer): Promise<readonly (readonly [string, string])[]> {
  await writer.close();
  return [...writer.openIntents()];
}

/** The public key lies beside the log for convenience; an auditor gets it by another way. */
async function writeVerifierKey(fs: FsPort, init: WriterInit): Promise<void> {
  const path = layout.verifierKey(init.directory);
  const key = `${verifierKey(init.origin, rawPublicKey(init.signingKey))}\n`;
  const found = fs.read(path);
  if (found === null) {
    await replaceFile(fs, path, Buffer.from(key));
  } else if (found.toString() !== key) {
    throw new Fault(
      'audit_unavailable',
      `${path} names another log or key: this directory belongs to ${found.toString().trim()}`,
    );
  }
}
