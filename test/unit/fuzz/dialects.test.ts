import { describe, expect, test } from 'vitest';
import { createDetector } from '../../../src/detect/detector.ts';
import { rules } from '../../../src/detect/rules/catalogue.ts';
import { Fault } from '../../../src/lib/fault.ts';
import type { Result } from '../../../src/lib/result.ts';
import { atOnce } from '../../../src/lib/slices.ts';
import type { SealedKind } from '../../../src/llm/conversation.ts';
import type { BodyError, Dialect, ParsedBody, RouteFacts } from '../../../src/llm/dialect.ts';
import { createFallbackDialects, createProviderDialects } from '../../../src/llm/dialects.ts';
import { createMinter } from '../../../src/mask/placeholder.ts';
import { compilePlan } from '../../../src/mask/plan.ts';
import { createStreamTransform } from '../../../src/mask/stream-transform.ts';
import {
  bodyCases,
  bodyOf,
  type StreamCase,
  sealedStreamCases,
  streamCases,
  streamOf,
} from '../../support/llm-cases.ts';
import { fuzz, piecesOf } from '../../support/mutation.ts';

/** The corpus of the dialects are their cases in test/cases/llm. */
const { form, json, text, opaque } = createFallbackDialects();
const dialects: readonly Dialect[] = [...createProviderDialects(), form, json, text, opaque];

const words = [
  '"text":',
  '"content":',
  '"type":',
  '"index":-1',
  '"delta":{',
  '"role":"tool"',
  '"\\u0034111"',
  '4111111111111111',
  '"signature":"x"',
  '"type":"thinking",',
  '"type":"reasoning",',
  '"thoughtSignature":"x",',
  '[]',
  '{}',
  'null',
  '\\ud83d',
  '"{\\"a\\":1}"',
];

const sealed: ReadonlySet<SealedKind> = new Set(['signed', 'encrypted']);

describe('a body', () => {
  test.each(dialects.map((dialect) => ({ id: dialect.id, dialect })))(
    'of $id is read or refused by name; untouched it is the very buffer, touched it can be read again',
    ({ id, dialect }) => {
      const cases = bodyCases.filter(({ create }) => create().id === id);
      const corpus = cases.length > 0 ? cases.map(bodyOf) : [Buffer.from('{"a":["4111 1111 1111 1111"]}')];
      const given = cases.find(({ path }) => path !== null);
      const route: RouteFacts = {
        method: 'POST',
        path: given?.path ?? '/x',
        header: (name) => given?.headers?.[name] ?? null,
      };
      const readers = [
        (body: Buffer) => atOnce(dialect.readRequest(body, route)),
        (body: Buffer) => atOnce(dialect.readResponse(body)),
      ];
      fuzz(corpus, words, 60, (body) => {
        for (const read of readers) {
          const parsed = read(body);
          if (!parsed.ok) expect(parsed.error.message).toMatch(/\w/);
          else holds(body, parsed.value, read);
        }
      });
    },
  );

  function holds(body: Buffer, parsed: ParsedBody, read: (body: Buffer) => Result<ParsedBody, BodyError>): void {
    expect(atOnce(parsed.rewrite(new Map()))).toBe(body);
    const { segments } = parsed.conversation;
    const without = atOnce(parsed.rewrite(new Map(), sealed));
    const again = read(without);
    expect(again.ok).toBe(true);
    expect(again.ok && again.value.omitted?.(sealed)).toEqual(parsed.omitted === undefined ? undefined : []);
    if (segments.length === 0) return;
    const touched = atOnce(parsed.rewrite(new Map(segments.map((_, index) => [index, 'm']))));
    expect(read(touched).ok).toBe(true);
  }
});

const detector = createDetector({ tier: 'core' });
const minter = createMinter({
  key: Buffer.alloc(32, 1),
  scope: 's',
  entities: new Set(rules.map(({ entity }) => entity)),
});
const plan = compilePlan([{ entity: '*', method: 'label' }]);

describe('a stream', () => {
  test.each(streamCases)('$name, $framing: cut anywhere the same goes out, or the same fault ends it', (given) => {
    holds(given, false);
  });

  test.each(sealedStreamCases)('$name, $framing: the same without what is sealed', (given) => {
    holds(given, true);
  });

  function holds(given: StreamCase, isOmitting: boolean): void {
    fuzz([streamOf(given)], [...words, '\n', '\n\n', 'data: ', 'event: '], 25, (bytes, random) => {
      const whole = masked([bytes]);
      const inPieces = masked(piecesOf(bytes, random));
      expect(inPieces.fault).toBe(whole.fault);
      if (whole.fault === null) expect(inPieces.out).toEqual(whole.out);
    });

    function masked(pieces: readonly Buffer[]): { readonly fault: string | null; readonly out: Buffer } {
      const { framing } = given;
      const dialect = given.create();
      const reader = dialect.openStream();
      const filter = isOmitting ? (dialect.openBlockFilter?.(sealed) ?? null) : null;
      const transform = createStreamTransform({
        framing,
        reader,
        filter,
        detector,
        plan,
        minter,
        onHeldBack: () => {},
      });
      const out: Buffer[] = [];
      try {
        for (const piece of pieces) out.push(transform.push(piece));
        out.push(transform.finish());
        return { fault: null, out: Buffer.concat(out) };
      } catch (thrown) {
        if (!(thrown instanceof Fault)) throw thrown;
        return { fault: thrown.code, out: Buffer.concat(out) };
      }
    }
  }
});
