/**
 * Speed of detection, all core rules, one core: `npm run bench:detect`. Medians of many short slices of processor time, each subject and
 * size warmed up until it is steady; beside them, in the same run, the same rules as a loop of native expressions, secretlint and
 * openredaction. A machine whose cores are threads that others use as well wobbles by a factor of two, in seconds: see the best quartile.
 * `--only text|growth|streams|attacks|alone|patterns` for one of the tables.
 */
import { parseArgs } from 'node:util';
import { admitPatterns } from '../../src/detect/custom-pattern.ts';
import { createDetector } from '../../src/detect/detector.ts';
import type { Detector } from '../../src/detect/finding.ts';
import { compileProgram } from '../../src/detect/program.ts';
import { rules as catalogue } from '../../src/detect/rules/catalogue.ts';
import { createSession } from '../../src/detect/session.ts';
import { Fault } from '../../src/lib/fault.ts';
import { attacksOn, knownAttacks } from '../support/attack-texts.ts';
import { promptText } from '../support/prompt-text.ts';
import { createRivals } from './detect-rivals.ts';

const { values: options } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, only: { type: 'string' } },
});
const slices = options.quick ? 5 : 25;
const started = performance.now();
const detector = createDetector({ tier: 'core' });
const core = catalogue.filter(({ tier }) => tier === 'core');
console.log(`${core.length} rules compiled in ${(performance.now() - started).toFixed(0)} ms`);

/** A value to find every 2 KB. */
function text(length: number, seed: number): string {
  const parts: string[] = [];
  for (let at = 0; at < length; at += 2_048) parts.push(promptText(2_048, seed + at, false), promptText(60, at, true));
  return parts.join('').slice(0, length);
}

/** Microseconds of processor time: other processes on the machine do not count. */
function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** The value that `share` of all are below. */
function quantile(values: readonly number[], share: number): number {
  return [...values].sort((a, b) => a - b)[Math.floor(share * (values.length - 1))] ?? 0;
}

/** Microseconds of one call: the median over slices of at least some milliseconds, and the quarter of them that was the fastest. */
interface Times {
  readonly median: number;
  /** On a machine that others use, what the work costs; the median has what they take from it. */
  readonly bestQuartile: number;
}

async function times(run: () => unknown, sliceUs = 10_000): Promise<Times> {
  const calls = await warmUp(run, sliceUs);
  const taken: number[] = [];
  for (let slice = 0; slice < slices; slice++) taken.push((await cpuOf(run, calls)) / calls);
  return { median: quantile(taken, 0.5), bestQuartile: quantile(taken, 0.25) };
}

async function time(run: () => unknown): Promise<number> {
  return (await times(run)).median;
}

async function cpuOf(run: () => unknown, calls: number): Promise<number> {
  const begin = cpuUs();
  for (let i = 0; i < calls; i++) await run();
  return cpuUs() - begin;
}

/**
 * Runs until it is steady: for a second, and on until three slices of a tenth of a second differ by less than a twentieth, or for three.
 * The first calls run in the interpreter, and code that was not run for a while is thrown away: a service in use knows neither. What takes
 * longer than a second in one call is taken to be steady. Returns how many calls fill a slice.
 */
async function warmUp(run: () => unknown, sliceUs = 10_000): Promise<number> {
  const recent: number[] = [];
  let calls = 1;
  for (const begin = cpuUs(); ; ) {
    const us = await cpuOf(run, calls);
    recent.push(us / calls);
    if (us < warmUs) calls = Math.ceil(calls * Math.min(2, (1.1 * warmUs) / Math.max(us, 1)));
    const last = recent.slice(-3);
    if (calls === 1 && us > 10 * warmUs) break;
    const isSteady = us >= warmUs && last.length === 3 && Math.max(...last) < 1.05 * Math.min(...last);
    const spent = cpuUs() - begin;
    if (spent > 3_000_000 || (spent > 1_000_000 && isSteady)) break;
  }
  return Math.max(1, Math.ceil(sliceUs / (recent.at(-1) ?? sliceUs)));
}

const warmUs = 100_000;

function rate(bytes: number, us: number): string {
  return (bytes / us).toFixed(1);
}

/** Texts of one length, a mebibyte of them and two at least, a different one each call: no branch predictor learns them by heart. */
function turns(length: number): () => string {
  const texts = Array.from({ length: Math.max(2, Math.ceil(1_048_576 / length)) }, (_, i) => text(length, i));
  let turn = 0;
  return () => texts[turn++ % texts.length] ?? '';
}

/** By the number of their patterns. */
const detectors = new Map<number, Detector>();

const tables: Readonly<Record<string, () => Promise<void>>> = {
  text: textTable,
  growth: growthTable,
  streams: streamTable,
  attacks: attackTable,
  alone: aloneTable,
  patterns: patternTable,
};
const wanted = options.only === undefined ? Object.values(tables) : [tables[options.only]];
for (const print of wanted) {
  if (!print) throw new Error(`--only ${Object.keys(tables).join('|')}`);
  await print();
}

async function textTable(): Promise<void> {
  const sizes = [1_024, 16_384, 1_048_576];
  const table: Record<string, Record<string, string>> = {};
  for (const [name, scan] of Object.entries({ countersign: (t: string) => detector.scan(t), ...createRivals(core) })) {
    const row: Record<string, string> = {};
    for (const size of sizes) {
      if (name !== 'countersign' && size > 100_000 && options.quick) continue;
      const next = turns(name === 'countersign' ? size : Math.min(size, 131_072));
      const bytes = name === 'countersign' ? size : Math.min(size, 131_072);
      const { median, bestQuartile } = await times(() => scan(next()), name === 'countersign' ? 10_000 : 2_000);
      row[`${size / 1_024} KB, MB/s (best quartile)`] = `${rate(bytes, median)} (${rate(bytes, bestQuartile)})`;
    }
    table[name] = row;
  }
  console.log(
    'prompt-like text (prose, code, JSON, logs), a value to find every 2 KB; rivals read 128 KB at most; goal: 50 MB/s',
  );
  console.table(table);
}

async function growthTable(): Promise<void> {
  const growth: Record<string, Record<string, string>> = {};
  let least = Number.POSITIVE_INFINITY;
  for (const size of [1_024, 10_240, 102_400, 1_048_576, 10_485_760]) {
    const next = turns(size);
    const { median: us } = await times(() => detector.scan(next()));
    least = Math.min(least, us / size);
    growth[`${size / 1_024} KB`] = {
      'ns a byte': ((1_000 * us) / size).toFixed(1),
      'MB/s': rate(size, us),
      'times the least before': (us / size / least).toFixed(2),
    };
  }
  console.log('the cost of a byte as the text grows; goal: the same');
  console.table(growth);
}

async function streamTable(): Promise<void> {
  const deltas: Record<string, Record<string, string>> = {};
  for (const [name, whole] of Object.entries({
    'a value every 2 KB': text(65_536, 1),
    '8 values a KB': promptText(65_536, 1, true),
  })) {
    const pieces = whole.match(/[\s\S]{1,40}/g) ?? [];
    const us = await time(() => {
      const scanner = detector.openStream();
      for (const piece of pieces) scanner.push(piece);
      scanner.close();
    });
    deltas[name] = { 'us a delta': (us / pieces.length).toFixed(2) };
  }
  console.log('streams, deltas of 40 characters; goal: 10 us');
  console.table(deltas);
}

/** Several rounds through all of them, with ordinary text in between: what the machine does besides for a second hits none alone. */
async function attackTable(): Promise<void> {
  /** The rule that each text was made from; several rules may have the same. */
  const ruleOf = new Map([
    ...core.flatMap((rule) => attacksOn(rule).map((attack) => [attack, rule.id] as const)),
    ...knownAttacks.map((attack) => [attack, 'found by search'] as const),
  ]);
  const next = turns(65_536);
  await warmUp(() => detector.scan(next()));
  const ordinary = createSubject('', 'prompt-like text', () => detector.scan(next()));
  const subjects = [...ruleOf].map(([attack, rule]) => {
    const hostile = attack.repeat(Math.ceil(65_536 / attack.length));
    return createSubject(attack, rule, () => scanned(hostile));
  });
  for (const subject of subjects) for (let call = 0; call < 5; call++) subject.call();
  // What is near the goal after a few calls, which compile as well, is measured in earnest.
  const near = subjects.filter((subject) => subject.rates().best < 12);
  for (const subject of [...near, ordinary]) subject.forget();
  for (let round = 0; round < slices; round++) for (const subject of [...near, ordinary]) subject.call();
  const rows = near.map((subject) => ({ subject, ...subject.rates() })).sort((a, b) => a.median - b.median);
  const below = rows.filter(({ median }) => median < 5).length;
  console.log(
    `the worst of ${subjects.length} attack strings, 64 KB each, made from every rule's anchors and examples, or found by search; goal: 5 MB/s`,
  );
  console.log(
    `below: ${below} by the median, ${rows.filter(({ best }) => best < 5).length} at best; ordinary text between them:`,
  );
  console.table([{ subject: ordinary, ...ordinary.rates() }, ...rows.slice(0, Math.max(12, below))].map(rowOf));
}

function rowOf({ subject, median, best }: { subject: Subject; median: number; best: number }): Record<string, string> {
  return {
    rule: subject.rule,
    attack: subject.attack,
    'MB/s': median.toFixed(1),
    'at best': best.toFixed(1),
  };
}

/** Each rule by itself, against its own texts and all that a search found. */
async function aloneTable(): Promise<void> {
  const subjects = core.flatMap((rule) => {
    const session = createSession(compileProgram([rule]));
    return [...new Set([...attacksOn(rule), ...knownAttacks])].map((attack) => {
      const hostile = attack.repeat(Math.ceil(65_536 / attack.length));
      return createSubject(attack, rule.id, () => refusedOrNot(() => session.feed(hostile, true), session.restart));
    });
  });
  for (const subject of subjects) for (let call = 0; call < 4; call++) subject.call();
  const near = subjects.filter((subject) => subject.rates().best < 16);
  for (const subject of near) for (let call = 0; call < 20; call++) subject.call();
  for (const subject of near) subject.forget();
  for (let round = 0; round < slices; round++) for (const subject of near) subject.call();
  const rows = near.map((subject) => ({ subject, ...subject.rates() })).sort((a, b) => a.median - b.median);
  const below = rows.filter(({ median }) => median < 5).length;
  console.log(`each of ${core.length} rules by itself, against its worst of ${subjects.length} texts; goal: 5 MB/s`);
  console.log(`below: ${below} by the median, ${rows.filter(({ best }) => best < 5).length} at best`);
  console.table(rows.slice(0, Math.max(8, below)).map(rowOf));
}

interface Subject {
  readonly attack: string;
  readonly rule: string;
  call(): void;
  forget(): void;
  /** MB/s. */
  rates(): { readonly median: number; readonly best: number };
}

/** 64 KB that are read again and again. */
function createSubject(attack: string, rule: string, run: () => unknown): Subject {
  let taken: number[] = [];
  return {
    attack,
    rule,
    call: () => {
      const begin = cpuUs();
      run();
      taken.push(Math.max(1, cpuUs() - begin));
    },
    forget: () => {
      taken = [];
    },
    rates: () => ({ median: 65_536 / quantile(taken, 0.5), best: 65_536 / quantile(taken, 0) }),
  };
}

function scanned(hostile: string): void {
  refusedOrNot(() => detector.scan(hostile));
}

/** More findings than are allowed are an outcome of their own, found out at the same cost. */
function refusedOrNot(run: () => unknown, after: () => void = () => {}): void {
  try {
    run();
  } catch (error) {
    if (Fault.from(error).code !== 'detection_failed') throw error;
  } finally {
    after();
  }
}

async function patternTable(): Promise<void> {
  const next = turns(16_384);
  const none = await time(() => detector.scan(next()));
  const custom: Record<string, Record<string, string>> = {};
  for (const count of [20, 200]) {
    const us = await time(() => withPatterns(count).scan(next()));
    custom[`${count} patterns`] = { 'times the cost of none': (us / none).toFixed(2) };
  }
  console.log('custom patterns (project numbers such as ABC-4711), 16 KB; goal: 3 times');
  console.table(custom);
}

function withPatterns(count: number): Detector {
  const known = detectors.get(count);
  if (known) return known;
  const patterns = Array.from({ length: count }, (_, i) => ({
    id: `project-${i}`,
    entity: 'PROJECT_NUMBER',
    pattern: `P${String.fromCharCode(65 + (i % 26))}${String.fromCharCode(65 + ((i / 26) | 0))}-[0-9]{4,8}`,
    score: 0.9,
    context: [],
  }));
  const admitted = admitPatterns(patterns);
  if (!admitted.ok) throw new Error(admitted.error.map(({ problem }) => problem).join('; '));
  const made = createDetector({ tier: 'core', custom: admitted.value });
  detectors.set(count, made);
  return made;
}
