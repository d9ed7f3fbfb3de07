import { member } from './verify-json.ts';
import { checkSignature, parseSignedCheckpoint } from './verify-note.ts';
import { keyFor, logOfShard } from './verify-place.ts';
import type { ProblemList } from './verify-problems.ts';
import type { CheckedTree } from './verify-tree.ts';
import { judge, type TrustPolicy } from './verify-trust.ts';

/** What a log's beacons say of it. */
export interface BeaconReport {
  readonly count: number;
  /** Those that bring a checkpoint which witnesses of the policy have cosigned; 0 without a policy. */
  readonly vouched: number;
  /** Times of those witnesses: the first record behind the first of them was written after the one … */
  readonly fromS: number | null;
  /** … and what the checkpoint of the last one covers existed before the other. */
  readonly untilS: number | null;
}

/** What beacons count of one kind of record: at most so many were put on record by then, and at least so many. */
interface Tally {
  readonly asked: number;
  readonly recorded: number;
}

/** One run of a service, between two beacons: null, where records in between are not there. */
interface Run {
  mark: Readonly<Record<Counted, Tally>> | null;
  here: Record<Counted, number>;
}

const counted = { intent: 'intents', outcome: 'outcomes' } as const;
type Counted = (typeof counted)[keyof typeof counted];

/** Takes the records of a log in order, over all of its shards, and then says what its beacons do not agree with. */
export interface BeaconCheck {
  take(manifest: object): void;
  /** Compares the checkpoints that beacons of this log bring with its tree. Forgets them: the next shard has its own. */
  judge(origin: string, tree: CheckedTree, trust: TrustPolicy, problems: ProblemList): Promise<BeaconReport>;
}

interface Head {
  readonly sequence: number;
  readonly note: string;
}

export function createBeaconCheck(): BeaconCheck {
  const runs = new Map<string, Run>();
  let wrongCounts: { readonly sequence: number; readonly what: string }[] = [];
  let heads: Head[] = [];
  let count = 0;
  let origin = '';
  let next = 0;

  function take(manifest: object): void {
    const sequence = Number(member(manifest, 'seq'));
    const log = String(member(manifest, 'origin'));
    // Where records are missing, nothing can be said of how many there were.
    if (log !== origin ? sequence !== 0 : sequence !== next) for (const run of runs.values()) run.mark = null;
    origin = log;
    next = sequence + 1;
    const boot = String(member(manifest, 'boot'));
    const kind = member(manifest, 'kind');
    const facts = member(manifest, 'facts');
    const run = runs.get(boot);
    if (kind === 'intent' || kind === 'outcome') {
      if (run !== undefined) run.here[counted[kind]] += 1;
    } else if (kind === 'open' && run === undefined) {
      // A run's first record, and the end of the ones before: a log has one writer.
      runs.clear();
      runs.set(boot, { mark: { intents: none, outcomes: none }, here: { intents: 0, outcomes: 0 } });
    } else if (kind === 'beacon') {
      count += 1;
      const note = member(facts, 'checkpoint');
      if (typeof note === 'string') heads.push({ sequence, note });
      takeCounters(sequence, member(facts, 'counters'), run);
    }
  }

  function takeCounters(sequence: number, counters: unknown, run: Run | undefined): void {
    if (run === undefined || typeof counters !== 'object' || counters === null) return;
    const now = { intents: tallyOf(member(counters, 'intents')), outcomes: tallyOf(member(counters, 'outcomes')) };
    for (const name of ['intents', 'outcomes'] as const) {
      const mark = run.mark?.[name];
      if (mark === undefined) continue;
      const least = now[name].recorded - mark.asked;
      const most = now[name].asked - mark.recorded;
      const here = run.here[name];
      if (here >= least && here <= most) continue;
      const wanted = here < least ? `at least ${least}` : `at most ${most}`;
      wrongCounts.push({
        sequence,
        what: `it counts ${wanted} ${name} since the one before it, and there are ${here}`,
      });
    }
    run.mark = now;
    run.here = { intents: 0, outcomes: 0 };
  }

  return {
    take,
    judge: async (log, tree, trust, problems) => {
      const [told, brought, taken] = [wrongCounts, heads, count];
      [wrongCounts, heads, count] = [[], [], 0];
      for (const { sequence, what } of told) problems.add('records', `beacon ${sequence}`, what);
      const own = brought.flatMap((head) => checkedHead(head, log, trust, problems));
      const roots = tree.rootsAt(own.map(({ size }) => size));
      const times = own.flatMap(({ sequence, size, root, times: of }) => {
        if (roots.get(size)?.equals(root) === true) return of;
        problems.add('records', `beacon ${sequence}`, 'the log is not the one whose checkpoint it brings');
        return [];
      });
      return {
        count: taken,
        vouched: times.length,
        fromS: times.length === 0 ? null : Math.min(...times),
        untilS: times.length === 0 ? null : Math.max(...times),
      };
    },
  };
}

interface CheckedHead {
  readonly sequence: number;
  readonly size: number;
  readonly root: Buffer;
  /** The witnesses' latest time; empty: no witness of the policy has cosigned it. */
  readonly times: readonly number[];
}

/** A beacon's checkpoint, if it is of this very log: behind the turn to a new shard it may be of the one before. */
function checkedHead({ sequence, note }: Head, log: string, trust: TrustPolicy, problems: ProblemList): CheckedHead[] {
  const wrong = (what: string): CheckedHead[] => {
    problems.add('records', `beacon ${sequence}`, what);
    return [];
  };
  const checkpoint = parseSignedCheckpoint(note);
  if (typeof checkpoint === 'string') return wrong(`of its checkpoint: ${checkpoint}`);
  if (logOfShard(checkpoint.origin) !== logOfShard(log))
    return wrong(`its checkpoint is of another log: ${checkpoint.origin}`);
  if (checkpoint.origin !== log) return [];
  const key = keyFor(trust.logs, log);
  if (key !== null && checkSignature(checkpoint, key).kind !== 'signed')
    return wrong('its checkpoint is not signed by this log');
  const { size, root } = checkpoint;
  if (size > sequence) return wrong(`its checkpoint covers ${size} records, which is more than there were`);
  const times = judge(checkpoint, trust).witnesses.map(({ timeS }) => timeS);
  return [{ sequence, size, root, times: times.length === 0 ? [] : [Math.max(...times)] }];
}

const none: Tally = { asked: 0, recorded: 0 };

function tallyOf(value: unknown): Tally {
  return { asked: Number(member(value, 'asked')), recorded: Number(member(value, 'recorded')) };
}
