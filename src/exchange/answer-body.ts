import type { Detector } from '../detect/finding.ts';
import { Fault } from '../lib/fault.ts';
import { err, ok, type Result } from '../lib/result.ts';
import { inSlices, type Sliced } from '../lib/slices.ts';
import { createBodyEncoder, encodeBody } from '../llm/content-encoder.ts';
import { createBodyDecoder, decodeBodyAside, isKnownEncoding } from '../llm/content-encoding.ts';
import type { OmittedCount } from '../llm/conversation.ts';
import type { BodyError, Dialect, RouteFacts, StreamFraming } from '../llm/dialect.ts';
import { maskBody } from '../mask/mask-body.ts';
import type { Minter } from '../mask/placeholder.ts';
import type { MaskPlan } from '../mask/plan.ts';
import type { Restorer } from '../mask/restorables.ts';
import { restoreBody } from '../mask/restore-body.ts';
import { createRestoringTransform, createStreamTransform } from '../mask/stream-transform.ts';
import type { FindingCount } from '../mask/tally.ts';
import type { Recoding } from './deps.ts';
import type { HeaderChanges, ResponseHead } from './exchange.ts';
import { inspect } from './inspect.ts';
import { type Refusal, unreadableResponse } from './replies.ts';

/** A piece on its way out. */
export interface Released {
  /** As it is sent: in its content encoding, if any. */
  readonly wire: Buffer;
  /** As the caller reads it. */
  readonly bytes: Buffer;
  /** The same without the values that were put back; one buffer where none were. */
  readonly masked: Buffer;
}

/** The body of an answer on its way through: read, masked by plan, the caller's own values put back, released. */
export interface AnswerBody {
  readonly mode: 'stream' | 'whole' | 'pass';
  readonly framing: StreamFraming | null;
  readonly headers: HeaderChanges;
  /**
   * May throw Fault; then nothing that was held back may go out. `isLast`: nothing comes behind it, so that a large one may be left to
   * `finish`, which gives way to other exchanges in between.
   */
  push(piece: Buffer, isLast?: boolean): Released;
  finish(): Promise<Result<Released, Refusal>>;
  /** What a `push` or `finish` that threw had released until then. May go out; once, and before `breakOff`. */
  proven(): Released;
  /** These last bytes, for the end of a stream that breaks off in the middle. */
  breakOff(last: Buffer): Buffer;
  counts(): readonly FindingCount[];
  /** Kinds of parts that could not be read. */
  uninspected(): readonly string[];
  /** Sealed blocks that were left out. */
  omitted(): readonly OmittedCount[];
}

interface AnswerBodyOptions {
  readonly route: RouteFacts;
  readonly head: ResponseHead;
  readonly dialect: Dialect;
  readonly detector: Detector;
  readonly plan: MaskPlan;
  readonly minter: Minter;
  /** Puts values of the request back; null: nothing is put back. */
  readonly restorer: Restorer | null;
  readonly recoding: Recoding;
  readonly bodyBytesMax: number;
  readonly exchangeId: string;
  readonly onHeldBack: (characters: number) => void;
}

const empty = Buffer.alloc(0);
const nothing: Released = { wire: empty, bytes: empty, masked: empty };
/** They describe bytes that masking may change. */
const staleHeaders = ['etag', 'content-md5', 'digest', 'content-digest', 'repr-digest', 'accept-ranges'];

/**
 * Chooses by media type, and by the dialect where that does not tell: a stream is masked as it flows, JSON is judged whole, what is no
 * text passes and is reported as such.
 */
export function createAnswerBody(options: AnswerBodyOptions): AnswerBody {
  const kind = answerKind(options.route, options.head, options.dialect);
  if (kind === 'json') return whole(options);
  return kind === 'binary' ? passed(options) : streamed(options, kind);
}

/** How an answer is read: the framing of a stream, `json`, or `binary` for what is no text. */
export function answerKind(route: RouteFacts, head: ResponseHead, dialect: Dialect): StreamFraming | 'json' | 'binary' {
  const mediaType = (head.headers.get('content-type') ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
  const framing = dialect.streamFraming?.(route, mediaType) ?? framingOf(mediaType);
  if (framing) return framing;
  return mediaType === '' || mediaType === 'application/json' || mediaType.endsWith('+json') ? 'json' : 'binary';
}

function framingOf(mediaType: string): StreamFraming | null {
  if (mediaType === 'text/event-stream') return 'sse';
  // None of them is registered: `application/x-jsonl` is what Anthropic gives a batch's results.
  if (/^application\/(?:x-)?(?:ndjson|jsonl|jsonlines|json-lines)$/.test(mediaType)) return 'ndjson';
  if (mediaType === 'application/vnd.amazon.eventstream') return 'eventstream';
  return mediaType.startsWith('text/') ? 'text' : null;
}

function streamed(options: AnswerBodyOptions, framing: StreamFraming): AnswerBody {
  const { dialect, detector, plan, minter, restorer } = options;
  const encoding = options.head.headers.get('content-encoding') ?? null;
  if (!isKnownEncoding(encoding)) throw unknownEncoding();
  const decoder = createBodyDecoder(encoding, options.bodyBytesMax);
  const transform = createStreamTransform({
    framing,
    reader: dialect.openStream(),
    filter: plan.omits.size > 0 ? (dialect.openBlockFilter?.(plan.omits) ?? null) : null,
    detector,
    plan,
    minter,
    onHeldBack: options.onHeldBack,
  });
  const restoring = restorer && createRestoringTransform({ framing, reader: dialect.openStream(), restorer });
  const encoder = options.recoding === 'same' ? createBodyEncoder(encoding) : null;
  /** What is read in turns once the answer is there. */
  let left: Buffer = empty;
  /** What was released of that. */
  let released: Released[] = [];

  function through(plain: Buffer): Released {
    const masked = transform.push(plain);
    return outOf(masked, restoring ? restoring.push(masked) : masked);
  }

  function* passing(plain: Buffer): Sliced<Released> {
    const masked = yield* transform.pushing(plain);
    return outOf(masked, restoring ? yield* restoring.pushing(masked) : masked);
  }

  function outOf(masked: Buffer, bytes: Buffer): Released {
    return { masked, bytes, wire: encoder ? encoder.push(bytes) : bytes };
  }

  function* readLeft(): Sliced<void> {
    for (const piece of piecesOf(left, encoding === null ? turnBytes : turnBytesEncoded)) {
      for (const plain of piecesOf(orFault(decoder.push(piece)), turnBytes)) {
        released.push(yield* passing(plain));
        yield;
      }
    }
  }

  function taken(): Released[] {
    const all = released;
    released = [];
    return all;
  }

  return {
    mode: 'stream',
    framing,
    headers: changes(options, encoder === null ? ['content-encoding', ...staleHeaders] : staleHeaders),
    push: (piece, isLast = false) => {
      if (!isLast || piece.length <= turnBytes) return through(orFault(decoder.push(piece)));
      left = piece;
      return nothing;
    },
    finish: async () => {
      await inSlices(readLeft());
      const rest = orFault(decoder.end());
      const masked = rest.length > 0 ? Buffer.concat([transform.push(rest), transform.finish()]) : transform.finish();
      const bytes = restoring ? Buffer.concat([restoring.push(masked), restoring.finish()]) : masked;
      return ok(joined([...taken(), { masked, bytes, wire: encoder ? await encoder.end(bytes) : bytes }]));
    },
    proven: () => {
      const masked = transform.proven();
      const further = masked.length > 0 && restoring ? restoring.push(masked) : empty;
      const bytes = restoring ? Buffer.concat([restoring.proven(), further]) : masked;
      return joined([...taken(), { masked, bytes, wire: encoder ? encoder.push(bytes) : bytes }]);
    },
    breakOff: (last) => encoder?.breakOff(last) ?? last,
    counts: () => transform.summary().counts,
    uninspected: () => transform.summary().uninspected.map((part) => part.kind),
    omitted: () => transform.summary().omitted,
  };
}

/** Bytes of a stream that are masked between two turns; of an encoded one few, because they may become many. */
const turnBytes = 8192;
const turnBytesEncoded = 512;

function* piecesOf(bytes: Buffer, size: number): Generator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

function joined(pieces: readonly Released[]): Released {
  const [only] = pieces;
  if (pieces.length === 1 && only !== undefined) return only;
  const join = (part: keyof Released): Buffer => Buffer.concat(pieces.map((piece) => piece[part]));
  const bytes = join('bytes');
  const isOne = (part: 'wire' | 'masked'): boolean => pieces.every((piece) => piece[part] === piece.bytes);
  return { bytes, wire: isOne('wire') ? bytes : join('wire'), masked: isOne('masked') ? bytes : join('masked') };
}

function whole(options: AnswerBodyOptions): AnswerBody {
  const { dialect, detector, plan, minter, restorer, bodyBytesMax } = options;
  const encoding = options.head.headers.get('content-encoding') ?? null;
  const isRecoded = options.recoding === 'same';
  const pieces: Buffer[] = [];
  let bytes = 0;
  let counts: readonly FindingCount[] = [];
  let uninspected: readonly string[] = [];
  let omitted: readonly OmittedCount[] = [];

  async function judge(body: Buffer): Promise<Result<Released, BodyError>> {
    if (body.length === 0) return ok(nothing);
    const decoded = await decodeBodyAside(body, encoding);
    if (!decoded.ok) return decoded;
    const parsed = await inSlices(dialect.readResponse(decoded.value));
    if (!parsed.ok) return parsed;
    const scans = await inspect(detector, parsed.value.conversation.segments);
    const masked = await inSlices(maskBody(parsed.value, scans, 'output', plan, minter));
    counts = masked.counts;
    omitted = masked.omitted;
    uninspected = parsed.value.conversation.uninspected
      .filter(({ block }) => block === undefined || !plan.omits.has(block))
      .map((part) => part.kind);
    const bytes = restorer ? await inSlices(restoreBody(parsed.value, masked, restorer, plan.omits)) : masked.body;
    return ok({ masked: masked.body, bytes, wire: await encoded(body, decoded.value, bytes) });
  }

  async function encoded(asItCame: Buffer, decoded: Buffer, bytes: Buffer): Promise<Buffer> {
    if (!isRecoded) return bytes;
    return bytes === decoded ? asItCame : encodeBody(bytes, encoding);
  }

  return {
    mode: 'whole',
    framing: null,
    headers: changes(options, isRecoded ? staleHeaders : ['content-encoding', ...staleHeaders]),
    push: (piece) => {
      bytes += piece.length;
      // Held until it is complete; what grows past the bound is refused at the end without being kept.
      if (bytes <= bodyBytesMax) pieces.push(piece);
      return nothing;
    },
    finish: async () => {
      if (bytes > bodyBytesMax) {
        return err(
          unreadableResponse({
            kind: 'body_too_large',
            message: `it is larger than ${bodyBytesMax} bytes.`,
          }),
        );
      }
      const [only] = pieces;
      const judged = await judge(pieces.length === 1 && only ? only : Buffer.concat(pieces, bytes));
      return judged.ok ? judged : err(unreadableResponse(judged.error));
    },
    proven: () => nothing,
    breakOff: (last) => last,
    counts: () => counts,
    uninspected: () => uninspected,
    omitted: () => omitted,
  };
}

/** Images, audio, archives: policy let them pass at the headers; the record says that nobody looked inside. */
function passed(options: AnswerBodyOptions): AnswerBody {
  return {
    mode: 'pass',
    framing: null,
    headers: changes(options, []),
    push: (piece) => ({ wire: piece, bytes: piece, masked: piece }),
    finish: async () => ok(nothing),
    proven: () => nothing,
    breakOff: (last) => last,
    counts: () => [],
    uninspected: () => ['binary'],
    omitted: () => [],
  };
}

function changes(options: AnswerBodyOptions, drop: readonly string[]): HeaderChanges {
  return {
    set: new Map([['x-countersign-exchange', options.exchangeId]]),
    remove: drop.filter((name) => options.head.headers.has(name)),
  };
}

function orFault(decoded: Result<Buffer, BodyError>): Buffer {
  if (decoded.ok) return decoded.value;
  throw new Fault('masking_failed', `the streamed answer could not be decoded: ${decoded.error.kind}`);
}

function unknownEncoding(): Fault {
  return new Fault('masking_failed', 'the answer has a content encoding that cannot be read');
}
