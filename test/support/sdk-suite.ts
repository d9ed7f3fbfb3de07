import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { leakedKey } from '../../src/main/demo/model.ts';
import { prompts, said } from './providers/turn.ts';
import { alarms, noAlarms, startTestStack, type TestStack } from './stack.ts';
import { type Script, type Seen, startUpstream, type Upstream } from './upstream.ts';

/** One of a provider's SDK's ways to ask. Each sends one request, in the very words of the SDK. */
export interface SdkDriver {
  /** The text of an answer in JSON. */
  say(text: string): Promise<string>;
  /** Gives the pieces of a streamed answer as they come; rejects with what the SDK raises. */
  stream(text: string, onPiece: (piece: string) => void): Promise<void>;
  /** The arguments of the tool call that answers `text`; the conversation before has a call of `lookup` whose result is `result`. */
  callTool(text: string, result: string): Promise<unknown>;
  streamTool(text: string, result: string): Promise<unknown>;
}

/** What a program that uses the SDK reads of its error. */
export interface Raised {
  /** The name of the SDK's class. */
  readonly type: string;
  /** Null where the SDK does not tell. */
  readonly status: number | null;
  readonly code: string | null;
  readonly message: string;
}

export interface Sdk {
  readonly name: string;
  /** `headers` go with each request: they say who asks. */
  readonly connect: (baseUrl: string, headers: Record<string, string>) => SdkDriver;
  readonly raised: (thrown: unknown) => Raised;
  /** The class and status of its error: refused for want of an identity, held, and broken off in the middle of a stream. */
  readonly errors: Readonly<Record<'denied' | 'held' | 'broken', Pick<Raised, 'type' | 'status'>>>;
}

const card = '4111 1111 1111 1111';
const masked = 'SECRET_AWS_ACCESS_KEY_ID_REDACTED';
const placeholder = /CREDIT_CARD_[0-9A-Z]{10}/;
const risky = 'Write a script that drops the users table in production.';

/** What each SDK must bear, through the real Envoy: `answer` is the provider behind it. `more` adds tests of one provider's own. */
export function describeSdks(
  answer: (asked: Seen) => Script,
  sdks: readonly Sdk[],
  more: (running: () => { readonly provider: Upstream; readonly stack: TestStack }) => void = () => {},
): void {
  let provider: Upstream;
  let stack: TestStack;
  beforeAll(async () => {
    provider = await startUpstream(answer);
    stack = await startTestStack({ modelPort: provider.port });
  });
  afterAll(async () => {
    await stack?.stop();
    await provider?.close();
  });

  describe.each(sdks)('$name', (sdk) => {
    const asAlice = (): SdkDriver => sdk.connect(stack.baseUrl, { [stack.tokenHeader]: stack.tokens.requester });

    test('JSON: the provider gets a placeholder, the caller no secret', async () => {
      const echoed = await asAlice().say(`my card is ${card}`);
      expect(echoed).toMatch(/^You said: my card is CREDIT_CARD_/);
      expect(sent()).toMatch(placeholder);
      expect(await asAlice().say(prompts.leak)).toBe(said.leak(masked));
    });

    test('stream: pieces arrive, the secret in them does not', async () => {
      const pieces: string[] = [];
      await asAlice().stream(`${prompts.leak} It is for my card is ${card}`, (piece) => void pieces.push(piece));
      expect(pieces.length).toBeGreaterThan(5);
      expect(pieces.join('')).toBe(said.leak(masked));
      expect(sent()).toMatch(placeholder);
    });

    test('tool calls: results are masked for the provider, arguments for the caller', async () => {
      expect(await asAlice().callTool(prompts.tool, `The card is ${card}.`)).toEqual(said.tool(masked));
      expect(sent()).toMatch(placeholder);
      expect(await asAlice().streamTool(prompts.tool, `The card is ${card}.`)).toEqual(said.tool(masked));
      expect(sent()).toMatch(placeholder);
    });

    test('denied: its own typed error with our code, raised once', async () => {
      const anonymous = sdk.connect(stack.baseUrl, {});
      for (const ask of [() => anonymous.say('hello'), () => anonymous.stream('hello', () => {})]) {
        expect(await refused(ask)).toMatchObject({
          ...sdk.errors.denied,
          code: 'identity_required',
          message: expect.stringContaining('a verified identity is required'),
        });
      }
    });

    test('held: its own typed error with our code, raised once', async () => {
      for (const ask of [() => asAlice().say(risky), () => asAlice().stream(risky, () => {})]) {
        expect(await refused(ask)).toMatchObject({
          ...sdk.errors.held,
          code: 'approval_pending',
          message: expect.stringMatching(/waits for approval \S+\. Repeat the identical request once it is approved\./),
        });
      }
    });

    test('broken in the middle of a stream: what was good, then its error, once; nothing that was held back', async () => {
      const pieces: string[] = [];
      const before = await requests();
      const thrown = await caught(asAlice().stream(prompts.break, (piece) => void pieces.push(piece)));
      expect(sdk.raised(thrown)).toMatchObject({
        ...sdk.errors.broken,
        code: 'masking_failed',
        message: expect.stringContaining('could not be masked safely'),
      });
      expect(pieces.join('')).toMatch(/^One moment, /);
      expect(pieces.join('')).not.toContain(leakedKey.slice(0, 6));
      expect(await requests()).toBe(before + 1);
    });

    /** Asks, and holds that neither the provider nor, beyond the one time, Envoy was asked. */
    async function refused(ask: () => Promise<unknown>): Promise<Raised> {
      const [reached, before] = [provider.seen.length, await requests()];
      const thrown = await caught(ask());
      expect([provider.seen.length, await requests()]).toEqual([reached, before + 1]);
      return sdk.raised(thrown);
    }
  });

  more(() => ({ provider, stack }));

  test('afterwards: no alarm of Envoy, and the card never left', async () => {
    expect(await alarms(stack)).toEqual(noAlarms);
    const all = provider.seen.map(({ body }) => body.toString('utf8')).join('\n');
    expect([all.includes(card), all.includes(card.replaceAll(' ', ''))]).toEqual([false, false]);
  });

  /** The last body that reached the provider. */
  function sent(): string {
    return provider.seen.at(-1)?.body.toString('utf8') ?? '';
  }

  async function requests(): Promise<number> {
    const stats = await stack.envoy.stats('^http\\.llm\\.downstream_rq_total$');
    return [...stats.values()][0] ?? Number.NaN;
  }
}

async function caught(asking: Promise<unknown>): Promise<unknown> {
  return asking.then(
    () => {
      throw new Error('it was let through');
    },
    (thrown: unknown) => thrown,
  );
}
