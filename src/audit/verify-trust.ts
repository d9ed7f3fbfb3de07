import { checkSignature, type NoteKey, parseNoteKey, type SignedCheckpoint } from './verify-note.ts';
import { keyFor } from './verify-place.ts';

/** A C2SP tlog-policy: which logs are known, and which witnesses together are enough. */
export interface TrustPolicy {
  readonly logs: readonly NoteKey[];
  readonly witnesses: readonly TrustedWitness[];
  /** Null: `quorum none`. */
  readonly quorum: Quorum | null;
}

export interface TrustedWitness {
  /** Its name within the policy. */
  readonly name: string;
  readonly key: NoteKey;
  /** Submission prefix; null: not given. */
  readonly url: string | null;
}

/** A witness, or so many of several. */
export type Quorum =
  | { readonly kind: 'witness'; readonly witness: TrustedWitness }
  | { readonly kind: 'group'; readonly threshold: number; readonly members: readonly Quorum[] };

const linesMax = 1_024;

/** Reads a policy file, or says what is wrong with which line. */
export function parseTrustPolicy(file: string): TrustPolicy | string {
  const logs: NoteKey[] = [];
  const witnesses: TrustedWitness[] = [];
  const names = new Map<string, Quorum>();
  const members = new Set<string>();
  const keys = new Set<string>();
  let quorum: Quorum | null | undefined;
  const lines = file.split('\n');
  if (lines.length > linesMax) return `it has more than ${linesMax} lines`;
  for (const [index, line] of lines.entries()) {
    const wrong = (what: string): string => `line ${index + 1}: ${what}`;
    const [word, ...rest] = line.split(/[ \t]+/).filter((item) => item !== '');
    if (word === undefined || word.startsWith('#')) continue;
    switch (word) {
      case 'log': {
        const key = parseNoteKey(rest[0] ?? '');
        if (key === null || key.algorithm !== 'ed25519' || rest.length > 2) return wrong('it names no log key');
        if (!once(keys, `log ${key.raw.toString('hex')}`)) return wrong('the log is there twice');
        logs.push(key);
        break;
      }
      case 'witness': {
        const [name = '', vkey = '', url = null] = rest;
        const key = parseNoteKey(vkey);
        if (key === null || key.algorithm !== 'cosignature' || rest.length > 3) return wrong('it names no witness key');
        if (!once(keys, `witness ${key.raw.toString('hex')}`)) return wrong('the witness is there twice');
        if (name === 'none' || names.has(name)) return wrong(`the name ${name} is taken`);
        const witness = { name, key, url };
        witnesses.push(witness);
        names.set(name, { kind: 'witness', witness });
        break;
      }
      case 'group': {
        const [name = '', rule = '', ...listed] = rest;
        if (name === 'none' || name === '' || names.has(name)) return wrong(`the name ${name} is taken`);
        const parts: Quorum[] = [];
        for (const each of listed) {
          const part = names.get(each);
          if (part === undefined) return wrong(`${each} is not defined before`);
          if (!once(members, each)) return wrong(`${each} is a member already`);
          parts.push(part);
        }
        const threshold = rule === 'any' ? 1 : rule === 'all' ? parts.length : Number(/^[1-9][0-9]*$/.exec(rule)?.[0]);
        if (!(threshold >= 1 && threshold <= parts.length)) return wrong('the group can never be complete');
        names.set(name, { kind: 'group', threshold, members: parts });
        break;
      }
      case 'quorum': {
        if (quorum !== undefined) return wrong('there is a quorum already');
        const named = names.get(rest[0] ?? '');
        if (rest.length !== 1 || (rest[0] !== 'none' && named === undefined)) return wrong('it names nothing known');
        quorum = named ?? null;
        break;
      }
      default:
        return wrong(`${word.slice(0, 32)} is not known here`);
    }
  }
  return quorum === undefined ? 'it has no quorum line' : { logs, witnesses, quorum };
}

function once(seen: Set<string>, item: string): boolean {
  if (seen.has(item)) return false;
  seen.add(item);
  return true;
}

/** What a policy makes of a checkpoint. */
export interface TrustReport {
  /** The key of the log that signed it; null: none that is known, or its signature does not hold. */
  readonly log: NoteKey | null;
  /** Witnesses whose cosignature holds, with their own time, seconds since the epoch. */
  readonly witnesses: readonly { readonly name: string; readonly timeS: number }[];
  readonly hasQuorum: boolean;
}

export function judge(checkpoint: SignedCheckpoint, policy: TrustPolicy): TrustReport {
  const signing = policy.logs.flatMap((key) => keyFor([key], checkpoint.origin) ?? []);
  const log = signing.find((key) => checkSignature(checkpoint, key).kind === 'signed') ?? null;
  const witnesses = policy.witnesses.flatMap(({ name, key }) => {
    const verdict = checkSignature(checkpoint, key);
    return verdict.kind === 'signed' ? [{ name, timeS: verdict.timeS ?? 0 }] : [];
  });
  const signed = new Set(witnesses.map(({ name }) => name));
  return { log, witnesses, hasQuorum: log !== null && (policy.quorum === null || meets(policy.quorum, signed)) };
}

function meets(quorum: Quorum, signed: ReadonlySet<string>): boolean {
  if (quorum.kind === 'witness') return signed.has(quorum.witness.name);
  return quorum.members.filter((member) => meets(member, signed)).length >= quorum.threshold;
}
