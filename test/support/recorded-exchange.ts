import type { AuditEntry } from '../../src/audit/entry.ts';
import type { OpenedBody, StoredRecord } from '../../src/audit/read.ts';
import type { Detector } from '../../src/detect/finding.ts';
import { rules } from '../../src/detect/rules/catalogue.ts';
import type { ExchangeSettings } from '../../src/exchange/deps.ts';
import { createExchangeService } from '../../src/exchange/service.ts';
import { anonymous } from '../../src/identity/subject.ts';
import { ok } from '../../src/lib/result.ts';
import { createDialects, type DialectRoute } from '../../src/llm/dialects.ts';
import type { OpenedRecord } from '../../src/main/replay-answer.ts';
import type { SessionKeys } from '../../src/mask/session-keys.ts';
import type { Decision, PolicyInput } from '../../src/policy/decision.ts';
import { exchangeDeps } from './exchange-deps.ts';

/** Names that the product's own rules report. */
export const ownEntities: ReadonlySet<string> = new Set(rules.map((rule) => rule.entity));

export interface WantedExchange {
  readonly decide: (input: PolicyInput) => Decision;
  /** Default: a short question to a chat model. */
  readonly body?: string | Buffer;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Which dialect speaks where its path does not tell. */
  readonly routes?: readonly DialectRoute[];
  /** Absent: nothing answers. `body` null: the client leaves before the answer is there. */
  readonly answer?: {
    readonly type: string;
    readonly body: Buffer | null;
    readonly encoding?: string;
    /** Bytes of a piece; default: all in one. */
    readonly pieceBytes?: number;
  };
  readonly settings?: Partial<ExchangeSettings>;
  readonly detector?: Detector;
  readonly placeholders?: SessionKeys;
}

/** One exchange of the real service, as its records once they are opened. A refused one has its only record as `intent`. */
export async function recordExchange(
  wanted: WantedExchange,
): Promise<{ readonly intent: OpenedRecord; readonly outcome: OpenedRecord | null }> {
  const recorded: AuditEntry[] = [];
  const { detector, placeholders } = wanted;
  const deps = exchangeDeps(recorded, wanted.decide, wanted.settings);
  const service = createExchangeService({
    ...deps,
    selectDialect: createDialects(wanted.routes),
    ...(detector ? { detection: { current: () => detector } } : {}),
    ...(placeholders ? { keys: { ...deps.keys, placeholder: placeholders } } : {}),
    authenticator: {
      authenticate: async () =>
        ok({ ...anonymous, authenticated: true, kind: 'human', id: 'rita', groups: ['leads'], issuer: 'https://i' }),
    },
    entities: ownEntities,
  });
  const head = {
    method: 'POST',
    path: wanted.path ?? '/v1/chat/completions',
    host: 'api.example',
    headers: new Map(Object.entries({ 'content-type': 'application/json', ...wanted.headers })),
    source: { address: '', principal: null },
    destination: '',
    contextExtensions: {},
    metadata: {},
  };
  const body = wanted.body ?? '{"model":"gpt","stream":true,"messages":[{"role":"user","content":"how?"}]}';
  const options = { canRewrite: true, handover: null, isBodyWithheld: false };
  const verdict = await service.request(head, Buffer.from(body), options, new AbortController().signal);
  if (verdict.kind === 'forward' && wanted.answer !== undefined) {
    const { type, body, encoding, pieceBytes = body?.length ?? 0 } = wanted.answer;
    const headers = new Map([['content-type', type]]);
    if (encoding !== undefined) headers.set('content-encoding', encoding);
    const phase = verdict.exchange.openResponse({ status: 200, headers });
    if (body === null) await verdict.exchange.abort('client_gone');
    else {
      for (let at = 0; at < body.length; at += pieceBytes) phase.push(body.subarray(at, at + pieceBytes));
      await phase.finish();
    }
  }
  const [intent, outcome] = recorded.map((entry) => ({ record: storedOf(entry), bodies: bodiesOf(entry) }));
  if (intent === undefined) throw new Error('nothing was recorded');
  return { intent, outcome: outcome ?? null };
}

function storedOf({ kind, exchange, session, facts }: AuditEntry): StoredRecord {
  return {
    sequence: 0,
    id: kind,
    kind,
    exchange,
    session,
    wallNs: 0n,
    // As it is read from disk.
    facts: JSON.parse(JSON.stringify(facts)),
    bodies: [],
    manifest: {},
    manifestBytes: Buffer.alloc(0),
    sealed: Buffer.alloc(0),
    folder: '',
    segment: 0,
    offset: 0,
  };
}

function bodiesOf({ bodies }: AuditEntry): OpenedBody[] {
  return Object.entries(bodies).map(([name, { mediaType, bytes }]) => {
    return { name, mediaType, bytes: bytes.length, content: Buffer.from(bytes), salt: Buffer.alloc(0) };
  });
}
