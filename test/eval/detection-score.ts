import { existsSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import type { Detector, Finding } from '../../src/detect/finding.ts';

/** One labelled text, as in the labelled data's README. */
export interface Labelled {
  readonly suite: string;
  readonly id: string;
  readonly source: string;
  readonly text: string;
  readonly entity: string;
  readonly spans: readonly (readonly [number, number])[] | null;
  readonly expect: boolean;
  readonly tier: string;
  readonly level: string;
  readonly weak?: boolean;
  readonly labels?: readonly { readonly entity: string; readonly start: number; readonly end: number }[];
}

/** What was found of one suite's labels of one kind. */
export interface Score {
  readonly suite: string;
  readonly entity: string;
  readonly tier: string;
  readonly found: number;
  readonly labelled: number;
  readonly covered: number;
  readonly characters: number;
  readonly falsePositives: number;
  readonly negatives: number;
  /** Texts behind the two kinds of error. */
  readonly missed: readonly string[];
  readonly wrong: readonly string[];
}

const dataUrl = new URL('../../../shared/data/detection-dev.jsonl.gz', import.meta.url);

export function hasDevelopmentData(): boolean {
  return existsSync(dataUrl);
}

export function readDevelopmentData(): readonly Labelled[] {
  const lines = gunzipSync(readFileSync(dataUrl)).toString('utf8').trimEnd().split('\n');
  return lines.map((line): Labelled => JSON.parse(line));
}

/** Entities that have labels in documents; the other labels (names, places) are not detected yet. */
const documentEntities = new Set(['CREDIT_CARD', 'US_SSN', 'EMAIL_ADDRESS', 'PHONE_NUMBER', 'IBAN_CODE', 'IP_ADDRESS']);

interface Tally {
  found: number;
  labelled: number;
  covered: number;
  characters: number;
  falsePositives: number;
  negatives: number;
  readonly missed: string[];
  readonly wrong: string[];
}

/** A labelled span is found when a finding of its class overlaps it; a negative is wrong when one of its class is made. */
export function score(detector: Detector, data: readonly Labelled[]): readonly Score[] {
  const tallies = new Map<string, Tally>();
  function tally(each: Labelled, entity: string): Tally {
    const key = [each.suite, entity, each.tier].join('|');
    const known = tallies.get(key);
    if (known) return known;
    const fresh = {
      ...{ found: 0, labelled: 0, covered: 0, characters: 0, falsePositives: 0, negatives: 0 },
      missed: [],
      wrong: [],
    };
    tallies.set(key, fresh);
    return fresh;
  }
  for (const each of data) {
    if (each.weak) continue;
    const { findings } = detector.scan(each.text);
    if (each.level === 'doc') scoreDocument(each, findings, tally);
    else scoreText(each, findings, tally(each, each.entity));
  }
  return [...tallies].map(([key, values]) => {
    const [suite = '', entity = '', tier = ''] = key.split('|');
    return { suite, entity, tier, ...values };
  });
}

function scoreText(each: Labelled, findings: readonly Finding[], tally: Tally): void {
  const own = findings.filter((finding) => isOfClass(each.entity, finding.entity));
  if (!each.expect) {
    tally.negatives++;
    if (own.length > 0) note(tally, 'falsePositives', tally.wrong, `${each.text}  ⇒ ${describe(each.text, own)}`);
    return;
  }
  const whole = each.spans === null || each.spans.length === 0 || each.level === 'text';
  for (const [start, end] of whole ? [[0, each.text.length] as const] : (each.spans ?? [])) {
    count(each, own, start, end, tally, !whole);
  }
}

function scoreDocument(
  each: Labelled,
  findings: readonly Finding[],
  tally: (each: Labelled, entity: string) => Tally,
): void {
  const labels = (each.labels ?? []).filter(({ entity }) => documentEntities.has(entity));
  for (const { entity, start, end } of labels) {
    const own = findings.filter((finding) => isOfClass(entity, finding.entity));
    count(each, own, start, end, tally(each, entity), true);
  }
  const clean = tally(each, labels.length > 0 ? 'DOC (findings beside labels)' : 'DOC (clean)');
  clean.negatives++;
  const stray = findings.filter(({ start, end }) => !labels.some((label) => label.start < end && start < label.end));
  if (stray.length > 0) note(clean, 'falsePositives', clean.wrong, `${each.text}  ⇒ ${describe(each.text, stray)}`);
}

function count(
  each: Labelled,
  own: readonly Finding[],
  start: number,
  end: number,
  tally: Tally,
  coverage: boolean,
): void {
  const hits = own.filter((finding) => finding.start < end && start < finding.end);
  tally.labelled++;
  if (hits.length > 0) tally.found++;
  else tally.missed.push(`${each.text}  ⇒ ${JSON.stringify(each.text.slice(start, end))}`);
  if (!coverage) return;
  tally.characters += end - start;
  for (const hit of hits) tally.covered += Math.min(end, hit.end) - Math.max(start, hit.start);
}

function note(tally: Tally, kind: 'falsePositives', list: string[], what: string): void {
  tally[kind]++;
  list.push(what);
}

function describe(text: string, findings: readonly Finding[]): string {
  return findings.map(({ entity, start, end }) => `${entity} ${JSON.stringify(text.slice(start, end))}`).join(', ');
}

const coreEntities =
  /^(?:SECRET_|CREDIT_CARD|US_SSN|EMAIL_ADDRESS|PHONE_NUMBER|IBAN_CODE|IP_ADDRESS|MAC_ADDRESS|CRYPTO)/;

function isOfClass(label: string, entity: string): boolean {
  switch (label) {
    case 'ANY':
    case 'DOC':
      return true;
    case 'SECRET':
    case 'PASSWORD':
    case 'JWT':
      return entity.startsWith('SECRET_');
    case 'NATIONAL_ID':
    case 'TAX_ID':
    case 'PASSPORT':
    case 'VAT_ID':
      return !coreEntities.test(entity);
    case 'TR_PHONE_NUMBER':
    case 'PH_MOBILE_NUMBER':
      return entity === label || entity === 'PHONE_NUMBER';
    default:
      return entity === label;
  }
}
