import { Fault } from '../../lib/fault.ts';
import type { JsonObject } from '../../lib/json.ts';
import { atOnce } from '../../lib/slices.ts';
import type { Role, Segment } from '../../llm/conversation.ts';
import { createRoutableDialects } from '../../llm/dialects.ts';
import type { AuditKeys } from '../keys.ts';
import { openBodies, type StoredRecord } from '../read.ts';
import { text } from './record-view.ts';

/** What was sent to a model in place of what it was asked: texts that masking has gone over. */
export interface SentPrompt {
  /** In order; of the oldest one perhaps only its end. */
  readonly messages: readonly { readonly role: Role; readonly texts: readonly string[] }[];
  /** Earlier texts were left out, to keep within the bound. */
  readonly isTruncated: boolean;
}

/** Null: the record holds none, or what it held was destroyed. Throws Fault `key_unavailable` while its key cannot be asked for. */
export type ReadSentPrompt = (record: StoredRecord) => Promise<SentPrompt | null>;

/** The body that is opened; no other one ever is. The original has another name, and stands alone where nothing was masked. */
const bodyName = 'prompt_sent';

/**
 * Opens what was sent, of records that hold it, and nothing else of them: the last `bytesMax` bytes of its texts. `unwrap` asks for keys
 * where they lie.
 */
export function createSentPromptReader(
  directory: string,
  bytesMax: number,
  { unwrap }: Pick<AuditKeys, 'unwrap'>,
): ReadSentPrompt {
  const dialects = new Map(createRoutableDialects().map((dialect) => [dialect.id, dialect]));

  return async (record) => {
    if (!record.bodies.some(({ name }) => name === bodyName)) return null;
    const body = await open(record);
    const dialect = dialects.get(text(record.facts['dialect']));
    if (body === null || dialect === undefined) return null;
    const header = (name: string): string | null => (name === 'content-type' ? body.mediaType : null);
    const route = { method: text(record.facts['method']), path: text(record.facts['path']), header };
    const parsed = atOnce(dialect.readRequest(body.content, route));
    return parsed.ok ? latest(parsed.value.conversation.segments, bytesMax) : null;
  };

  /** A key that cannot be asked for now is asked for again; anything else is gone for good, and keeps up nothing. */
  async function open(record: StoredRecord): Promise<{ mediaType: string; content: Buffer } | null> {
    let away: unknown = null;
    const keys: Pick<AuditKeys, 'unwrap'> = {
      unwrap: async (...asked) => {
        try {
          return await unwrap(...asked);
        } catch (thrown) {
          away = thrown;
          throw thrown;
        }
      },
    };
    try {
      return (await openBodies(directory, record, keys)).find(({ name }) => name === bodyName) ?? null;
    } catch {
      if (away !== null) throw Fault.from(away, 'key_unavailable');
      return null;
    }
  }
}

/** Definitions of tools and labels are no part of what was said. */
const unsaid: ReadonlySet<string> = new Set(['tool_definition', 'metadata']);

/** From the end: of a long conversation the latest is what the request is about. */
export function latest(segments: readonly Segment[], bytesMax: number): SentPrompt {
  const messages: { role: Role; texts: string[] }[] = [];
  let left = bytesMax;
  for (const segment of segments.filter(({ kind }) => !unsaid.has(kind)).reverse()) {
    const bytes = Buffer.from(segment.text);
    const kept = endOf(bytes, left);
    if (kept.length > 0) {
      const [next] = messages;
      if (next?.role === segment.role) next.texts.unshift(kept.toString());
      else messages.unshift({ role: segment.role, texts: [kept.toString()] });
    }
    left -= kept.length;
    if (kept.length < bytes.length) return { messages, isTruncated: true };
  }
  return { messages, isTruncated: false };
}

/** The last so many bytes, whole characters only. */
function endOf(bytes: Buffer, count: number): Buffer {
  let start = Math.max(0, bytes.length - count);
  while (start < bytes.length && ((bytes[start] ?? 0) & 0xc0) === 0x80) start += 1;
  return bytes.subarray(start);
}

/** As the GenAI conventions have input messages: `[{role, parts: [{type, content}]}]`. */
export function inputMessages({ messages }: SentPrompt): readonly JsonObject[] {
  return messages.map(({ role, texts }) => ({ role, parts: texts.map((content) => ({ type: 'text', content })) }));
}
