import { Fault } from '../../lib/fault.ts';
import { createProver } from '../prove.ts';
import { checkSignature, parseSignedCheckpoint, type SignedCheckpoint } from '../verify-note.ts';
import type { TrustedWitness } from '../verify-trust.ts';

/** What became of asking a witness. */
export type Asked =
  | { readonly kind: 'cosigned'; readonly line: string; readonly timeS: number }
  /** It has cosigned a larger tree of this log than there is: this log was rolled back, or it is a copy. */
  | { readonly kind: 'ahead'; readonly size: number }
  | { readonly kind: 'failed'; readonly reason: string };

export interface WitnessClient {
  /** Asks for a cosignature on a published checkpoint. Never throws. One call at a time. */
  ask(note: string, signal: AbortSignal): Promise<Asked>;
}

const answerBytesMax = 65_536;

/**
 * Speaks C2SP tlog-witness for one log with one witness. A cosignature is taken only when it verifies under the witness's
 * configured key over exactly this checkpoint; anything else is a failure, and nothing of it is ever published.
 */
export function createWitnessClient(directory: string, { url, key }: TrustedWitness): WitnessClient {
  /** What the witness has cosigned last, as far as we know. */
  let lastSize = 0;

  async function ask(note: string, signal: AbortSignal): Promise<Asked> {
    const checkpoint = parseSignedCheckpoint(note);
    if (typeof checkpoint === 'string') return { kind: 'failed', reason: checkpoint };
    if (url === null) return { kind: 'failed', reason: 'it has no URL' };
    try {
      const first = await submit(url, checkpoint, note, signal);
      // It may have cosigned more since, for another process of ours: once told, ask again.
      return first === 'conflict' ? conflicted(await submit(url, checkpoint, note, signal)) : first;
    } catch (thrown) {
      return { kind: 'failed', reason: Fault.from(thrown).message };
    }
  }

  async function submit(
    to: string,
    checkpoint: SignedCheckpoint,
    note: string,
    signal: AbortSignal,
  ): Promise<Asked | 'conflict'> {
    const { size } = checkpoint;
    if (lastSize > size) return { kind: 'ahead', size: lastSize };
    const proof = await createProver(directory, size).consistency(lastSize, size);
    const lines = [`old ${lastSize}`, ...proof.map((hash) => hash.toString('base64')), ''];
    const response = await fetch(`${to.replace(/\/$/, '')}/add-checkpoint`, {
      method: 'POST',
      body: `${lines.join('\n')}\n${note}`,
      signal,
      redirect: 'error',
    });
    const text = await readText(response);
    if (response.status === 409 && response.headers.get('content-type') === 'text/x.tlog.size') {
      const told = /^(0|[1-9][0-9]{0,15})\n$/.exec(text)?.[1];
      if (told === undefined) return { kind: 'failed', reason: 'it conflicts without saying its size' };
      const isSame = Number(told) === lastSize;
      lastSize = Number(told);
      if (lastSize > size) return { kind: 'ahead', size: lastSize };
      return isSame ? { kind: 'failed', reason: 'it has cosigned another tree of this size' } : 'conflict';
    }
    if (response.status !== 200) return { kind: 'failed', reason: `HTTP ${response.status}` };
    return taken(checkpoint, text);
  }

  function taken(checkpoint: SignedCheckpoint, text: string): Asked {
    for (const line of text.split('\n')) {
      const [, name = '', encoded = ''] = /^\u2014 (\S+) (\S+)$/.exec(line) ?? [];
      const signatures = [{ name, blob: Buffer.from(encoded, 'base64') }];
      const verdict = checkSignature({ ...checkpoint, signatures }, key);
      if (verdict.kind === 'bad') return { kind: 'failed', reason: 'its cosignature does not verify' };
      if (verdict.kind !== 'signed') continue;
      lastSize = checkpoint.size;
      return { kind: 'cosigned', line: `${line}\n`, timeS: verdict.timeS ?? 0 };
    }
    return { kind: 'failed', reason: 'it answered without a cosignature by its key' };
  }

  return { ask };
}

function conflicted(second: Asked | 'conflict'): Asked {
  return second === 'conflict' ? { kind: 'failed', reason: 'it conflicts again' } : second;
}

async function readText(response: Response): Promise<string> {
  let text = '';
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk, { stream: true });
    if (text.length > answerBytesMax) throw new Error('the answer is too long');
  }
  return text;
}
