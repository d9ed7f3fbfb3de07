import { ok, type Result } from '../lib/result.ts';
import type { Sliced } from '../lib/slices.ts';
import { emptyConversation, type Role } from './conversation.ts';
import type { BodyError, Dialect, ParsedBody } from './dialect.ts';
import { createGenericJson } from './generic-json.ts';
import { unchanged } from './json-body.ts';
import { decodingUtf8, encodingUtf8 } from './utf8.ts';

/**
 * A body of plain text: one segment with the empty pointer. A body that is a JSON document all the same is read as one, whatever
 * its media type says, because escapes could hide a value from whoever reads the bytes.
 */
export function createGenericText(): Dialect {
  const json = createGenericJson();

  function* read(
    body: Buffer,
    role: Role,
    readAsJson: () => Sliced<Result<ParsedBody, BodyError>>,
  ): Sliced<Result<ParsedBody, BodyError>> {
    const source = yield* decodingUtf8(body);
    if (!source.ok) return source;
    if (/^\ufeff?\s*[[{]/.test(source.value)) {
      const parsed = yield* readAsJson();
      if (parsed.ok || parsed.error.kind !== 'invalid_json') return parsed;
    }
    return ok(plainBody(body, source.value, role));
  }

  return {
    ...json,
    id: 'text',
    matches: () => false,
    readRequest: (body, route) => read(body, 'user', () => json.readRequest(body, route)),
    readResponse: (body) => read(body, 'assistant', () => json.readResponse(body)),
  };
}

/** What cannot be read at all (forms, audio, archives): a fact for policy. Its answer may still be text or JSON. */
export function createOpaqueBody(): Dialect {
  const text = createGenericText();
  return {
    ...text,
    id: 'binary',
    readRequest: function* (body) {
      return ok({
        conversation: {
          ...emptyConversation,
          dialect: 'binary',
          uninspected: body.length > 0 ? [{ pointer: '', kind: 'binary' }] : [],
        },
        rewrite: () => unchanged(body),
      });
    },
  };
}

function plainBody(body: Buffer, source: string, role: Role): ParsedBody {
  const mark = source.startsWith('\ufeff') ? '\ufeff' : '';
  const text = source.slice(mark.length);
  const segments = text === '' ? [] : [{ pointer: '', role, kind: 'text' as const, text }];
  return {
    conversation: { ...emptyConversation, dialect: 'text', segments },
    rewrite: (replacements) => {
      const replacement = replacements.get(0);
      const isChanged = replacement !== undefined && replacement !== text;
      return isChanged ? encodingUtf8([mark, replacement]) : unchanged(body);
    },
  };
}
