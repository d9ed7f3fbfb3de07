import { sha256Hex } from '../lib/hash.ts';
import type { Allowed } from './allow-list.ts';
import type { AdmittedPatterns } from './custom-pattern.ts';
import { createDecodingDetector } from './decoding-detector.ts';
import type { AdmittedDictionary, Dictionary } from './dictionary.ts';
import type { Decoding } from './escapes.ts';
import type { Detector, Finding } from './finding.ts';
import { type AllowList, compileProgram, type Program, withExtras } from './program.ts';
import type { Rule } from './rule.ts';
import { rules as catalogue } from './rules/catalogue.ts';
import { createSession, type Session } from './session.ts';

export interface DetectorOptions {
  /** `extended` adds national identifiers and the like, which collide with ordinary numbers without a known country. */
  readonly tier: 'core' | 'extended';
  /** ISO 3166 codes: only these countries' extended rules. Null or absent: all. */
  readonly countries?: readonly string[] | null;
  readonly custom?: AdmittedPatterns;
  /** Lists of words, made ready, with what they were made from. */
  readonly dictionaries?: readonly { readonly source: Dictionary; readonly list: AdmittedDictionary }[];
  /** What is never a finding, such as published test numbers. Private keys and JWTs cannot be allowed. */
  readonly allow?: readonly string[] | { readonly source: Allowed; readonly list: AllowList };
  /** Encodings that are undone for a second look; absent: none. */
  readonly decode?: Decoding;
}

/** What users add, and may change while the built-in rules stay. */
export type DetectorExtras = Pick<DetectorOptions, 'custom' | 'dictionaries' | 'allow'>;

/** Builds the detector; compiles all rules once (about half a second of CPU, `npm run bench:detect` says how much). */
export function createDetector(options: DetectorOptions): Detector {
  return createDetectors(options)(options);
}

/** Compiles the built-in rules, once for all detectors that differ in what users add. */
export function createDetectors(
  base: Omit<DetectorOptions, keyof DetectorExtras>,
): (extras: DetectorExtras) => Detector {
  const rules = catalogue.filter((rule) => isWanted(rule, base));
  const builtIn = compileProgram(rules);
  return (extras) => detectorOf(rules, builtIn, { ...base, ...extras });
}

function detectorOf(rules: readonly Rule[], builtIn: Program, options: DetectorOptions): Detector {
  const program = withExtras(builtIn, {
    roaming: options.custom?.rules ?? [],
    lists: (options.dictionaries ?? []).map(({ list }) => list),
    allow: allowListOf(options.allow),
  });
  const wholeTexts = createSession(program);
  const detector: Detector = {
    revision: revisionOf(rules, options),
    scan: (text) => ({ findings: scanWhole(wholeTexts, text) }),
    openStream: () => {
      const session = createSession(program);
      return { push: (piece) => session.feed(piece, false), close: () => session.feed('', true) };
    },
  };
  const { decode } = options;
  return decode && Object.values(decode).includes(true) ? createDecodingDetector(detector, decode) : detector;
}

function isWanted(rule: Rule, { tier, countries }: DetectorOptions): boolean {
  if (rule.tier === 'core') return true;
  return tier === 'extended' && (!rule.country || !countries || countries.includes(rule.country));
}

function allowListOf(allow: DetectorOptions['allow']): AllowList {
  return allow !== undefined && 'list' in allow ? allow.list : new Set(allow);
}

/** A long text goes through piece by piece, so that what is read of it stays in the processor's cache. */
const pieceChars = 65_536;

/** All findings of one text. The session is as new afterwards. */
function scanWhole(session: Session, text: string): Finding[] {
  const findings: Finding[] = [];
  try {
    for (let at = 0; at === 0 || at < text.length; at += pieceChars) {
      const last = at + pieceChars >= text.length;
      const piece = last && at === 0 ? text : text.slice(at, at + pieceChars);
      for (const { entity, detector, start, end, score, continuation } of session.feed(piece, last).findings) {
        const before = findings.at(-1);
        if (continuation && before) findings[findings.length - 1] = { ...before, end };
        else findings.push({ entity, detector, start, end, score });
      }
    }
    return findings;
  } finally {
    session.restart();
  }
}

/** Same rules, same settings, same revision. */
function revisionOf(
  rules: readonly Rule[],
  { tier, countries, custom, dictionaries, allow, decode }: DetectorOptions,
): string {
  const settings = {
    rules,
    tier,
    countries: countries ?? null,
    custom: custom?.patterns ?? [],
    dictionaries: (dictionaries ?? []).map(({ source }) => source),
    allow: allow !== undefined && 'list' in allow ? allow.source : (allow ?? []),
    decode: decode ?? null,
  };
  const printable = JSON.stringify(settings, (key, value: unknown) => {
    if (key === 'examples') return undefined;
    return value instanceof RegExp || typeof value === 'function' || typeof value === 'symbol' ? String(value) : value;
  });
  return `sha256:${sha256Hex(printable)}`;
}
