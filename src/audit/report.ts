import { isJsonObject, type JsonObject, type JsonValue } from '../lib/json.ts';
import { readLogs } from './logs.ts';

/** Counts by name, the most frequent first. */
export type Counts = readonly (readonly [name: string, count: number])[];

/** What happened in a period, without a word of what was said. */
export interface PeriodReport {
  readonly records: number;
  readonly exchanges: number;
  readonly subjects: number;
  readonly decisions: Counts;
  readonly rules: Counts;
  /** Found in prompts. */
  readonly entities: Counts;
  /** Exchanges by group of their callers; one exchange may count in several. */
  readonly groups: Counts;
  readonly models: Counts;
  readonly endings: Counts;
  readonly tokens: { readonly in: number; readonly out: number };
  /** Transitions of approvals, by the state that they led to. */
  readonly approvals: Counts;
  /** What the services counted themselves, as their beacons say: it need not be on record otherwise. */
  readonly counted: CountedPeriod;
  readonly accesses: readonly Access[];
  readonly retention: Counts;
  /** Holds that are not released at the end of the period. */
  readonly openHolds: readonly string[];
}

export interface CountedPeriod {
  /** Requests that were decided, faults included: to compare with what Envoy counts. */
  readonly decided: number;
  /** Entries of exchanges that the log did not take: that many are not on record. */
  readonly rejected: number;
}

export interface Access {
  readonly time: string;
  readonly action: string;
  readonly by: string;
  readonly reason: string;
  readonly record: string;
}

/** Names beyond are counted as `other`; accesses beyond are left out, and their number still counts. */
const namesMax = 1_000;
const accessesMax = 10_000;
const subjectsMax = 1_000_000;

/** Reads logs from their beginning and reports what was put on record from `fromMs` up to `untilMs`, all of them together. */
export async function reportPeriod(folders: readonly string[], fromMs: number, untilMs: number): Promise<PeriodReport> {
  const counts = {
    decisions: createCounter(),
    rules: createCounter(),
    entities: createCounter(),
    groups: createCounter(),
    models: createCounter(),
    endings: createCounter(),
    approvals: createCounter(),
    retention: createCounter(),
  };
  const subjects = new Set<string>();
  const holds = new Set<string>();
  const accesses: Access[] = [];
  /** Of each run the last counters before the period, and the last ones in it. */
  const runs = new Map<string, { before: CountedPeriod; last: CountedPeriod }>();
  const tokens = { in: 0, out: 0 };
  let records = 0;
  let exchanges = 0;

  for await (const { id, kind, facts, manifest, wallNs } of readLogs(folders)) {
    const ms = Number(wallNs / 1_000_000n);
    if (ms >= untilMs) continue;
    if (kind === 'hold') holds.add(id);
    if (kind === 'release') holds.delete(text(facts['hold']));
    if (kind === 'beacon') {
      const last = countersOf(facts);
      const boot = text(manifest['boot']);
      const run = runs.get(boot) ?? { before: { decided: 0, rejected: 0 }, last };
      if (runs.size < runsMax || runs.has(boot))
        runs.set(boot, ms < fromMs ? { before: last, last } : { ...run, last });
    }
    if (ms < fromMs) continue;
    records += 1;
    switch (kind) {
      case 'intent':
        exchanges += 1;
        countRequest(facts);
        break;
      case 'outcome':
        // A refusal is the only record of its exchange.
        if (facts['final'] === true) {
          exchanges += 1;
          countRequest(facts);
        }
        counts.endings.add(text(facts['ended']));
        tokens.in += number(member(facts, 'usage')['in']);
        tokens.out += number(member(facts, 'usage')['out']);
        break;
      case 'aborted':
        counts.endings.add('aborted');
        break;
      case 'approval':
        counts.approvals.add(text(facts['to']));
        break;
      case 'access':
        if (accesses.length < accessesMax) accesses.push(accessOf(facts, ms));
        counts.retention.add(`access: ${text(facts['action'])}`);
        break;
      case 'hold':
      case 'release':
      case 'erase':
      case 'erase_deferred':
        counts.retention.add(kind);
        break;
      case 'expire':
        counts.retention.add(`expire: ${text(facts['class'])}`);
        break;
      default:
        break;
    }
  }

  function countRequest(facts: JsonObject): void {
    const decision = member(facts, 'decision');
    const caller = member(facts, 'caller');
    counts.decisions.add(text(decision['action']) || 'none');
    for (const rule of texts(decision['rules'])) counts.rules.add(rule);
    for (const finding of list(facts['findings']))
      counts.entities.add(text(finding['entity']), number(finding['count']));
    for (const group of texts(caller['groups'])) counts.groups.add(group);
    if (text(facts['model']) !== '') counts.models.add(text(facts['model']));
    if (subjects.size < subjectsMax && text(caller['pseudonym']) !== '') subjects.add(text(caller['pseudonym']));
  }

  return {
    records,
    exchanges,
    subjects: subjects.size,
    decisions: counts.decisions.list(),
    rules: counts.rules.list(),
    entities: counts.entities.list(),
    groups: counts.groups.list(),
    models: counts.models.list(),
    endings: counts.endings.list(),
    tokens,
    approvals: counts.approvals.list(),
    counted: {
      decided: sum([...runs.values()].map(({ before, last }) => last.decided - before.decided)),
      rejected: sum([...runs.values()].map(({ before, last }) => last.rejected - before.rejected)),
    },
    accesses,
    retention: counts.retention.list(),
    openHolds: [...holds],
  };
}

/** Runs of services, starts and restarts, whose counters are added up. */
const runsMax = 100_000;

function countersOf(facts: JsonObject): CountedPeriod {
  const counters = member(facts, 'counters');
  const decisions = member(counters, 'decisions');
  return {
    decided: sum(Object.values(decisions).map(number)),
    rejected: number(member(counters, 'intents')['rejected']) + number(member(counters, 'outcomes')['rejected']),
  };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}

function accessOf(facts: JsonObject, ms: number): Access {
  const by = member(facts, 'by');
  return {
    time: new Date(ms).toISOString(),
    action: text(facts['action']),
    by: text(by['id']),
    reason: text(facts['reason']),
    record: text(facts['record']),
  };
}

function createCounter(): { add(name: string, by?: number): void; list(): Counts } {
  const counts = new Map<string, number>();
  return {
    add: (name, by = 1) => {
      const key = counts.has(name) || counts.size < namesMax ? name : 'other';
      counts.set(key, (counts.get(key) ?? 0) + by);
    },
    list: () => [...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)),
  };
}

function member(object: JsonObject, name: string): JsonObject {
  const value = object[name];
  return isJsonObject(value) ? value : {};
}

function list(value: JsonValue | undefined): JsonObject[] {
  return Array.isArray(value) ? value.filter(isJsonObject) : [];
}

function texts(value: JsonValue | undefined): string[] {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

function text(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value : '';
}

function number(value: JsonValue | undefined): number {
  return typeof value === 'number' ? value : 0;
}
