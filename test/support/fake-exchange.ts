import type {
  AbortCause,
  ExchangeService,
  HeaderChanges,
  OpenExchange,
  Reply,
  RequestHead,
  RequestPhaseOptions,
  RequestVerdict,
  ResponseEnd,
  ResponseHead,
  ResponsePhase,
} from '../../src/exchange/exchange.ts';
import { Fault } from '../../src/lib/fault.ts';

export const noChanges: HeaderChanges = { set: new Map(), remove: [] };

export function changes(set: Readonly<Record<string, string>>, remove: readonly string[] = []): HeaderChanges {
  return { set: new Map(Object.entries(set)), remove };
}

export function fakeReply(status: number, code: string): Reply {
  return {
    status,
    headers: new Map([['content-type', 'application/json']]),
    body: Buffer.from(JSON.stringify({ error: code })),
    details: `countersign_${code}`,
  };
}

/** What the scripted exchange does; each part has a default that lets everything pass unchanged. */
export interface ExchangeScript {
  readonly request?: (given: {
    readonly head: RequestHead;
    readonly body: Buffer | null;
    readonly options: RequestPhaseOptions;
    readonly signal: AbortSignal;
  }) => Promise<Partial<Extract<RequestVerdict, { kind: 'forward' }>> | Reply>;
  readonly response?: (head: ResponseHead) => Partial<ResponsePhase>;
}

/** What the exchange was told, in order: `request …`, `open …`, `push …`, `finish`, `abort …`. */
export interface FakeExchange extends ExchangeService {
  readonly seen: string[];
  readonly requests: { readonly head: RequestHead; readonly options: RequestPhaseOptions }[];
  /** Resolves when `seen` holds an entry that starts so. */
  until(entry: string): Promise<void>;
}

export function createFakeExchange(script: ExchangeScript = {}): FakeExchange {
  const seen: string[] = [];
  const requests: FakeExchange['requests'] = [];
  const waiting = new Set<() => void>();
  function note(entry: string): void {
    seen.push(entry);
    for (const check of waiting) check();
  }

  function open(): OpenExchange {
    return {
      id: 'exchange-1',
      openResponse: (head) => {
        note(`open ${head.status}`);
        return scriptedPhase(script.response?.(head) ?? {}, note);
      },
      abort: async (why: AbortCause) => note(`abort ${why}`),
    };
  }

  return {
    seen,
    requests,
    until: (entry) =>
      new Promise((resolve) => {
        const check = () => {
          if (!seen.some((line) => line.startsWith(entry))) return;
          waiting.delete(check);
          resolve();
        };
        waiting.add(check);
        check();
      }),
    request: async (head, body, options, signal) => {
      requests.push({ head, options });
      note(`request ${head.method} ${head.path} ${body === null ? '-' : body.toString('latin1').slice(0, 60)}`);
      const verdict = (await script.request?.({ head, body, options, signal })) ?? {};
      if ('status' in verdict) return { kind: 'reply', reply: verdict };
      return {
        kind: 'forward',
        body: null,
        headers: noChanges,
        exchange: open(),
        handover: { sealed: 'yes' },
        ...verdict,
      };
    },
    faultReply: (_head, fault) => {
      const { code } = Fault.from(fault);
      note(`faultReply ${code}`);
      return fakeReply(code === 'body_too_large' ? 413 : 500, code);
    },
  };
}

function scriptedPhase(script: Partial<ResponsePhase>, note: (entry: string) => void): ResponsePhase {
  const mode = script.mode ?? 'pass';
  const pieces: Buffer[] = [];
  return {
    mode,
    headers: script.headers ?? noChanges,
    reply: script.reply ?? null,
    push: (piece) => {
      note(`push ${piece.toString('latin1').slice(0, 60)}`);
      if (script.push !== undefined) return script.push(piece);
      pieces.push(piece);
      return mode === 'whole' ? Buffer.alloc(0) : piece;
    },
    finish: async () => {
      note('finish');
      if (script.finish !== undefined) return script.finish();
      return { tail: mode === 'whole' ? Buffer.concat(pieces) : Buffer.alloc(0), headers: noChanges, reply: null };
    },
    failureTail: script.failureTail ?? (() => null),
    failureReply: script.failureReply ?? ((fault) => fakeReply(500, Fault.from(fault).code)),
  };
}

export function responseEnd(tail: string, reply: Reply | null = null, headers: HeaderChanges = noChanges): ResponseEnd {
  return { tail: Buffer.from(tail), headers, reply };
}
